"""The ledger of consumed grants: what makes execution single.

One empty-or-not file for each command id and each jti, made with O_EXCL. Of two processes that
race, one wins; and a process that dies between consuming and executing leaves its files behind, so
that there is no second run. The bytes inside are for people; the file's existence is what counts.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from expacti_agent.errors import AlreadyConsumedError, LedgerError

# Grants live 24 h at most. Kept longer, in case this machine's clock is set back.
KEEP_S = 90 * 24 * 3600
_NAME = re.compile(r"[0-9a-f-]{32,36}\Z")


class Ledger:
    """A folder of consumed command ids and jtis, shared by all profiles of one user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def consume(self, command_id: str, jti: str) -> None:
        """Take the one run of this command and grant, durably, before it is executed.

        Args:
            command_id: UUID of the request.
            jti: 32 hex characters, from the verified grant.

        Raises:
            AlreadyConsumedError: either was taken before, by whichever process.
            LedgerError: it cannot be written durably; nothing may run.
        """
        line = {"command": command_id, "jti": jti, "at": int(time.time()), "pid": os.getpid()}
        body = json.dumps(line).encode("ascii") + b"\n"
        # 1. The command, so that no other grant for it runs. 2. The grant, for no other command.
        self._claim(command_id, "command", body)
        self._claim(jti, "jti", body)

    def was_consumed(self, name: str) -> bool:
        """Tell whether this command id or jti was taken (with either suffix)."""
        return any(self._path(name, kind).exists() for kind in ("command", "jti"))

    def probe(self) -> None:
        """Write and remove a file durably, to see whether the ledger works.

        Raises:
            LedgerError: it does not.
        """
        name = os.urandom(16).hex()
        self._claim(name, "probe", b"probe\n")
        try:
            self._path(name, "probe").unlink()
        except OSError as error:
            raise LedgerError(f"the ledger cannot be written: {error}") from error

    def _claim(self, name: str, kind: str, body: bytes) -> None:
        path = self._path(name, kind)
        try:
            self._make_folder(path.parent)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.write(fd, body)
                os.fsync(fd)
            finally:
                os.close(fd)
            _sync_folder(path.parent)
        except FileExistsError:
            raise AlreadyConsumedError(f"this {kind} was consumed before: {name}") from None
        except OSError as error:
            raise LedgerError(f"the ledger cannot be written: {error}") from error
        self._prune(path.parent)

    def _path(self, name: str, kind: str) -> Path:
        if not _NAME.match(name):
            raise LedgerError("not an id that the ledger can hold")
        return self.folder / name[:2] / f"{name}.{kind}"

    def _make_folder(self, shard: Path) -> None:
        if shard.is_dir():
            return
        # One by one: `parents=True` would make the outer ones open to others.
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        shard.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(self.folder)
        _sync_folder(self.folder.parent)

    @staticmethod
    def _prune(shard: Path) -> None:
        oldest = time.time() - KEEP_S
        try:
            for entry in os.scandir(shard):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink()
        except OSError:
            return  # housekeeping only: what stays too long does no harm


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
