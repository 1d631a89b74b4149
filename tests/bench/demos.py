"""Rehearsals in a row: does every link of the chain show every time, and does the prediction hold?"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import page, runs

RUNS = 10
MASK_TOLERANCE_S = 3.0
KEYS = ("mask_s", "predicted_mask_s", "dns_lost_s", "lockout_s", "break_glass_s", "recover_full_s", "amplification")
HEAD = [
    "run", "verdict", "mask", "predicted", "DNS lost", "lock-out", "break-glass", "recovered", "amplification",
    "as promised",
]  # fmt: skip


def measure() -> None:
    """Play the demo's experiment ten times, each on a testbed of its own; the page is written after each."""
    rows: list[list[object]] = []
    good = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            with runs.testbed("as-incident"):
                summary, run = runs.run_experiment(Path(folder) / str(number))
            figures = summary["figures"]
            holds = _holds(figures, run)
            good += holds
            shown = ["none" if figures.get(key) is None else f"{figures[key]:.1f}" for key in KEYS]
            rows.append([number + 1, summary["verdict"], *shown, "yes" if holds else "NO"])
            _write(good, rows)
            page.write_figures(run)


def _holds(figures: dict[str, Any], run: Path) -> bool:
    mask_s, predicted_s, lost_s, lockout_s = (figures.get(key) for key in KEYS[:4])
    if mask_s is None or predicted_s is None or lost_s is None or lockout_s is None:
        return False
    recompute = [sys.executable, str(runs.ROOT / "experiments" / "recompute.py"), str(run)]
    agrees = subprocess.run(recompute, capture_output=True, check=False).returncode == 0
    return agrees and abs(mask_s - predicted_s) <= MASK_TOLERANCE_S and lost_s >= 2 * mask_s


def _write(good: int, rows: list[list[object]]) -> None:
    body = (
        f"{good} of {len(rows)} runs had a lock-out, lost DNS for at least twice the mask, had a mask within "
        f"{MASK_TOLERANCE_S:.0f} s of its prediction, and gave the same figures to `experiments/recompute.py`. "
        "Each on a testbed of its own; seconds, but for amplification: CPU of the API servers against that of the "
        "agents.\n\n" + page.table(HEAD, rows)
    )
    page.write_section("demos", "Rehearsals in a row", body)
