"""Tests. Real databases; only the password hash is made cheap to compute, not another one."""

import base64
import os
import tempfile

os.environ.setdefault("EXPACTI_SECRET_KEY", "tests-only-" + "x" * 50)
os.environ.setdefault("EXPACTI_ROOT_KEY", base64.b64encode(bytes(range(32))).decode())
os.environ.setdefault("EXPACTI_DATABASE_POOL_MAX", "0")
_folder = tempfile.gettempdir()
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_folder}/expacti-tests-main.sqlite3")
os.environ.setdefault("WHITELIST_DATABASE_URL", f"sqlite:///{_folder}/expacti-tests-wl.sqlite3")

from expacti.settings.base import *

PASSWORD_HASHERS = ["tests.hashers.QuickBCryptSHA256PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
IN_PROCESS_RUNNER = False
STATIC_ROOT = None  # type: ignore[assignment]  # nothing is collected; WhiteNoise warns about a folder that is not there
