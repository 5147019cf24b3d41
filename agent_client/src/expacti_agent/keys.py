"""Grant keys: what the server publishes, and the way from the pinned key to the current one."""

from __future__ import annotations

from dataclasses import dataclass

from expacti_agent.errors import KeyNotTrustedError, ProtocolError
from expacti_agent.jws import JwsError, PublicKey, parse_token

ROTATION_TYPE = "expacti-grant-key-rotation+jws"
MAX_ROTATIONS = 1000


@dataclass(frozen=True)
class PublishedKeys:
    """The content of `/.well-known/expacti-grant-keys.json`.

    `keys` is by kid. Being published makes no key trusted: only a pin and `rotations` do.
    """

    keys: dict[str, PublicKey]
    current: str
    rotations: tuple[str, ...]

    @property
    def current_key(self) -> PublicKey:
        """The key that new grants are signed with."""
        return self.keys[self.current]

    @classmethod
    def from_json(cls, document: dict[str, object]) -> PublishedKeys:
        """Read the document.

        Raises:
            ProtocolError: it is not of the agreed form.
        """
        jwks, current = document.get("keys"), document.get("current")
        rotations = document.get("rotations", [])
        if not isinstance(jwks, list) or not isinstance(rotations, list):
            raise ProtocolError("the server's list of grant keys is malformed")
        try:
            found = [PublicKey.from_jwk(jwk) for jwk in jwks]
        except JwsError as error:
            raise ProtocolError(f"the server's list of grant keys holds {error}") from None
        keys = {key.kid: key for key in found}
        if not isinstance(current, str) or current not in keys:
            raise ProtocolError("the server's current grant key is not in its list")
        if len(rotations) > MAX_ROTATIONS or not all(isinstance(one, str) for one in rotations):
            raise ProtocolError("the server's key rotations are malformed")
        return cls(keys=keys, current=current, rotations=tuple(rotations))


def follow_rotations(pinned: PublicKey, published: PublishedKeys) -> tuple[PublicKey, ...]:
    """Return the chain of keys from `pinned` (first) to the published current key (last).

    Raises:
        KeyNotTrustedError: a link is missing, forged, doubled, or leads elsewhere.
    """
    chain = [pinned]
    while chain[-1].kid != published.current:
        following = _successor(chain[-1], published.rotations)
        if following in chain:
            raise KeyNotTrustedError("rotation", "the key rotations go round in a circle")
        chain.append(following)
    return tuple(chain)


def _successor(old: PublicKey, rotations: tuple[str, ...]) -> PublicKey:
    successors = set()
    for text in rotations:
        try:
            token = parse_token(text, ROTATION_TYPE)
            if token.kid == old.kid:
                successors.add(_new_key(token.verified(old), old.kid))
        except JwsError as error:
            raise KeyNotTrustedError("rotation", f"a key rotation holds {error}") from None
    if len(successors) > 1:
        raise KeyNotTrustedError("rotation", f"two keys claim to follow {old.kid}")
    if not successors:
        raise KeyNotTrustedError(
            "rotation", f"the server's grant key does not follow from the pinned one ({old.kid})"
        )
    return successors.pop()


def _new_key(payload: dict[str, object], old: str) -> PublicKey:
    if set(payload) != {"v", "old", "new", "iat"} or payload["v"] != 1 or payload["old"] != old:
        raise JwsError("rotation", "a payload that does not fit its key")
    return PublicKey.from_jwk(payload["new"])
