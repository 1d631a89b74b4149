"""What a testbed uses while nothing happens."""

import json
import time

from tests.bench import page, runs

SETTLE_S = 30  # KWOK and the controllers finish what the filling began
WINDOW_S = 60


def measure() -> None:
    """Count CPU seconds of each component over a quiet minute and write the table."""
    with runs.testbed("as-incident"):
        components = list(json.loads(runs.chaos_cp("status", "--json"))["components"])
        time.sleep(SETTLE_S)
        before_s = {name: runs.cpu_s(name) for name in components}
        time.sleep(WINDOW_S)
        used = {name: (runs.cpu_s(name) - before_s[name]) / WINDOW_S for name in components}
    rows = [[name, f"{cores:.3f}"] for name, cores in sorted(used.items(), key=lambda item: -item[1])]
    rows.append(["all", f"{sum(used.values()):.3f}"])
    note = (
        f"Cores used over {WINDOW_S} s, {SETTLE_S} s after `chaos cp up as-incident`. The nodes' rows hold kubelet and "
        "runtime; containers have control groups of their own and are not counted here."
    )
    page.write_section("idle", "Idle cost of as-incident", note + "\n\n" + page.table(["component", "cores"], rows))
