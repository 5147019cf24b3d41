"""Make hostile text visible: what a terminal or browser would hide or obey is shown as its code."""

from __future__ import annotations

import unicodedata

_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Cs"))
_ODD_SPACES = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u3164\u115f\u1160\uffa0\u2800"
)


def is_hidden(character: str) -> bool:
    """Tell whether one character is a control, format, bidi, zero-width or odd-space character."""
    if " " <= character <= "~":
        return False
    return character in _ODD_SPACES or unicodedata.category(character) in _HIDDEN_CATEGORIES


def code_point(character: str) -> str:
    """Return `U+202E` for a character."""
    return f"U+{ord(character):04X}"


def visible(text: str) -> str:
    """Return the text with every hidden character replaced by `⟨U+XXXX⟩`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨{code_point(char)}⟩" if is_hidden(char) else char for char in text)


def segments(text: str) -> list[dict[str, object]]:
    """Split the text for display: `{text, hidden, label}`, hidden characters alone."""
    parts: list[dict[str, object]] = []
    plain = ""
    for char in text:
        if not is_hidden(char):
            plain += char
            continue
        if plain:
            parts.append({"text": plain, "hidden": False, "label": ""})
            plain = ""
        parts.append({"text": char, "hidden": True, "label": code_point(char)})
    if plain or not parts:
        parts.append({"text": plain, "hidden": False, "label": ""})
    return parts
