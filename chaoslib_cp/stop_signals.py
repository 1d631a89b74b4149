"""Signals that end a command: an exception instead of a sudden end, so that what was begun is cleaned up."""

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stop_signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block like Ctrl-C does, by an exception, so that it can clean up.

    Raises:
        SystemExit: One of them came.
    """

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
