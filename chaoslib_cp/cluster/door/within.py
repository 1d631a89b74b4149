"""A limit on work that has none of its own: name resolution, a file on a dead mount."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from chaoslib_cp.errors import TargetUnreachable

Result = TypeVar("Result")


def within(limit_s: float, what: str, work: Callable[[], Result]) -> Result:
    """Do ``work`` and return what it returns, or give up.

    It runs in a thread that holds up nobody's end: what hangs in the kernel cannot be stopped from outside.

    Args:
        limit_s: Seconds.
        what: Names the work in the refusal.
        work: What to do. What it raises is raised here.

    Raises:
        TargetUnreachable: It did not end in time; it may still go on, so it must change nothing.
    """
    ended: Future[Result] = Future()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            ended.set_exception(error)

    # no executor: the interpreter would wait for its threads at exit
    threading.Thread(target=run, name=what, daemon=True).start()
    try:
        return ended.result(limit_s)
    except TimeoutError:
        if ended.done():  # the work's own
            raise
        raise TargetUnreachable(
            f"{what} did not end within {limit_s:.0f} s; nothing was changed; see what it waits for"
        ) from None
