"""Keyed digests of words, so that encrypted text can be searched by word.

A thief of the database learns which rows share a word, not the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from core import keys

MAX_WORDS = 48
MAX_WORD_CHARS = 64
DIGEST_BYTES = 8
_WORD = re.compile(r"[^\W_]+(?:[._@-]+[^\W_]+)*")


def words(texts: Iterable[str]) -> list[str]:
    """Return the distinct case-folded words of the texts, in order, at most `MAX_WORDS`.

    A word with inner punctuation (`web-1.example`) counts whole and in its parts.
    """
    found: dict[str, None] = {}
    for text in texts:
        for match in _WORD.finditer(text):
            whole = match.group().casefold()[:MAX_WORD_CHARS]
            for word in (whole, *re.split(r"[._@-]+", whole)):
                found.setdefault(word)
            if len(found) >= MAX_WORDS:
                return list(found)[:MAX_WORDS]
    return list(found)


def digests(organization: str, texts: Iterable[str]) -> list[int]:
    """Return the words' keyed digests as signed 64-bit integers."""
    key = keys.derive("search", organization)
    return [int.from_bytes(keys.mac(key, word.encode())[:DIGEST_BYTES], "big", signed=True) for word in words(texts)]
