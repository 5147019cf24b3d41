"""Text from elsewhere, made safe for a terminal."""

from __future__ import annotations

import shlex
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Control, format (bidi, zero-width, tags), surrogate, private, unassigned, separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Drawn as nothing although they are letters or marks.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_ONE_BYTE = 0xFF
_TWO_BYTES = 0xFFFF


def visible(text: object, *, limit: int = 4000) -> str:
    r"""Return `text` with everything a terminal would obey or hide written as an escape.

    Control characters, ESC, bidi and zero-width characters, unusual spaces and variation
    selectors become `\n`, `\x1b`, `\u202e`. The result is one line of at most `limit`
    characters and a mark where it was cut.
    """
    raw = str(text)
    shown = "".join(map(_one, raw[:limit]))
    return shown if len(raw) <= limit else f"{shown}… ({len(raw) - limit} more characters)"


def visible_argv(argv: Sequence[str]) -> str:
    """Return the arguments quoted as for a shell, then made visible."""
    return visible(" ".join(map(shlex.quote, argv)))


def _one(char: str) -> str:
    if char == " " or (char.isascii() and char.isprintable()):
        return char
    if char in _SHORT:
        return _SHORT[char]
    point = ord(char)
    hidden = unicodedata.category(char) in _HIDDEN or char in _BLANK
    if not hidden and "VARIATION SELECTOR" not in unicodedata.name(char, ""):
        return char
    if point <= _ONE_BYTE:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= _TWO_BYTES else f"\\U{point:08x}"
