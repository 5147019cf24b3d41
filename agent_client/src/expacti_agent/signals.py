"""Signals while the child runs: it gets each once, and this process outlives it.

The child stays in our process group, so that pipelines, Ctrl-Z and background jobs work as without
Expacti. A terminal then sends Ctrl-C to both of us: passing it on would give it twice, and many
programs take the second for "at once". On Linux the kernel says who sent a signal; elsewhere a
signal that the terminal may have sent, while our group is in its foreground, counts as sent by it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

if TYPE_CHECKING:
    import subprocess
    from types import FrameType

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
FROM_TERMINAL = frozenset((signal.SIGINT, signal.SIGQUIT, signal.SIGHUP))
FROM_KERNEL = 0x80  # SI_KERNEL
LOOK_AGAIN_S = 1.0


class SignalRelay:
    """Passes signals on to a child, from the main thread; in other threads it does nothing."""

    def __init__(self) -> None:
        self._active = threading.current_thread() is threading.main_thread()
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}
        self._mask: set[Any] | None = None

    def __enter__(self) -> Self:
        if self._active:
            for number in PASSED_ON:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asked for
                    self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def attach(self, process: subprocess.Popen[bytes]) -> None:
        """Name the child, and pass on what came while it was started.

        From here on the signals are blocked and `wait` takes them; the child has started with the
        mask of before, and threads that are started later leave the signals to `wait` too.
        """
        self._process = process
        if self._active and sys.platform == "linux":
            taken = {*self._before, signal.SIGCHLD}
            self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        for number in self._early:
            self._on_signal(number, None)

    def wait(self) -> None:
        """Return when the child has ended."""
        assert self._process is not None
        if self._mask is None or sys.platform != "linux":
            self._process.wait()
            return
        taken = {*self._before, signal.SIGCHLD}
        while self._process.poll() is None:
            info = signal.sigtimedwait(taken, LOOK_AGAIN_S)
            if info and info.si_signo != signal.SIGCHLD and info.si_code != FROM_KERNEL:
                self._send(info.si_signo)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif number not in FROM_TERMINAL or not _in_foreground():
            self._send(number)

    def _send(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
