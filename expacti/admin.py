"""Django admin's site: the same second factor as everywhere, the own organization only."""

from __future__ import annotations

from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.domain.access import require_verified
from accounts.domain.roles import Ability
from accounts.pages import page, safe_next
from accounts.views.sign_in import sign_out
from core.problems import Problem


class ExpactiAdminSite(AdminSite):
    site_header = "Expacti administration"
    site_title = "Expacti admin"
    index_title = "Your organization"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        try:
            require_verified(getattr(request, "access", None), Ability.ADMINISTER)
        except Problem:
            return False
        return True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Ask as every page does: nobody gets 401 with the sign-in page in place, others 403."""
        return update_wrapper(page(Ability.ADMINISTER)(super().admin_view(view, cacheable)), view)

    # Signing in and out, and the password, have one way each: ours, with its records and its locks.
    def login(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the sign-in page in place, or why this person may not enter."""
        del extra_context
        return _enter(request)

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """End the session as the pages do."""
        del extra_context
        return sign_out(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Lead to the page that ends other sessions and records the change."""
        del request, extra_context
        return redirect("password-change")


@page(Ability.ADMINISTER)
def _enter(request: HttpRequest) -> HttpResponse:
    return redirect(safe_next(request) or "admin:index")
