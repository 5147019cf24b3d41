"""Send the whitelist's tables, and nothing else, to the `whitelist` database."""

from __future__ import annotations

from typing import Any

LABEL = "whitelist"
DATABASE = "whitelist"


class WhitelistRouter:
    """Django database router."""

    def db_for_read(self, model: Any, **_hints: Any) -> str | None:
        return DATABASE if model._meta.app_label == LABEL else None

    def db_for_write(self, model: Any, **_hints: Any) -> str | None:
        return DATABASE if model._meta.app_label == LABEL else None

    def allow_relation(self, left: Any, right: Any, **_hints: Any) -> bool | None:
        labels = {left._meta.app_label, right._meta.app_label}
        return None if LABEL not in labels else labels == {LABEL}

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        return (app_label == LABEL) == (db == DATABASE)
