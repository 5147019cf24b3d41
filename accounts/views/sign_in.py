"""Sign in: the password, then the second factor, then a whole session. And out again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import services, sessions
from accounts.domain.access import Access
from accounts.domain.addresses import normalise_email
from accounts.domain.factors import Accepted, FactorOutcome, Reason, Rejected
from accounts.forms import CodeForm, SignInForm
from accounts.models import User
from accounts.pages import HOME, client_address, refuse, safe_next, sign_in_page
from accounts.selectors import find_first_organization, has_second_factor
from core.problems import Problem

WRONG = "The email address or the password is not right."
WRONG_CODE = "That code does not count. Enter the one that is shown now."
WRONG_BACKUP_CODE = "That code does not count, or was used before."
TOO_MANY = "Too many wrong attempts. Wait a little, then try again."


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Take the password. Right or wrong, nothing tells whether the address has an account."""
    if request.method != "POST":
        if _access(request) is not None:
            return redirect(safe_next(request) or HOME)
        return sign_in_page(request, next_url=safe_next(request))
    form = SignInForm(request.POST)
    if not form.is_valid():
        return _wrong(request, form)
    email, now = normalise_email(form.cleaned_data["email"]), timezone.now()
    if not AxesProxyHandler.is_allowed(request, {"email": email}):
        return locked_out(request)
    user = authenticate(request, email=email, password=form.cleaned_data["password"])
    if user is None:
        locked = bool(getattr(request, "axes_locked_out", False))
        services.record_sign_in_failure(email=email, address=client_address(request), locked=locked, now=now)
        return locked_out(request) if locked else _wrong(request, form)
    return _after_password(request, user, now)


@require_http_methods(["GET", "HEAD", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Take the second factor: to finish signing in, or again before it is changed."""
    now = timezone.now()
    user = sessions.half_signed_in(request, now=now)
    access = _access(request) if user is None else None
    if user is None and (access is None or not access.verified):
        return refuse(request, Problem(401, "not_authenticated", "Sign in first."))
    form = CodeForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _code_page(request, form)
    outcome = _check_code(request, user.pk if user else cast("Access", access).user_id, form, now)
    if isinstance(outcome, Rejected):
        return _code_refused(request, form, outcome)
    if user is not None:
        return _finish(request, user, outcome, now)
    sessions.note_factor(request, outcome, now=now)
    return redirect(safe_next(request) or reverse("security"))


@require_http_methods(["POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session, or the half of one."""
    access = _access(request)
    with transaction.atomic():
        logout(request)  # flushes the session, also a half one
        if access is not None:
            services.sign_out(
                user_id=access.user_id,
                organization_id=access.organization_id,
                now=timezone.now(),
            )
    return redirect("sign-in")


def locked_out(request: HttpRequest, _original: Any = None, _credentials: Any = None) -> HttpResponse:
    """Answer while an account is locked for an address, existing or not. django-axes calls it too."""
    wait = timedelta(hours=float(settings.AXES_COOLOFF_TIME))
    minutes = round(wait.total_seconds() / 60)
    detail = f"Too many wrong attempts. Try again in {minutes} minutes."
    form = SignInForm(request.POST)
    form.full_clean()
    form.errors.clear()
    form.add_error(None, detail)
    response = sign_in_page(request, status=429, next_url=safe_next(request), form=form)
    response["Retry-After"] = str(int(wait.total_seconds()))
    return response


def _after_password(request: HttpRequest, user: User, now: datetime) -> HttpResponse:
    if not has_second_factor(user.pk):
        return _finish(request, user, None, now)
    target = safe_next(request)
    sessions.begin_half(request, user, now=now)
    query = f"?{urlencode({'next': target})}" if target else ""
    return redirect(f"{reverse('sign-in-verify')}{query}")


def _finish(request: HttpRequest, user: User, factor: Accepted | None, now: datetime) -> HttpResponse:
    target = safe_next(request)
    organization_id = find_first_organization(user.pk)
    if organization_id is None:
        request.session.flush()
        detail = "Your account belongs to no organization any more. Ask its owner to add you."
        return refuse(request, Problem(403, "no_organization", detail))
    with transaction.atomic():
        sessions.complete(request, user, organization_id=organization_id, factor=factor, now=now)
        services.record_sign_in(
            user_id=user.pk,
            organization_id=organization_id,
            method=factor.method.value if factor else "password",
            address=client_address(request),
            now=now,
        )
    return redirect(target or HOME)


def _check_code(request: HttpRequest, user_id: Any, form: CodeForm, now: datetime) -> FactorOutcome:
    check = services.use_backup_code if _method(request) == "backup" else services.verify_totp
    return check(user_id=user_id, code=form.cleaned_data["code"], address=client_address(request), now=now)


def _method(request: HttpRequest) -> str:
    given = request.POST.get("method") or request.GET.get("method")
    return "backup" if given == "backup" else "totp"


def _code_page(request: HttpRequest, form: CodeForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "method": _method(request), "next": safe_next(request)}
    response = render(request, "accounts/verify.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _code_refused(request: HttpRequest, form: CodeForm, outcome: Rejected) -> HttpResponse:
    locked = outcome.reason is Reason.LOCKED
    wrong = WRONG_BACKUP_CODE if _method(request) == "backup" else WRONG_CODE
    form.add_error(None, TOO_MANY if locked else wrong)
    response = _code_page(request, form, status=429 if locked else 401)
    if outcome.retry_after_s:
        response["Retry-After"] = str(outcome.retry_after_s)
    return response


def _wrong(request: HttpRequest, form: SignInForm) -> HttpResponse:
    form.errors.clear()
    form.add_error(None, WRONG)
    return sign_in_page(request, status=401, next_url=safe_next(request), form=form)


def _access(request: HttpRequest) -> Access | None:
    return cast("Access | None", getattr(request, "access", None))
