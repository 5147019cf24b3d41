"""Deployments that would lose wakes or events are refused, not warned about."""

from __future__ import annotations

import fcntl
import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

LOCK_FILE = "serving.lock"
REMEDY = "Set REDIS_URL, or start one process."


@register()
def one_process_without_redis(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Refuse more than one process on the in-memory channel layer.

    A decision made in one process would not wake an agent that waits on another.
    """
    del app_configs
    wanted = os.environ.get("WEB_CONCURRENCY", "1")
    if settings.REDIS_URL or wanted in {"", "1"}:
        return []
    text = f"WEB_CONCURRENCY asks for {wanted} processes, and there is no Redis between them."
    return [Error(text, hint=REMEDY, id="expacti.E001")]


class AlreadyServing(RuntimeError):  # noqa: N818 - says what is the case
    """Another process serves this installation."""


def claim_installation() -> Any:
    """Hold the installation's lock until the process ends, unless Redis joins the processes.

    Raises:
        AlreadyServing: another process without Redis holds it.
    """
    if settings.REDIS_URL:
        return None
    settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
    lock = (settings.STATE_DIR / LOCK_FILE).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"Another process serves {settings.STATE_DIR} already. Remedy: {REMEDY}"
        raise AlreadyServing(message) from error
    return lock
