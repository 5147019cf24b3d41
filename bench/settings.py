"""The tests' settings, with the packages that a Django user would pick instead, and a plain view."""

import os

os.environ.setdefault("EXPACTI_OPEN_COMMANDS_MAX", "20000")
os.environ.setdefault("EXPACTI_API_WAIT_MAX_S", "600")
os.environ.setdefault("EXPACTI_LOG_LEVEL", "ERROR")

from expacti.settings.testing import *  # noqa: F403 - settings are built on settings
from expacti.settings.testing import INSTALLED_APPS

INSTALLED_APPS += ["auditlog", "simple_history", "bench.rivals"]
ROOT_URLCONF = "bench.urls"
