"""Encrypted columns: the one interface for what a thief of the database may not read.

Format (final): `0x01 | key id | nonce (12) | AES-256-GCM ciphertext and tag`, aad `table.column`.
Encryption with per-organization keys will be version 0x02 behind the same interface.
"""

from __future__ import annotations

import copy
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import models

from core import canonical, keys

VERSION = b"\x01"
KEY_ID = b"\x01"
NONCE_BYTES = 12
HEADER_BYTES = 2


class DecryptionError(ValueError):
    """The stored bytes were not written by this installation for this column."""


def encrypt(plaintext: bytes, *, column: str) -> bytes:
    """Encrypt for one `table.column`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(keys.derive("field")).encrypt(nonce, plaintext, column.encode())
    return VERSION + KEY_ID + nonce + sealed


def decrypt(stored: bytes, *, column: str) -> bytes:
    """Decrypt what `encrypt` made for the same column.

    Raises:
        DecryptionError: unknown version or key, another column's bytes, or tampered bytes.
    """
    if stored[:HEADER_BYTES] != VERSION + KEY_ID:
        message = f"{column}: unknown version or key id"
        raise DecryptionError(message)
    nonce, sealed = stored[HEADER_BYTES:][:NONCE_BYTES], stored[HEADER_BYTES + NONCE_BYTES :]
    try:
        return AESGCM(keys.derive("field")).decrypt(nonce, sealed, column.encode())
    except InvalidTag as error:
        message = f"{column}: the stored bytes do not authenticate"
        raise DecryptionError(message) from error


if TYPE_CHECKING:
    _BinaryField = models.BinaryField[Any, Any]
else:
    _BinaryField = models.BinaryField


class _EncryptedField(_BinaryField):
    """Binary at rest, plain in Python. Cannot be filtered or ordered by."""

    def __init__(self, *args: Any, altered: Any = None, **kwargs: Any) -> None:
        """Take `altered`: what stands for stored bytes that do not authenticate; None raises for them.

        Only where something else notices, as a command's digest and seal do: then one altered row
        does not take a whole list down with it.
        """
        self.altered = altered
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    @property
    def _column(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"

    def _check_str_default_value(self) -> list[Any]:
        return []  # BinaryField's check is about stored bytes; a default here is the plain value

    def to_bytes(self, value: Any) -> bytes:
        raise NotImplementedError

    def from_bytes(self, data: bytes) -> Any:
        raise NotImplementedError

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        if value is None:
            return super().get_db_prep_value(None, connection, prepared)
        sealed = encrypt(self.to_bytes(value), column=self._column)
        return super().get_db_prep_value(sealed, connection, prepared)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> Any:
        if value is None:
            return None
        try:
            return self.from_bytes(decrypt(bytes(value), column=self._column))
        except DecryptionError:
            if self.altered is None:
                raise
            return copy.deepcopy(self.altered)

    def value_to_string(self, obj: Any) -> str:
        message = "encrypted fields are not serialized by dumpdata"
        raise NotImplementedError(message)


class EncryptedTextField(_EncryptedField):
    """A string, encrypted at rest."""

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, data: bytes) -> str:
        return data.decode()


class EncryptedJSONField(_EncryptedField):
    """A canonical JSON value, encrypted at rest."""

    def to_bytes(self, value: Any) -> bytes:
        return canonical.dumps(value)

    def from_bytes(self, data: bytes) -> Any:
        return canonical.loads(data)
