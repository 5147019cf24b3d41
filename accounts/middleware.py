"""`request.access`: who is signed in, in which organization, proven how; or None."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.sessions import evaluate

if TYPE_CHECKING:
    from accounts.domain.access import Access

Handler = Callable[[HttpRequest], HttpResponse]


class _WithAccess:
    """Adds `access`, asked for once and only when used.

    A class rather than a lazy object: `request.access is None` has to be true for nobody.
    """

    session: Any

    @cached_property
    def access(self) -> Access | None:
        return evaluate(self.session, now=timezone.now())


@lru_cache(maxsize=8)
def _with_access(kind: Any) -> Any:
    return type(kind.__name__, (_WithAccess, kind), {})


def access(get_response: Handler) -> Handler:
    """Give each request the `access` attribute; after SessionMiddleware."""

    def middleware(request: HttpRequest) -> HttpResponse:
        kind: Any = type(request)
        if not issubclass(kind, _WithAccess):
            request.__class__ = _with_access(kind)
        return get_response(request)

    return middleware
