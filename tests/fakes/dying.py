"""A process that is killed at its nth effect: a change to a file, a write to an API, a child process.

    Death(nth=3, mode=AFTER).arm()

What is replaced are the operating system's calls and the network's; the code under test does not know.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import urllib3

from tests.fakes.kube_objects import REVIEWS

BEFORE = "before"
AFTER = "after"
TORN = "torn"
MODES = (BEFORE, AFTER, TORN)
_FILE_CALLS = ("mkdir", "fsync", "ftruncate", "replace", "rename", "link", "unlink")


class Death:
    """Counts effects and ends the process at one of them.

    Args:
        nth: at which, from 1; 0 for never.
        mode: before it; after it, and before anybody could note that it happened; or with half of it done, where only
            writes count, because nothing else can be torn.

    Attributes:
        effects: what happened so far.
    """

    def __init__(self, nth: int, mode: str) -> None:
        self._nth = nth
        self._mode = mode
        self.effects: list[str] = []
        self._is_armed = False

    def arm(self) -> None:
        """Count from here on."""
        for name in _FILE_CALLS:
            setattr(os, name, self._deadly(f"file {name}", getattr(os, name)))
        machine: Any = os
        programs: Any = subprocess
        machine.open = self._deadly("file open", os.open, lambda _path, flags, *_: bool(flags & os.O_CREAT))
        machine.write = self._deadly_write(os.write)
        programs.Popen = self._deadly("child process", subprocess.Popen)
        pool: Any = urllib3.PoolManager
        pool.request = self._deadly("API write", pool.request, _changes_something)
        self._is_armed = True

    def disarm(self) -> None:
        """Count no longer."""
        self._is_armed = False

    def _deadly(
        self, what: str, real: Callable[..., Any], is_effect: Callable[..., bool] = lambda *_: True
    ) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            if not self._is_armed or not is_effect(*arguments):
                return real(*arguments, **named)
            is_last = self._mode != TORN and self._count(what)
            if is_last and self._mode == BEFORE:
                _die()
            try:
                return real(*arguments, **named)
            finally:
                if is_last:
                    _die()

        return called

    def _deadly_write(self, real: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
        def write(handle: int, content: bytes) -> int:
            if not self._is_armed:
                return real(handle, content)
            is_last = self._count("file write")
            if is_last and self._mode != BEFORE:
                real(handle, content[: len(content) // 2] if self._mode == TORN else content)
            if is_last:
                _die()
            return real(handle, content)

        return write

    def _count(self, what: str) -> bool:
        self.effects.append(what)
        return len(self.effects) == self._nth


def _changes_something(_pool: Any, method: str, url: str, *_: Any) -> bool:
    return method not in ("GET", "HEAD") and not url.partition("?")[0].endswith(REVIEWS)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
