"""Log lines in which hostile text stays text: one record, one line."""

from __future__ import annotations

import logging

from core.text import visible


class VisibleFormatter(logging.Formatter):
    """Formats a record with control, bidi and zero-width characters made visible."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        return visible(super().formatMessage(record))
