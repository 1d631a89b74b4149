"""Small experiments for the contract tests, as the mappings that become their JSON."""

from pathlib import Path
from typing import Any

from tests.contract.conftest import Chaos

Activity = dict[str, Any]


def act(func: str, **arguments: Any) -> Activity:
    """An action of ``tests.contract.activities``."""
    return _activity("action", func, arguments)


def probe(func: str, **arguments: Any) -> Activity:
    """A probe of ``tests.contract.activities``."""
    return _activity("probe", func, arguments)


def claim(path: Path, there: bool = False) -> Activity:
    """A claim of the hypothesis: the file is there, or is not."""
    return {
        **probe("needs_file", path=str(path), there=there),
        "tolerance": {"type": "range", "target": "ok", "range": [1, 1]},
    }


def dns_claim() -> Activity:
    """The claim that workload DNS answers, with the library's own probe."""
    provider = {
        "type": "python",
        "module": "chaoslib_cp.dns.probes",
        "func": "workload_dns",
        "arguments": {"path": "cached", "window_s": 3.0},
    }
    tolerance = {"type": "range", "target": "ok", "range": [1, 1]}
    return {"type": "probe", "name": "workload DNS answers", "tolerance": tolerance, "provider": provider}


def experiment(method: list[Activity], rollbacks: list[Activity], claims: list[Activity], page: str) -> dict[str, Any]:
    """An experiment under our control."""
    return {
        "version": "1.0.0",
        "title": "A contract <script>alert(1)</script> test",
        "description": "Played by the tests.",
        "extensions": [{"name": "chaoslib_cp", "schema": 1, "run_name": "contract"}],
        "configuration": {"prober_pages": [page], "observe_periods_s": {"api_read": 0.3, "admin_write": 0.5}},
        "runtime": {"hypothesis": {"strategy": "continuously"}, "rollbacks": {"strategy": "always"}},
        "controls": [{"name": "chaoslib_cp", "provider": {"type": "python", "module": "chaoslib_cp.control"}}],
        "steady-state-hypothesis": {"title": "all is well", "probes": claims},
        "method": _numbered(method, "method"),
        "rollbacks": _numbered(rollbacks, "rollback"),
    }


def storm(chaos: Chaos, *between: Activity, claims: list[Activity] | None = None, **changed: Any) -> dict[str, Any]:
    """An experiment whose storm is seen by the observer, with activities between its start and its stop."""
    page = chaos.cluster.environment["CONTRACT_PROBER_PAGE"]
    method = [act("start_storm", duration_s=4.0), *between]
    made = experiment(method, [act("stop_storm")], claims or [dns_claim()], page)
    return {**made, **changed}


def pause(chaos: Chaos, duration_s: float = 4.0) -> Activity:
    """An action that takes its time and says when it has begun."""
    return act("sleep", duration_s=duration_s, started=str(chaos.folder / "started"))


def _activity(kind: str, func: str, arguments: dict[str, Any]) -> Activity:
    provider = {"type": "python", "module": "tests.contract.activities", "func": func, "arguments": arguments}
    return {"type": kind, "name": func, "provider": provider}


def _numbered(activities: list[Activity], where: str) -> list[Activity]:
    return [{**one, "name": f"{where} {number}: {one['name']}"} for number, one in enumerate(activities, start=1)]
