from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ExpactiConfig(AppConfig):
    """The project itself: commands, checks, the schedule."""

    name = "expacti"


class ExpactiAdminConfig(admin_apps.AdminConfig):
    """Django admin with our site: same second factor, own organization only."""

    default = False
    default_site = "expacti.admin.ExpactiAdminSite"
