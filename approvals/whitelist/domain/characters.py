"""Characters that a reviewer cannot see, or sees as something else.

Rules: attacks 30 and 37. Pages, mails, logs and admin show commands through `visible`, so that
what is approved is what is read; the matcher sends every text with a finding to a human.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Why a character is not to be trusted in a command."""

    CONTROL = "control character"
    BIDI = "bidirectional control"
    ZERO_WIDTH = "zero-width character"
    SPACE = "space other than the plain one"
    SEPARATOR = "line or paragraph separator"
    COMBINING = "combining mark"
    SURROGATE = "lone surrogate"
    FORMAT = "invisible format character"
    BLANK = "letter that shows as nothing"
    UNASSIGNED = "private or unassigned code point"
    NOT_ASCII = "character that is not ASCII in a command name"


@dataclass(frozen=True, slots=True)
class Finding:
    """One such character: where it is (code points from 0), what it is."""

    index: int
    codepoint: int
    kind: Kind

    @property
    def label(self) -> str:
        """The code point as `U+202E`."""
        return f"U+{self.codepoint:04X}"

    @property
    def reason(self) -> str:
        """For a human, in words."""
        return f"{self.kind} {self.label} at position {self.index}"


_BIDI = frozenset([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_ZERO_WIDTH = frozenset([0x00AD, 0x034F, 0x180E, 0xFEFF, *range(0x200B, 0x200E), *range(0x2060, 0x2065)])
_BLANK = frozenset([0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0])
_BY_CATEGORY = {
    "Cc": Kind.CONTROL,
    "Cf": Kind.FORMAT,
    "Cs": Kind.SURROGATE,
    "Co": Kind.UNASSIGNED,
    "Cn": Kind.UNASSIGNED,
    "Zs": Kind.SPACE,
    "Zl": Kind.SEPARATOR,
    "Zp": Kind.SEPARATOR,
    "Mn": Kind.COMBINING,
    "Mc": Kind.COMBINING,
    "Me": Kind.COMBINING,
}
# Shown for a newline, and the brackets around a code point. They are escaped themselves where
# they occur in a text, so that no text can forge what `visible` writes.
_NEWLINE, _OPEN, _CLOSE = (
    "\N{RETURN SYMBOL}",
    "\N{MATHEMATICAL LEFT ANGLE BRACKET}",
    "\N{MATHEMATICAL RIGHT ANGLE BRACKET}",
)
_OWN_MARKS = frozenset([_NEWLINE, _OPEN, _CLOSE])


def _is_printable_ascii(character: str) -> bool:
    return " " <= character <= "~"


def _kind(character: str) -> Kind | None:
    point = ord(character)
    if _is_printable_ascii(character):
        return None
    if point in _BIDI:
        return Kind.BIDI
    if point in _ZERO_WIDTH:
        return Kind.ZERO_WIDTH
    if point in _BLANK:
        return Kind.BLANK
    return _BY_CATEGORY.get(unicodedata.category(character))


def hidden_characters(text: str) -> tuple[Finding, ...]:
    """Every character of the text that is invisible, deceptive or not a character at all."""
    if text.isascii() and text.isprintable():
        return ()
    return tuple(
        Finding(index, ord(character), kind)
        for index, character in enumerate(text)
        if (kind := _kind(character)) is not None
    )


def name_characters(name: str) -> tuple[Finding, ...]:
    """As `hidden_characters`, for a command name: whatever is not printable ASCII is a finding."""
    return tuple(
        Finding(index, ord(character), _kind(character) or Kind.NOT_ASCII)
        for index, character in enumerate(name)
        if not _is_printable_ascii(character)
    )


def visible(text: str) -> str:
    """The text on one line with every hidden character spelt out; different texts stay different."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_show(character) for character in text)


def _show(character: str) -> str:
    if character == "\n":
        return _NEWLINE
    if character in _OWN_MARKS or _kind(character) is not None:
        return f"{_OPEN}U+{ord(character):04X}{_CLOSE}"
    return character
