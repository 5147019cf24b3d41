"""Email addresses: one spelling per account."""

from __future__ import annotations

import unicodedata

MAX_CHARS = 254


def normalise_email(text: str) -> str:
    """Return the one spelling under which an address is stored and looked up.

    NFKC first: two addresses that look the same must not be two accounts, nor one that a look-alike
    can take over. NFKC again, because lower case can leave it; it makes spaces, so these go last.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    return unicodedata.normalize("NFKC", folded).strip()
