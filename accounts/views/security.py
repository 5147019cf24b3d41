"""How a person signs in: authenticator app, backup codes, password; and where they work."""

from __future__ import annotations

from uuid import UUID

import segno
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import services, sessions
from accounts.domain import totp
from accounts.domain.factors import Reason, Rejected
from accounts.forms import CodeForm, PasswordForm, add_problem
from accounts.models import TotpDevice, User
from accounts.pages import HOME, PageRequest, ask_for_code, client_address, page
from accounts.selectors import (
    count_backup_codes,
    find_pending_device,
    has_second_factor,
    list_devices,
)
from core.problems import Problem, not_found

WRONG_CODE = "That code does not count. Is the clock of your phone right?"


@page()
@require_safe
def security(request: PageRequest) -> HttpResponse:
    """Everything about signing in, on one page."""
    user_id = request.access.user_id
    context = {
        "devices": list_devices(user_id),
        "backup_codes_left": count_backup_codes(user_id),
    }
    return render(request, "accounts/security.html", context)


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def totp_enrol(request: PageRequest) -> HttpResponseBase:
    """Show a new seed once, and turn it on with its first code."""
    now = timezone.now()
    fresh = sessions.is_fresh(request, now=now)
    user_id = request.access.user_id
    if not fresh and has_second_factor(user_id):
        return ask_for_code(request)
    device = find_pending_device(user_id, request.session.get(sessions.PENDING_DEVICE))
    if device is None:
        device = services.begin_totp_enrolment(user_id=user_id, fresh=fresh)
        request.session[sessions.PENDING_DEVICE] = device.pk
    form = CodeForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _enrol_page(request, device, form)
    outcome = services.confirm_totp(
        user_id=user_id,
        device_id=device.pk,
        code=form.cleaned_data["code"],
        fresh=fresh,
        address=client_address(request),
        now=now,
    )
    if isinstance(outcome, Rejected):
        locked = outcome.reason is Reason.LOCKED
        form.add_error(None, "Wait a moment, then try again." if locked else WRONG_CODE)
        return _enrol_page(request, device, form, status=429 if locked else 401)
    request.session.pop(sessions.PENDING_DEVICE, None)
    sessions.note_factor(request, outcome, now=now)
    if count_backup_codes(user_id):
        messages.success(request, "The authenticator app is set up.")
        return redirect("security")
    return _show_new_codes(request)


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def backup_codes(request: PageRequest) -> HttpResponseBase:
    """Make new backup codes, shown once; `action=saved` ends the page that shows them."""
    if not request.access.verified:
        detail = "Set up an authenticator app first: backup codes stand in for it."
        raise Problem(403, "second_factor_required", detail)
    if request.method == "POST" and request.POST.get("action") == "saved":
        return redirect(HOME)
    if not sessions.is_fresh(request, now=timezone.now()):
        return ask_for_code(request)
    if request.method == "POST":
        return _show_new_codes(request)
    context = {"backup_codes_left": count_backup_codes(request.access.user_id)}
    return render(request, "accounts/backup_codes.html", context)


@sensitive_post_parameters("current", "new", "again")
@page()
@require_http_methods(["GET", "HEAD", "POST"])
def password_change(request: PageRequest) -> HttpResponse:
    """Set a new password. Every other session ends."""
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _change_password(request, form):
        messages.success(request, "The password is changed. Your other sessions have ended.")
        return redirect("security")
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/password_change.html", {"form": form}, status=status)


@page()
@require_http_methods(["POST"])
def organization_switch(request: PageRequest) -> HttpResponse:
    """Go on in another organization of the person's."""
    access, now = request.access, timezone.now()
    try:
        wanted = UUID(request.POST.get("organization", ""))
    except ValueError as error:
        raise not_found() from error
    with transaction.atomic():
        services.switch_organization(
            user_id=access.user_id,
            from_organization_id=access.organization_id,
            to_organization_id=wanted,
            verified=access.verified,
            address=client_address(request),
            now=now,
        )
        # Inside the transaction: sockets are told at its commit, and must find the new state.
        sessions.enter_organization(request, wanted)
    return redirect(HOME)


@page()
@require_http_methods(["POST"])
def preferences(request: PageRequest) -> HttpResponse:
    """Keep the person's time zone."""
    zone = request.POST.get("time_zone", "").strip()
    try:
        services.change_time_zone(user_id=request.access.user_id, time_zone=zone)
    except Problem as problem:
        messages.error(request, problem.errors[0].detail)
    else:
        messages.success(request, "Saved.")
    return redirect("security")


def _change_password(request: PageRequest, form: PasswordForm) -> bool:
    now = timezone.now()
    try:
        with transaction.atomic():
            user = services.change_password(
                user=User.objects.get(pk=request.access.user_id),
                current=form.cleaned_data["current"],
                new=form.cleaned_data["new"],
                actor=request.access.actor,
                address=client_address(request),
                now=now,
            )
            sessions.survive_password_change(request, user, now=now)
    except Problem as problem:
        add_problem(form, problem)
        return False
    return True


def _show_new_codes(request: PageRequest) -> HttpResponse:
    access = request.access
    codes = services.create_backup_codes(user_id=access.user_id, actor=access.actor, now=timezone.now())
    return render(request, "accounts/backup_codes.html", {"codes": codes})


def _enrol_page(request: PageRequest, device: TotpDevice, form: CodeForm, status: int = 200) -> HttpResponse:
    uri = totp.provisioning_uri(device.seed, account=request.access.email, issuer=settings.OTP_TOTP_ISSUER)
    context = {
        "form": form,
        "qr_data_uri": segno.make(uri, micro=False).svg_data_uri(scale=4, border=2),
        "secret_grouped": totp.group(device.seed),
    }
    return render(request, "accounts/totp_enrol.html", context, status=status)
