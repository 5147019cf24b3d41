from django.apps import AppConfig


class WhitelistConfig(AppConfig):
    """Its own label, its own database: see `router.py`."""

    name = "approvals.whitelist"
    label = "whitelist"
    verbose_name = "Whitelist"
