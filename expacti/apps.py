import importlib

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ExpactiConfig(AppConfig):
    """The project itself: commands, checks, the schedule."""

    name = "expacti"

    def ready(self) -> None:
        """Register the system checks."""
        importlib.import_module("expacti.checks")


class ExpactiAdminConfig(admin_apps.AdminConfig):
    """Django admin with our site: same second factor, own organization only."""

    default = False
    default_site = "expacti.admin.ExpactiAdminSite"
