"""The life of an agent that plays something once: it plays, tells what it does, ends by itself, then idles.

It ends by itself, without the API: an absolute deadline turned into a monotonic one at start, a duration, budgets,
a watchdog in case the event loop hangs. A DaemonSet restarts whatever exits, so it does not exit: it
idles until SIGTERM, and a marker file in the pod's emptyDir makes a restarted container idle, too. A pod of a Job is
never restarted, so it exits.
"""

import argparse
import asyncio
import faulthandler
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from chaoslib_cp.agent.tell import Teller
from chaoslib_cp.agent.told_results import ToldResult
from chaoslib_cp.engine.load.account import Account
from chaoslib_cp.engine.load.process import loop_factory
from chaoslib_cp.errors import ProfileInvalid

MARKER: Final = "load-started"
_STATUS_PERIOD_S: Final = 10.0
# a process whose event loop hangs is ended this long after the load's end
_WATCHDOG_GRACE_S: Final = 5.0


class Playing(Protocol):
    """What plays the load."""

    @property
    def remaining_s(self) -> float:
        """Seconds until it must be over."""

    def stop(self) -> None:
        """End it at once."""

    async def wait_until_over(self) -> None:
        """Return when it is over."""

    def snapshot(self) -> dict[str, Any]:
        """The account so far, as JSON."""


class Signals:
    """SIGTERM, SIGINT or, if asked for, the end of stdin."""

    def __init__(self, loop: asyncio.AbstractEventLoop, with_stdin: bool) -> None:
        self.stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        self._loop = loop
        if with_stdin:
            self._watch_stdin()

    def _watch_stdin(self) -> None:
        try:
            self._loop.add_reader(0, self._read_stdin)
        except PermissionError:
            # /dev/null or a file: nobody holds the other end
            self.stop.set()

    def _read_stdin(self) -> None:
        if not os.read(0, 4096):
            self._loop.remove_reader(0)
            self.stop.set()


def parser_of(program: str, description: str | None) -> argparse.ArgumentParser:
    """The command line that all of them have."""
    parser = argparse.ArgumentParser(prog=f"python -m chaoslib_cp.agent {program}", description=description)
    parser.add_argument(
        "--profile", type=Path, required=True, help="file with the profile, JSON; a load profile may be YAML"
    )
    parser.add_argument("--state", type=Path, required=True, help="folder that outlives a restart of the container")
    parser.add_argument("--until-stdin-eof", action="store_true", help="also end when stdin is closed")
    return parser


def live(
    play: Callable[[Signals], Awaitable[dict[str, Any]]] | None, until_stdin_eof: bool, idles: bool = True
) -> None:
    """Play once and then idle until SIGTERM, or return; only that without anything to play."""

    async def life() -> None:
        signals = Signals(asyncio.get_running_loop(), until_stdin_eof)
        if play is None:
            say({"phase": "idle", "reason": "this container was restarted; the load runs once"})
        else:
            say({"phase": "idle", "reason": "the load is over", **await play(signals)})
        if idles:
            await signals.stop.wait()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(life())


def has_run_before(state: Path) -> bool:
    """Leave the marker; say whether it was there. Without a marker there is no load: a restart would repeat it."""
    try:
        with (state / MARKER).open("x"):
            return False
    except FileExistsError:
        return True
    except OSError as error:
        raise ProfileInvalid(f"state folder {state}: {error}; nothing was sent; mount an emptyDir there") from error


async def play_until_over(
    playing: Playing,
    report_to: Sequence[str],
    account: Callable[[], Account],
    signals: Signals,
    result: Callable[[], ToldResult] | None = None,
) -> dict[str, Any]:
    """Wait until a load that has begun is over, or a signal comes; log and tell meanwhile what it does.

    Args:
        playing: The load.
        report_to: Pages of the workload prober that are told the account.
        account: The account so far.
        signals: What ends it before its time.
        result: What it came to, of a load that several processes play; None tells no page.

    Returns:
        Its last account as JSON, which the pages were told, too.
    """
    loop = asyncio.get_running_loop()
    teller = Teller(report_to, lambda trouble: say({"phase": "load", "account": trouble}))
    # a C thread that needs no interpreter; an alarm would not do, PID 1 of a container ignores SIGALRM
    faulthandler.dump_traceback_later(playing.remaining_s + _WATCHDOG_GRACE_S, exit=True)
    # kept, since the loop itself holds only weak references to tasks
    chores = [loop.create_task(_report(playing)), loop.create_task(teller.keep_telling(account))]
    waits = [loop.create_task(playing.wait_until_over()), loop.create_task(signals.stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    playing.stop()
    for task in (*chores, *waits):
        task.cancel()
    faulthandler.cancel_dump_traceback_later()
    await teller.tell(account())
    if result is not None:
        await teller.tell_result(result())
    return playing.snapshot()


async def _report(playing: Playing) -> None:
    while True:
        await asyncio.sleep(_STATUS_PERIOD_S)
        say({"phase": "load", **playing.snapshot()})


def say(line: dict[str, Any]) -> None:
    """Write one line of JSON to the log."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except OSError:
        # a broken log must not change the load's end
        return
