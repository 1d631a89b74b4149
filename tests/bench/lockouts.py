"""How soon an ordinary administrator is locked out by an overload, and what more API servers change about that."""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.bench import page, runs

SPEC = runs.ROOT / "chaoslib_cp" / "testbed" / "specs" / "as-incident.yaml"
EXPERIMENT = runs.ROOT / "experiments" / "api-overload.json"
# What agents of experiments/openai-2024-12-11.json ask; its ramp is left out, so that the full load is there at once.
PROFILE = {
    "schema": 1,
    "name": "openai-2024-12-11-at-once",
    "requests": [
        {"path": "/metrics", "accept": "*/*", "gzip": True, "period_s": 3.0},
        {"path": "/api/v1/pods", "gzip": True, "period_s": 30.0},
    ],
    "jitter_ratio": 0.1,
    "phase_ratio": 0,  # an agent reads when it starts
    "request_timeout_s": 30.0,
    "retry": "client-go",
    "seed": 20241211,
}
# 500 were near what 0.4 core of a fast machine bears: the administrator was locked out in time in 8 of 10 runs only.
NODES, DURATION_S = 1000, 30.0
# API servers of 0.4 core each, and how many overloads in a row they are given
PLAYED = {1: 10, 3: 5}
LOCKED_OUT_WITHIN_S = 5.0
IN_A_ROW, WRITE_WITHIN_S = 3, 5.0  # as lockout_s counts them (chaoslib_cp/results/lockout.py)
HEAD = ["API servers", "run", "locked out after", "writes failed", "requests offered", "requests answered", "verdict"]


class Seen(NamedTuple):
    """What one overload did.

    Attributes:
        after_s: Seconds from its begin to the first of three failed writes in a row; None where there are none.
        failed: Writes that failed or took over 5 s, while it lasted.
        writes: All writes while it lasted.
        offered: Requests that came due.
        answered: Answers that were no failure.
        verdict: Of the run.
    """

    after_s: float | None
    failed: int
    writes: int
    offered: int
    answered: int
    verdict: str


def measure() -> None:
    """Play the same overload against one and three API servers and write the table."""
    seen = {servers: _played(servers, times) for servers, times in PLAYED.items()}
    rows = [[servers, number + 1, *_cells(one)] for servers, all_ in seen.items() for number, one in enumerate(all_)]
    page.write_section("lockouts", "How soon an administrator is locked out", _words(seen) + page.table(HEAD, rows))


def _played(servers: int, times: int) -> list[Seen]:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.yaml"
        usual = yaml.safe_load(SPEC.read_text())
        spec.write_text(yaml.safe_dump({**usual, "api_servers": servers}))
        experiment = Path(folder) / "lockout.json"
        experiment.write_text(json.dumps(_experiment()))
        with runs.testbed(str(spec)):
            return [_seen(experiment, Path(folder) / str(number)) for number in range(times)]


def _experiment() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(EXPERIMENT.read_text())
    made["method"][0]["provider"]["arguments"]["profile"] = PROFILE
    return made


def _seen(experiment: Path, folder: Path) -> Seen:
    often = json.dumps({"admin_write": 1.0})
    knobs = {"overload_nodes": NODES, "overload_duration_s": DURATION_S, "observe_periods_s": often}
    summary, run = runs.run_experiment(folder, experiment, **knobs)
    lines = [json.loads(line) for line in (run / "timeline.jsonl").read_text().splitlines()]
    begins_s = next(line["began_s"] for line in lines if line.get("event") == "fault_injected")
    writes = [one for one in runs.samples(run, "admin_write") if 0 <= one["at_s"] - begins_s < DURATION_S]
    failed = [one for one in writes if not one["ok"] or one["latency_s"] > WRITE_WITHIN_S]
    load = _load_of(lines)
    after_s = _after_s(writes, begins_s)
    return Seen(after_s, len(failed), len(writes), load["due"], load["outcomes"].get("ok", 0), summary["verdict"])


def _after_s(writes: list[dict[str, Any]], begins_s: float) -> float | None:
    good = [one["ok"] and one["latency_s"] <= WRITE_WITHIN_S for one in writes]
    for number in range(len(writes) - IN_A_ROW + 1):
        if not any(good[number : number + IN_A_ROW]):
            return float(writes[number]["at_s"] - begins_s)
    return None


def _load_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    outputs = [line.get("output") or {} for line in lines if line.get("event") == "activity_ended"]
    told = [load for one in outputs for load in (one.get("details") or {}).get("loads", {}).values()]
    return next(load for load in told if isinstance(load, dict))


def _cells(one: Seen) -> list[object]:
    after = "not at all" if one.after_s is None else f"{one.after_s:.1f} s"
    return [after, f"{one.failed} of {one.writes}", one.offered, one.answered, one.verdict]


def _words(seen: dict[int, list[Seen]]) -> str:
    soon = [one for one in seen[1] if one.after_s is not None and one.after_s <= LOCKED_OUT_WITHIN_S]
    one, three = (statistics.mean(run.failed / run.writes for run in seen[servers]) for servers in PLAYED)
    answered = [statistics.mean(one.answered for one in seen[servers]) for servers in PLAYED]
    return (
        "`experiments/api-overload.json` on spec as-incident, with what the agents of the incident ask: "
        f"{NODES} virtual nodes read `/metrics` every 3 s and list all 2,000 pods every 30 s, for {DURATION_S:.0f} s, "
        "all at once, as one ordinary user. An ordinary write is a dry-run create on a fresh connection, failed where "
        f"it is refused or takes over {WRITE_WITHIN_S:.0f} s; locked out is the first of {IN_A_ROW} that fail in a "
        "row. With one API server of 0.4 core the administrator was locked out within "
        f"{LOCKED_OUT_WITHIN_S:.0f} s of the full load in {len(soon)} of {len(seen[1])} runs. Of the writes {one:.0%} "
        f"failed with one API server and {three:.0%} with three; of the same load three answered "
        f"{answered[1] / max(answered[0], 1):.1f} times as much.\n\n"
    )
