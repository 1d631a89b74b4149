"""``python -m chaoslib_cp.apiserver.overload``: one load, as the child of a run.

Reads its plan from stdin, says one JSON line on stdout when it is ready or cannot be, waits for ``{"deadline_epoch_s":
...}`` on stdin, and then plays until that moment, until stdin ends or until SIGTERM.
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any, BinaryIO, Final

from chaoslib_cp.apiserver.overload.injector import Injector, prepare
from chaoslib_cp.apiserver.overload.plan import parse_plan
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.process import loop_factory
from chaoslib_cp.errors import ControlPlaneError

_STDIN: Final = 0
#: The parent puts the load on record meanwhile; then the kernel ends us, as it does when the event loop hangs.
_FUSE_S: Final = 60
#: Connections are closed and the result is written after the load's end.
_GRACE_S: Final = 10


def main() -> int:
    """Play one load; returns the exit status."""
    signal.alarm(_FUSE_S)
    clock = SystemClock()
    with os.fdopen(os.dup(_STDIN), "rb", buffering=0) as orders:
        try:
            injector = prepare(parse_plan(orders.readline()), clock)
        except ControlPlaneError as error:
            _say({"ready": False, "error": type(error).__name__, "message": str(error)})
            return 1
        _say({"ready": True})
        deadline_epoch_s = _deadline(orders)
    left_s = deadline_epoch_s - clock.epoch_s()
    if left_s <= 0:  # nobody said so, or too late
        return 0
    signal.alarm(int(left_s) + _GRACE_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_play(injector, deadline_epoch_s))
    return 0


def _deadline(orders: BinaryIO) -> float:
    """Wait for the word to begin; 0 when the parent ends instead."""
    try:
        told: Any = json.loads(orders.readline() or b"{}")
        return float(told.get("deadline_epoch_s") or 0)
    except (ValueError, TypeError, AttributeError):
        return 0.0


async def _play(injector: Injector, deadline_epoch_s: float) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def read() -> None:
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            stop.set()

    loop.add_reader(_STDIN, read)
    await injector.play(deadline_epoch_s, stop)


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
