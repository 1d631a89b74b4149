"""`chaos cp price` against real API servers: a small price, and an audit log whose profile costs what its agent did."""

import json
import logging
import os
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chaoslib_cp.engine.load.head import USER_AGENT
from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.audit import AGENT
from tests.scaffold.figures import note
from tests.testbed.conftest import CHAOS, Testbed, brought_up

pytestmark = pytest.mark.testbed

_LOGGER: Final = logging.getLogger(__name__)
ROUNDS: Final = part.amount("testbed, price: rounds of an audit log")
SPEC: Final = "fake_nodes: 40\npods_per_fake_node: 10\naudit_log: true\n"
#: The preset scaled down: its periods a third, and as many nodes as cost the servers 0.1 to 0.2 core.
PRESET: Final[dict[str, Any]] = {
    "preset": "openai-telemetry-2024",
    "requests": [
        {"pattern": "list-pods", "period_s": 5.0},
        {"pattern": "list-events", "period_s": 20.0},
        {"pattern": "get-node", "period_s": 5.0},
    ],
}
#: Next to nothing, so that what else the servers do is measured in the same way.
IDLE: Final[dict[str, Any]] = {"schema": 1, "name": "idle", "requests": [{"path": "/version", "period_s": 20.0}]}
NODES: Final = 12
LOGGED_S: Final = 60.0
#: The CPU of the servers for one and the same load was seen to differ by a tenth from one play to the next, and by more
#: over minutes. So agent and profile take short turns, each as long as the longest period of the preset.
TURN_S: Final = 20.0
TURNS: Final = ("idle", *("agent", "profile", "profile", "agent", "idle") * 3)
WITHIN: Final = 0.15


def typed() -> list[str]:
    """The words of the first command of docs/howto-price.md that prices a profile."""
    page = (ROOT / "docs" / "howto-price.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("chaos cp exec -- chaos cp price")]
    return lines[0].partition(" -- chaos ")[2].split()


def test_a_small_profile_is_priced_as_the_page_says(testbed: Testbed) -> None:
    """With all that a real server tells of itself; nothing of it is more than the small load that it was to be."""
    ended = testbed.run(*CHAOS, *typed(), "--json", cwd=ROOT, timeout_s=180)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    each = told["per_request"]
    assert 0.0005 < each["cpu_s"] < 1.0
    assert each["bytes"] > 1000
    assert 1 <= each["seats"] <= 10
    assert each["allocated_bytes"] > 1000
    assert told["amplification"] > 0
    assert told["cluster_nodes"] == 42
    [rung] = told["rungs"]
    assert set(rung["outcomes"]) <= {"ok", "aborted"}
    assert rung["cores"] < 0.2
    assert rung["objects_per_request"] > 100
    assert [one["verdict"] for one in told["budget"]] == ["within"]


if ROUNDS:  # of seven minutes each

    @pytest.fixture(scope="module")
    def audited(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
        """A testbed that keeps an audit log."""
        spec = tmp_path_factory.mktemp("priced") / "priced.yaml"
        spec.write_text(SPEC)
        with brought_up(str(spec), f"priced-{os.getpid()}") as own:
            yield own

    @pytest.mark.proof
    def test_the_profile_of_an_audit_log_costs_what_its_agent_did(audited: Testbed, tmp_path: Path) -> None:
        """A run of a preset, turned into a profile and played: the servers' CPU is the same within 15 %."""
        errors = [compared(audited, tmp_path, number) for number in range(ROUNDS)]
        for one in errors:
            note("audit-log", difference_ratio=one)
        assert max(map(abs, errors)) <= WITHIN, errors
        assert abs(statistics.fmean(errors)) <= WITHIN / 2, errors


def compared(testbed: Testbed, folder: Path, number: int) -> float:
    """By which share the profile of a run's log costs the servers more than the run does, idle CPU taken off both."""
    preset, idle, made = folder / "preset.json", folder / "idle.json", folder / f"agent-{number}.yaml"
    preset.write_text(json.dumps(PRESET))
    idle.write_text(json.dumps(IDLE))
    nodes = profile_of_log(testbed, preset, made)
    loads = {"agent": (preset, NODES), "profile": (made, nodes), "idle": (idle, 1)}
    used: dict[str, list[float]] = {name: [] for name in loads}
    for name in TURNS:
        used[name].append(round(cores(played(testbed, *loads[name], TURN_S)), 4))
    _LOGGER.info("round %s, cores: %s", number, used)
    mean = {name: statistics.fmean(figures) for name, figures in used.items()}
    return (mean["profile"] - mean["idle"]) / (mean["agent"] - mean["idle"]) - 1


def profile_of_log(testbed: Testbed, preset: Path, made: Path) -> int:
    """Play the preset, and write the profile that its audit log gives; returns its number of virtual nodes."""
    log, cut = Path(testbed.state["logs"]) / "kube-apiserver-0-audit.log", made.with_suffix(".log")
    begins = log.stat().st_size
    played(testbed, preset, NODES, LOGGED_S)
    with log.open("rb") as file:
        file.seek(begins)
        cut.write_bytes(file.read())
    words = ("cp", "price", str(cut), "--agent", AGENT, "--agent", USER_AGENT, "--write-profile", str(made), "--json")
    ended = testbed.run(*CHAOS, *words, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    return int(json.loads(ended.stdout)["nodes"])


def cores(told: dict[str, Any]) -> float:
    """CPU that the servers used while a load was played."""
    return float(told["server_cpu_s"]) / float(told["server_use"]["seconds"])


def played(testbed: Testbed, profile: Path, nodes: int, duration_s: float) -> dict[str, Any]:
    """What a load of so many virtual nodes cost."""
    words = ("cp", "load", str(profile), "--nodes", str(nodes), "--duration-s", str(duration_s), "--json")
    ended = testbed.run(*CHAOS, *words, cwd=ROOT, timeout_s=duration_s + 60)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told
