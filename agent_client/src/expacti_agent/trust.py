"""Whom this client trusts: pins the grant key, follows its rotations, verifies grants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from expacti_agent.config import Pin
from expacti_agent.errors import KeyNotTrustedError
from expacti_agent.grants import Grant, parse_grant, verify_grant
from expacti_agent.keys import PublishedKeys, follow_rotations
from expacti_agent.operations import WhoAmI, published_keys, whoami
from expacti_agent.protocol import Operation, Patience, within

if TYPE_CHECKING:
    from expacti_agent.config import Identity
    from expacti_agent.jws import PublicKey
    from expacti_agent.request import Request
    from expacti_agent.settings import Settings

KEYS_S = 30.0


class Trust:
    """The pin of one server in one profile. `tell` gets sentences for the user."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._tell = tell
        self._pin = settings.store.load(settings.profile).pins.get(settings.url)
        if self._pin is not None:
            self._check_expected(self._pin)

    @property
    def pin(self) -> Pin | None:
        """What is trusted now, None before the first login or use."""
        return self._pin

    def identity(self, patience: Patience) -> Operation[Identity]:
        """Return who this token is, from the pin, else from the server, which is then pinned.

        Raises:
            KeyNotTrustedError: the server's key is not the one that EXPACTI_GRANT_KEY names.
            ApiError, UnreachableError, ProtocolError: the server did not tell.
        """
        fingerprint = self._settings.token_fingerprint
        if self._pin is not None and fingerprint in self._pin.identities:
            return self._pin.identities[fingerprint]
        who = yield from whoami(patience)
        pin = self._pin
        if pin is None:
            pin = yield from self._first_pin(patience)
            self._tell(
                f"first use of {self._settings.url}: "
                f"its grant key {pin.key.kid} is trusted from now on"
            )
        self._save(pin.with_identity(fingerprint, who.identity))
        return who.identity

    def login(self, patience: Patience, *, replace: bool) -> Operation[WhoAmI]:
        """Ask who the token is and pin the server's current key.

        Args:
            patience: how long to try.
            replace: pin the current key even if it does not follow from an earlier pin.

        Raises:
            KeyNotTrustedError: it does not follow, and `replace` is not set.
            ApiError, UnreachableError, ProtocolError: the server did not tell.
        """
        who = yield from whoami(patience)
        if self._pin is None or replace:
            pin = yield from self._first_pin(patience)
        else:
            published = yield from published_keys(patience)
            pin = self._pin.rotated(follow_rotations(self._pin.key, published))
        self._save(pin.with_identity(self._settings.token_fingerprint, who.identity))
        return who

    def verify(self, token: str, request: Request) -> Operation[Grant]:
        """Verify a grant completely, following key rotations where it names a newer key.

        Raises:
            KeyNotTrustedError, GrantRefusedError: see `verify_grant`.
            UnreachableError, ProtocolError: the rotations cannot be had.
        """
        if self._pin is None:
            raise KeyNotTrustedError("kid", "no grant key is pinned")
        if parse_grant(token).kid != self._pin.key.kid:
            limit = min(KEYS_S, max(1.0, request.remaining_s()))
            published = yield from published_keys(within(limit))
            self.follow(published)
        key, issuer = self._pin.key, self._settings.issuer
        return verify_grant(token, key, request, issuer=issuer, now=time.time())

    def follow(self, published: PublishedKeys) -> PublicKey:
        """Move the pin along the published rotations and store it; return the pinned key.

        Raises:
            KeyNotTrustedError: the chain from the pinned key is broken.
        """
        assert self._pin is not None
        chain = follow_rotations(self._pin.key, published)
        if len(chain) > 1:
            self._save(self._pin.rotated(chain))
            self._tell(f"the server's grant key was rotated to {chain[-1].kid}, signed by the old")
        return self._pin.key

    def _first_pin(self, patience: Patience) -> Operation[Pin]:
        published = yield from published_keys(patience)
        expected = self._settings.grant_key
        if expected is None:
            return Pin(key=published.current_key, history=(published.current,))
        if expected not in published.keys:
            raise KeyNotTrustedError(
                "kid", f"the server has no grant key {expected}, which EXPACTI_GRANT_KEY names"
            )
        start = Pin(key=published.keys[expected], history=(expected,))
        return start.rotated(follow_rotations(start.key, published))

    def _check_expected(self, pin: Pin) -> None:
        expected = self._settings.grant_key
        if expected is not None and expected not in pin.history:
            raise KeyNotTrustedError(
                "kid", f"the pinned grant key {pin.key.kid} is not {expected} (EXPACTI_GRANT_KEY)"
            )

    def _save(self, pin: Pin) -> None:
        self._settings.store.update_pin(self._settings.profile, self._settings.url, pin)
        self._pin = pin
