"""The tests' settings, with the packages that a Django user would pick instead."""

from expacti.settings.testing import *  # noqa: F403 - settings are built on settings
from expacti.settings.testing import INSTALLED_APPS

INSTALLED_APPS += ["auditlog", "simple_history", "bench.rivals"]
