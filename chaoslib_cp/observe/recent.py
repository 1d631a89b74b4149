"""The latest samples of a running observer, for probes that need not measure themselves."""

from pathlib import Path
from typing import Any, Final

from chaoslib_cp.clock import Clock, SteadyTime, SystemClock
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.observe.plan import PLAN_FILE, read_plan
from chaoslib_cp.observe.timeline import TIMELINE_FILE, parse_lines

_BLOCK_BYTES: Final = 65_536
#: No attempt lasts longer (s, the greatest deadline a plan may set), so no older line can have ended in the window.
_LONGEST_ATTEMPT_S: Final = 60.0


def recent_samples(
    run_dir: str | Path, vantage: str, window_s: float, clock: Clock | None = None
) -> list[dict[str, Any]]:
    """Return the samples of ``vantage`` that ended within the last ``window_s`` seconds, oldest first.

    By their end, since an attempt that takes 5 s to fail is news when it fails. Void samples (the observer itself was
    late) are left out: they measured nothing. An empty list means that nothing was measured, which is never good news.

    Args:
        run_dir: Folder of the run; without a timeline in it the answer is empty.
        vantage: Name of the vantage point, such as "dns_cached".
        window_s: How far to look back from now.
        clock: Source of "now".
    """
    since_s = timeline_now_s(run_dir, clock or SystemClock()) - window_s
    found = [
        line
        for line in recent_lines(run_dir, since_s)
        if line.get("kind") == "sample"
        and line.get("vantage") == vantage
        and line["at_s"] + line["latency_s"] >= since_s
        and not line.get("void")
    ]
    return sorted(found, key=lambda line: float(line["at_s"]))


def timeline_now_s(run_dir: str | Path, clock: Clock) -> float:
    """Tell the time as the timeline of a run counts it, in epoch seconds.

    The observer counts on from its start and never steps; the wall clock may have been set since. Without a plan of an
    observer it is the wall clock's time.
    """
    return SteadyTime(clock, epoch_offset_s(run_dir)).now_s()


def epoch_offset_s(run_dir: str | Path) -> float | None:
    """What the control told the observer of the time, so that all of them write one steady time; None without a plan.

    It is the epoch minus CLOCK_BOOTTIME, seconds.
    """
    try:
        return read_plan(Path(run_dir) / PLAN_FILE).epoch_offset_s
    except ProfileInvalid:
        return None


def recent_lines(run_dir: str | Path, since_s: float) -> list[dict[str, Any]]:
    """Return the end of the timeline: every sample that ended at ``since_s`` (epoch seconds) or later is in it.

    Lines from before that are in it, too. Without a timeline there are none.

    Raises:
        OSError: The timeline cannot be read.
    """
    try:
        return parse_lines(_tail(Path(run_dir) / TIMELINE_FILE, since_s - _LONGEST_ATTEMPT_S))
    except FileNotFoundError:
        return []


def _tail(path: Path, since_s: float) -> bytes:
    """Return the end of the file from a line that was written before ``since_s`` on, without reading all of it."""
    with path.open("rb") as file:
        start = file.seek(0, 2)
        while start > 0:
            start = max(0, start - _BLOCK_BYTES)
            file.seek(start)
            # Not from the start of the file: the first line may be half a line.
            skipped = b"" if start == 0 else file.readline()
            first = parse_lines(file.readline())
            if start == 0 or (first and first[0].get("at_s", since_s) < since_s):
                file.seek(start + len(skipped))
                break
        return file.read()
