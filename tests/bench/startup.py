"""How long ``chaos cp up as-incident`` takes with programs in the cache, and what of it is the filling."""

import json
import statistics
from typing import Any

from tests.bench import page, runs

ROUNDS = 5


def measure() -> None:
    """Bring the testbed up several times and write how long each step took."""
    steps: dict[str, list[float]] = {}
    totals_s = []
    for _ in range(ROUNDS):
        with runs.testbed("as-incident") as took_s:
            totals_s.append(took_s)
            state: dict[str, Any] = json.loads(runs.chaos_cp("status", "--json"))
        before_s = 0.0
        for step in state["steps"]:
            steps.setdefault(step["name"], []).append(step["elapsed_s"] - before_s)
            before_s = step["elapsed_s"]
    rows = [[name, *_spread(durations_s)] for name, durations_s in steps.items()]
    rows.append(["all of it, as the user waits", *_spread(totals_s)])
    body = f"{ROUNDS} rounds, seconds for each step.\n\n" + page.table(["step", "least", "median", "most"], rows)
    page.write_section("startup", "Bringing up as-incident", body)


def _spread(values: list[float]) -> list[str]:
    return [f"{value:.1f}" for value in (min(values), statistics.median(values), max(values))]
