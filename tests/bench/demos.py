"""Ten rehearsals in a row: does every link of the chain show every time, and does the prediction hold?"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import page, runs

RUNS = 10
MASK_TOLERANCE_S = 3.0


def measure() -> None:
    """Play the demo's experiment ten times, each on a testbed of its own, and write the table."""
    rows, good = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            with runs.testbed("as-incident"):
                summary, run = runs.run_experiment(Path(folder) / str(number))
            if number == RUNS - 1:
                page.write_figures(run)
            measures = summary["measures"]
            recomputed = subprocess.run(
                [sys.executable, str(runs.ROOT / "experiments" / "recompute.py"), str(run)],
                capture_output=True,
                check=False,
            )
            keys = ("mask_s", "predicted_mask_s", "dns_lost_s", "lockout_s", "break_glass_s", "recover_full_s")
            values = [measures.get(key) for key in keys]
            mask_s, predicted_s, lost_s, lockout_s = values[:4]
            holds = (
                None not in (mask_s, predicted_s, lost_s, lockout_s)
                and abs(mask_s - predicted_s) <= MASK_TOLERANCE_S
                and lost_s >= 2 * mask_s
                and recomputed.returncode == 0
            )
            good += holds
            shown = ["none" if value is None else f"{value:.1f}" for value in values]
            rows.append([number + 1, summary["verdict"], *shown, recomputed.returncode == 0, "yes" if holds else "NO"])
    head = ["run", "verdict", "mask", "predicted", "DNS lost", "lock-out", "break-glass", "recovered"]
    head += ["recomputed alike", "all as promised"]
    body = (
        f"{good} of {RUNS} runs had a lock-out, lost DNS for at least twice the mask, had a mask within "
        f"{MASK_TOLERANCE_S:.0f} s of its prediction, and gave the same figures to experiments/recompute.py. "
        "All in seconds.\n\n" + page.table(head, rows)
    )
    page.write_section("demos", "Ten rehearsals in a row", body)
