"""`make run`: SQLite, in memory channel layer, in-process runner, plain HTTP on 127.0.0.1.

The two secrets are made once by `scripts/run.sh` into `var/secrets/` (or `EXPACTI_STATE_DIR`).
"""

import os
from pathlib import Path

_base = Path(__file__).resolve().parent.parent.parent
_secrets = Path(os.environ.get("EXPACTI_STATE_DIR") or _base / "var").resolve() / "secrets"
for _name in ("EXPACTI_SECRET_KEY", "EXPACTI_ROOT_KEY"):
    _file = _secrets / _name.lower()
    if _name not in os.environ and _file.exists():
        os.environ.setdefault(f"{_name}_FILE", str(_file))

from expacti.settings.base import *
from expacti.settings.base import ALLOWED_HOSTS

ALLOWED_HOSTS += ["127.0.0.1", "localhost", "[::1]"]
