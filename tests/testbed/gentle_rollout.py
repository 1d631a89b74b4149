"""A rollout of agents that nobody is hurt by: whatever goes wrong with it is about the agents."""

import json
from pathlib import Path
from typing import Any

from tests.testbed.conftest import CHAOS, Testbed

RUN_WITHIN_S = 240
# What 42 nodes can ask for without being noticed.
GENTLE = {
    "schema": 1,
    "name": "gentle",
    "requests": [{"path": "/version", "period_s": 2.0}],
    "ramp_s": 1.0,
}
Activity = dict[str, Any]


def python(name: str, place: str, pause_s: float = 0.0, **arguments: Any) -> Activity:
    """An action of Python."""
    module, _, function = place.partition(":")
    provider = {"type": "python", "module": module, "func": function, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider, "pauses": {"before": pause_s}}


def roll_out(**arguments: Any) -> Activity:
    """Start a gentle rollout."""
    given = {"profile": GENTLE, "duration_s": 60.0, **arguments}
    return python("roll out", "chaoslib_cp.rollout.actions:start_agent_rollout", **given)


def stop_rollout(pause_s: float) -> Activity:
    """Stop it after a while."""
    return python("stop the rollout", "chaoslib_cp.rollout.actions:stop_agent_rollout", pause_s)


def play(testbed: Testbed, folder: Path, method: list[Activity], rollbacks: list[Activity]) -> dict[str, Any]:
    """Play an experiment whose one claim is that the API answers; return its summary."""
    claim = {
        "type": "probe",
        "name": "the API answers",
        "tolerance": {"type": "range", "target": "ok", "range": [1, 1]},
        "provider": {"type": "python", "module": "chaoslib_cp.apiserver.probes", "func": "api_health"},
    }
    experiment = {
        "version": "1.0.0",
        "title": "Delivered",
        "description": "A gentle rollout.",
        "extensions": [{"name": "chaoslib_cp", "schema": 1, "run_name": "delivered"}],
        "runtime": {"hypothesis": {"strategy": "continuously"}, "rollbacks": {"strategy": "always"}},
        "controls": [{"name": "chaoslib_cp", "provider": {"type": "python", "module": "chaoslib_cp.control"}}],
        "steady-state-hypothesis": {"title": "all is well", "probes": [claim]},
        "method": method,
        "rollbacks": rollbacks,
    }
    (folder / "experiment.json").write_text(json.dumps(experiment))
    done = testbed.run(*CHAOS, "--no-version-check", "run", "experiment.json", timeout_s=RUN_WITHIN_S, cwd=folder)
    [run_dir] = (folder / "runs").glob("*-delivered")
    assert (run_dir / "summary.json").exists(), done.stderr
    return dict(json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))
