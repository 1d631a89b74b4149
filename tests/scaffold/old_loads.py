"""What a load told long ago, in the state folder."""

import os
import time
from pathlib import Path

from chaoslib_cp.state import KEPT_S, state_root


def told_long_ago() -> Path:
    """A file of a load that was over a month ago; the next load that starts deletes it."""
    folder = state_root() / "loads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "adhoc-1-api_overload-1.jsonl"
    file.touch()
    changed_s = time.time() - KEPT_S - 60  # noqa: TID251 - the time of files is the machine's
    os.utime(file, (changed_s, changed_s))
    return file
