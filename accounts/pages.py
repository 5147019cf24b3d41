"""The edge of every page: who may open it, and what a refusal looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.domain.access import require_verified
from accounts.forms import SignInForm
from accounts.selectors import has_second_factor
from accounts.sessions import is_fresh
from core.problems import Problem
from core.problems import response as problem_response

if TYPE_CHECKING:
    from accounts.domain.access import Access
    from accounts.domain.roles import Ability

HOME = "/"
MAX_NEXT_CHARS = 2_000
SAFE_METHODS = ("GET", "HEAD")


class PageRequest(HttpRequest):
    """What a view behind `page` gets: somebody is signed in."""

    access: Access
    request_id: str


View = Callable[..., HttpResponseBase]


def page(ability: Ability | None = None, *, fresh: bool = False) -> Callable[[View], View]:
    """Let a view be reached only with an ability (None: by anybody signed in).

    With `fresh` only by a session that has passed its second factor a moment ago; others are asked
    for a code first. The outermost decorator: nobody gets 401 whatever the method. A `Problem` that
    the view raises becomes a page, or for htmx and JSON what those can read.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                _authorize(request, ability)
                if fresh and not is_fresh(request, now=timezone.now()):
                    return ask_for_code(request)
                response = view(request, *args, **kwargs)
            except Problem as problem:
                response = refuse(request, problem)
            if not response.has_header("Cache-Control"):
                response["Cache-Control"] = "no-store"
            return response

        return guarded

    return decorate


def _authorize(request: HttpRequest, ability: Ability | None) -> None:
    access: Access | None = request.access  # type: ignore[attr-defined]
    if access is None:
        raise Problem(401, "not_authenticated", "Sign in first.")
    if ability is not None:
        require_verified(access, ability)


def refuse(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Answer a problem in the form that the client can show."""
    if "HX-Request" in request.headers:
        kind = "text/plain; charset=utf-8"
        response = HttpResponse(problem.detail, status=problem.status, content_type=kind)
    elif "json" in request.headers.get("Accept", ""):
        response = problem_response(problem, getattr(request, "request_id", ""))
    elif problem.status == 401:
        response = sign_in_page(request, status=401, next_url=_own_url(request))
        # RFC 9110 wants a challenge with a 401; browsers show nothing for this one.
        response["WWW-Authenticate"] = 'FormBased realm="expacti"'
    elif problem.code == "second_factor_required" and _must_enrol(request):
        response = redirect("totp-enrol")
    else:
        response = _denied_page(request, problem)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def sign_in_page(
    request: HttpRequest, *, status: int = 200, next_url: str = "", form: SignInForm | None = None
) -> HttpResponse:
    """Render the sign-in form, in place of the page that was asked for."""
    context = {"form": form or SignInForm(), "next": next_url}
    response = render(request, "accounts/sign_in.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def ask_for_code(request: HttpRequest) -> HttpResponse:
    """Send a signed-in person to enter a code again, then back to where they were going."""
    access: Access = request.access  # type: ignore[attr-defined]
    if not access.verified:
        detail = "Set up a second factor first."
        return refuse(request, Problem(403, "second_factor_required", detail))
    if "HX-Request" in request.headers:
        detail = "Enter a code of your authenticator app first."
        return refuse(request, Problem(403, "second_factor_required", detail))
    query = urlencode({"next": request.path})
    return redirect(f"{reverse('sign-in-verify')}?{query}")


def safe_next(request: HttpRequest) -> str:
    """Return where the form asks to go on to, if that is a page of this site; or ''."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # A path, because `redirect` takes anything else for the name of a view.
    own_path = allowed and target.startswith("/")
    return target if own_path and len(target) <= MAX_NEXT_CHARS else ""


def client_address(request: HttpRequest) -> str:
    """Return the address of the peer."""
    return str(request.META.get("REMOTE_ADDR") or "")


def login_steps() -> list[dict[str, str]]:
    """Return what to type where the agent runs; never with the key in it."""
    return [
        {"title": "Sign the agent in", "command": f"expacti login --url {settings.PUBLIC_URL}"},
        {"title": "Try it", "command": "expacti run -- uname -a"},
    ]


def _own_url(request: HttpRequest) -> str:
    url = request.get_full_path() if request.method in SAFE_METHODS else ""
    return url if len(url) <= MAX_NEXT_CHARS else ""


def _must_enrol(request: HttpRequest) -> bool:
    access: Access | None = getattr(request, "access", None)
    if access is None or access.verified or request.method not in SAFE_METHODS:
        return False
    return not has_second_factor(access.user_id)


def _denied_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    if problem.status == 404:
        return render(request, "404.html", {"problem": problem}, status=404)
    context: dict[str, Any] = {"problem": problem, "explanation": problem.detail}
    if problem.code == "second_factor_required":
        context["title"] = "A second factor is needed"
        context["remedy"] = "Set up an authenticator app; it takes a minute."
        context["remedy_url"] = reverse("totp-enrol")
        context["remedy_label"] = "Set it up"
    elif problem.code != "role_required":
        context["title"] = "That was not done"
        context["remedy"] = "Nothing was changed."
    return render(request, "accounts/denied.html", context, status=problem.status)
