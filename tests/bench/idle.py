"""What a testbed uses while nothing happens."""

import time

from tests.bench import page, runs

SETTLE_S = 30  # KWOK and the controllers finish what the filling began
WINDOW_S = 60


def measure() -> None:
    """Count CPU seconds of each component and container over a quiet minute and write the table."""
    with runs.testbed("as-incident"):
        time.sleep(SETTLE_S)
        before_s = runs.cpu_s()
        time.sleep(WINDOW_S)
        after_s = runs.cpu_s()
    used = {name: (after_s[name] - before_s.get(name, 0.0)) / WINDOW_S for name in after_s}
    rows = [[name, f"{cores:.3f}"] for name, cores in sorted(used.items(), key=lambda item: -item[1])]
    rows.append(["all", f"{sum(used.values()):.3f}"])
    note = (
        f"Cores used over {WINDOW_S} s, {SETTLE_S} s after `chaos cp up as-incident`. A node's own row holds kubelet "
        "and runtime; each of its containers is a row of its own."
    )
    page.write_section("idle", "Idle cost of as-incident", note + "\n\n" + page.table(["component", "cores"], rows))
