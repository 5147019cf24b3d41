"""Django admin's site: the same second factor as everywhere, the own organization only."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from accounts.domain.access import require_verified
from accounts.domain.roles import Ability
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
