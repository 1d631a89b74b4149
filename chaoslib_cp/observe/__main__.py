"""``python -m chaoslib_cp.observe PLAN.json``: one observer, by hand or as the child of a run.

Says one JSON line on stdout when it is ready or cannot be, then asks until stdin ends, a signal comes or the plan's
duration is over. By hand: write a plan (``ObservePlan(...).write(path)``), start this, read ``timeline.jsonl``.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Final

from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.observe.observer import observe_until_told, prepare
from chaoslib_cp.observe.plan import read_plan

_USAGE_ERROR: Final = 2
#: Attempts in flight may take 10 s more after the plan's end; then the kernel ends us, even in a blocked event loop.
_FUSE_S: Final = 15


def main(arguments: list[str]) -> int:
    """Observe as the plan says; returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m chaoslib_cp.observe PLAN.json\n")
        return _USAGE_ERROR
    try:
        plan = read_plan(Path(arguments[0]))
        signal.alarm(int(plan.duration_s) + _FUSE_S)
        observer = prepare(plan)
    except ControlPlaneError as error:
        _say({"ready": False, "error": type(error).__name__, "message": str(error)})
        return 1
    _say({"ready": True, "prober_pages": list(observer.pages)})
    asyncio.run(observe_until_told(observer))
    return 0


def _say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
