"""Who calls the API: an agent by its key, or a person by their browser's session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck

from accounts.domain import api_keys
from accounts.domain.principal import AgentPrincipal
from accounts.selectors import find_key
from accounts.services import record_key_refusal, touch_key_use
from core import keys
from core.problems import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from rest_framework.request import Request

    from accounts.domain.access import Access
    from accounts.models import ApiKey

CHALLENGE = 'Bearer realm="expacti"'
_KEY_IN_TEXT = re.compile(r"exp_[0-9A-Za-z]{36}")
_CREDENTIAL_NAMES = frozenset(("token", "api_key", "access_token"))


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer exp_…`. One query; none for what is not a key."""

    def authenticate(self, request: Request) -> tuple[Any, AgentPrincipal] | None:
        """Return the agent as both user and credential; None without a header."""
        refuse_credential_in_url(request)
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        # 1. Shape and checksum: noise costs no query.
        text = _bearer(header)
        if not api_keys.well_formed(text):
            raise _refusal("key_invalid", "The Authorization header holds no valid API key.")
        # 2. Find the key by its digest and compare that again in constant time.
        digest, now = api_keys.digest(text), timezone.now()
        key = find_key(digest)
        if key is None or not keys.equal(bytes(key.digest), digest):
            raise _refusal("key_invalid", "There is no such API key.")
        # 3. Found is not yet allowed.
        _check_usable(key, now)
        touch_key_use(key=key, now=now)
        principal = _principal(key)
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that goes with a 401."""
        del request
        return CHALLENGE


class SessionAuthentication(BaseAuthentication):
    """The session of the pages, with its CSRF token on every method that changes something."""

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        """Return the person's access as both user and credential; None without a session."""
        refuse_credential_in_url(request)
        access: Access | None = getattr(request._request, "access", None)
        if access is None:
            return None
        _enforce_csrf(request)
        return access, access

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge that goes with a 401."""
        del request
        return CHALLENGE


def refuse_credential_in_url(request: Request) -> None:
    """Refuse a URL that carries a credential: URLs end up in logs and histories.

    Raises:
        Problem: 400 `credential_in_url`.
    """
    query = request.META.get("QUERY_STRING") or ""
    if not query:
        return
    names = {name.lower() for name, _value in parse_qsl(query, keep_blank_values=True)}
    if names & _CREDENTIAL_NAMES or _KEY_IN_TEXT.search(unquote_plus(query)):
        detail = "A credential in a URL is in logs by now: revoke it. Send it as a header."
        raise Problem(400, "credential_in_url", detail)


def _bearer(header: str) -> str:
    scheme, _, text = header.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _check_usable(key: ApiKey, now: datetime) -> None:
    if key.revoked_at is not None:
        code, detail = "key_revoked", "The API key is revoked."
    elif key.agent.disabled_at is not None:
        code, detail = "key_revoked", "The agent of this API key is switched off."
    elif key.expires_at is not None and key.expires_at <= now:
        code, detail = "key_expired", "The API key has expired."
    else:
        return
    record_key_refusal(key=key, code=code, now=now)
    raise _refusal(code, detail)


def _principal(key: ApiKey) -> AgentPrincipal:
    return AgentPrincipal(
        agent_id=key.agent_id,
        agent_name=key.agent.name,
        key_id=key.id,
        key_prefix=key.prefix,
        key_expires_at=key.expires_at,
        organization=key.organization,
        owner_id=key.agent.owner_id,
        created_by_id=key.created_by_id,
    )


def _refusal(code: str, detail: str) -> Problem:
    challenge = f'{CHALLENGE}, error="invalid_token"'
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})


def _enforce_csrf(request: Request) -> None:
    # DRF exempts its views from the middleware's check; a session makes it necessary again.
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
    check.process_request(request._request)
    refused = check.process_view(request._request, lambda _request: None, (), {})  # type: ignore[arg-type,return-value]
    if refused is not None:
        detail = "Send the CSRF token of the page in X-CSRFToken."
        raise Problem(403, "csrf_failed", detail)
