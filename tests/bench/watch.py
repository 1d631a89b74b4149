"""Run the observer alone for a while: ``python -m tests.bench.watch FOLDER SECONDS``, inside a testbed."""

import sys
import tempfile
import time
from pathlib import Path

from chaoslib_cp.control.watching import observe_plan
from chaoslib_cp.observe import session
from chaoslib_cp.settings import read_settings


def main(folder: str, duration_s: float) -> None:
    """Observe as a run would, into a folder that is thrown away."""
    with tempfile.TemporaryDirectory(dir=folder) as run_dir:
        offset_s = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME)
        with session.start(observe_plan(Path(run_dir), offset_s, read_settings())):
            time.sleep(duration_s)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
