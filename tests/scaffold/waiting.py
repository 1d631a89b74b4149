"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 60.0
"""How long a busy machine is waited for; a condition that comes ends the wait at once."""
_PAUSE_S = 0.02


def until(look: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
    """Look again and again until something true is seen, and return it.

    Between two looks is a short pause, or half the time that a look takes: some start a process, which must not keep
    the machine from what is waited for.

    Args:
        look: Returns what was found; something false, or None, for "not yet".
        what: What is waited for, for the message.
        within_s: When it is given up, in seconds.

    Raises:
        AssertionError: It did not come.
    """
    ends_s = time.monotonic() + within_s
    while True:
        began_s = time.monotonic()
        if found := look():
            return found
        assert began_s < ends_s, f"not so after {within_s:g} s: {what}"
        time.sleep(max(_PAUSE_S, (time.monotonic() - began_s) / 2))


async def until_async(look: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
    """The same inside an event loop, which goes on meanwhile."""
    ends_s = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < ends_s, f"not so after {within_s:g} s: {what}"
        await asyncio.sleep(_PAUSE_S / 2)
    return found
