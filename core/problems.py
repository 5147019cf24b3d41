"""Errors that a caller can act on: RFC 9457 problem+json with a stable code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import JsonResponse

CONTENT_TYPE = "application/problem+json"
TYPE_BASE = "https://expacti.example/problems/"


@dataclass(frozen=True)
class FieldError:
    """One field's error; `pointer` is RFC 6901 into the request body."""

    pointer: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class Problem(Exception):  # noqa: N818 - the RFC's word
    """Refuse a request. Raise before anything is written: a violation is an outcome, not this."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the RFC 9457 object."""
        body: dict[str, Any] = {
            "type": TYPE_BASE + self.code,
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            **self.extra,
        }
        if self.errors:
            body["errors"] = [error.as_dict() for error in self.errors]
        return body


def response(problem: Problem, request_id: str) -> JsonResponse:
    """Render a problem outside DRF."""
    answer = JsonResponse(problem.body(request_id), status=problem.status, content_type=CONTENT_TYPE)
    for name, value in problem.headers.items():
        answer[name] = value
    return answer


def invalid(*errors: FieldError) -> Problem:
    """Return 422 `invalid` with its field errors."""
    detail = "; ".join(f"{error.pointer or '/'}: {error.detail}" for error in errors)
    return Problem(422, "invalid", detail, errors=errors)


def not_found() -> Problem:
    """Return the one 404: absent, or another organization's; the caller cannot tell which."""
    return Problem(404, "not_found", "There is no such object in this organization.")
