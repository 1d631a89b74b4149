"""A run folder whose timeline holds samples as the observer writes them."""

import time
from pathlib import Path
from typing import Any

from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline


def write_samples(run_dir: Path, vantage: str, outcomes: list[str], first_ago_s: float = 5.0, **extras: Any) -> None:
    """Append samples half a second apart, the first of them ``first_ago_s`` ago.

    An extra that is a list holds one value for each sample.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    timeline = Timeline(run_dir / TIMELINE_FILE)
    began_s = time.clock_gettime(time.CLOCK_REALTIME) - first_ago_s
    for number, outcome in enumerate(outcomes):
        own = {key: value[number] if isinstance(value, list) else value for key, value in extras.items()}
        timeline.append(
            {
                "kind": "sample",
                "at_s": began_s + number / 2,
                "vantage": vantage,
                "target": "192.0.2.1",
                "ok": outcome == "ok",
                "outcome": outcome,
                "latency_s": 0.01,
                "lag_s": 0.0,
                **own,
            }
        )
    timeline.close()
