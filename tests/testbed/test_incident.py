"""The experiment file, played for real on the small spec: broke where it must, and honest where nothing breaks."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.observe.timeline import read_timeline
from chaoslib_cp.testbed.instance import Instance
from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.silence import hear
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed, brought_up

pytestmark = pytest.mark.testbed

EXPERIMENT = ROOT / "experiments" / "openai-2024-12-11.json"
# 40 nodes must ask more often than 200, and more at once, to drown a server as surely: with four requests in flight
# each, CoreDNS synced while the storm went on. The node cache of `small` keeps an entry for 8 s.
SMALL: dict[str, object] = {
    "max_in_flight_per_agent": 8,
    "metrics_period_s": 2.0,
    "list_period_s": 6.0,
    "agent_ramp_s": 5.0,
    "agent_duration_s": 90.0,
    "reaction_s": 10.0,
}
RUN_WITHIN_S = 420
SILENCE_S = 5.0
STOPPED_STORM_S = 30.0
STOPS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the hardest first


@pytest.fixture
def testbed(can_run_testbeds: None) -> Iterator[Testbed]:  # noqa: ARG001 - it skips
    """A testbed for each storm: what crashed in one would be kept down by back-offs in the next."""
    with brought_up("small", f"storm-{os.getpid()}") as fresh:
        yield fresh


@pytest.fixture(scope="module")
def one_for_all_stops(can_run_testbeds: None) -> Iterator[Testbed]:  # noqa: ARG001 - it skips
    """A testbed for all storms that are stopped: each leaves it as it was, and too soon for long back-offs."""
    with brought_up("small", f"stops-{os.getpid()}") as shared:
        yield shared


def variables(**values: object) -> list[str]:
    """Options of `chaos run` that give the experiment these values."""
    return [f"--var={name}:{type(value).__name__}={value}" for name, value in values.items()]


def play(testbed: Testbed, folder: Path, **values: object) -> tuple[int, Path]:
    """Play the experiment inside the testbed; return its exit code and the run's folder."""
    inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--"]
    command = [*CHAOS, "--no-version-check", "run", *variables(**{**SMALL, **values}), str(EXPERIMENT)]
    done = hear([*inside, *command], RUN_WITHIN_S, cwd=folder)
    run_dirs = sorted((folder / "runs").glob("*-openai-2024-12-11"))
    assert len(run_dirs) == 1, done.said
    assert done.silence_s <= SILENCE_S, done.said
    return done.exit_code, run_dirs[0]


def summary_of(run_dir: Path) -> dict[str, Any]:
    """summary.json of a run."""
    return dict(json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))


def test_the_incident_breaks_dns_and_locks_the_administrator_out(testbed: Testbed, tmp_path: Path) -> None:
    """Mask as predicted, DNS lost, admin locked out, all healed; the stand-alone script finds the same figures."""
    exit_code, run_dir = play(testbed, tmp_path, dns_restart="restart-containers")
    summary = summary_of(run_dir)
    figures = summary["figures"]
    assert (exit_code, summary["verdict"]) == (1, "broke"), summary["why"]
    assert abs(figures["mask_s"] - figures["predicted_mask_s"]) <= 3.0
    assert figures["dns_lost_s"] >= 2 * figures["mask_s"]
    assert figures["amplification"] > 1
    assert figures["lockout_s"] > 10
    assert figures["dns_seen_node_count"] == 2
    assert set(figures["dns_lost_by_node_s"]) == {"worker-1", "worker-2"}
    assert summary["healed"] is True
    assert summary["scale"]
    again = subprocess.run(
        [sys.executable, str(ROOT / "experiments" / "recompute.py"), str(run_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert again.returncode == 0, again.stdout
    left = testbed.get("all,configmaps,serviceaccounts", "-A", "-l", "chaoslib-cp/role=telemetry-agent")
    assert left["items"] == []


def synced_dns_servers_survive_the_same_storm(testbed: Testbed, tmp_path: Path) -> None:
    """With no restart of DNS the API and the administrator are lost and workload DNS is not: the report says so."""
    exit_code, run_dir = play(testbed, tmp_path, dns_restart="none", agent_duration_s=60.0)
    summary = summary_of(run_dir)
    assert (exit_code, summary["verdict"]) == (1, "broke"), summary["why"]
    assert summary["parts"][0]["part"] == "workload DNS answers"
    assert summary["parts"][0]["verdict"] == "held"
    assert summary["figures"]["dns_success_ratio_cached"] > 0.95
    assert summary["figures"]["mask_s"] is None
    assert summary["reasons"]["mask_s"]


if part.is_whole():  # minutes
    test_synced_dns_servers_survive_the_same_storm = synced_dns_servers_survive_the_same_storm


@pytest.mark.proof
@pytest.mark.parametrize(
    "number",
    STOPS[: part.amount("testbed, stopped: signals")],
    ids=lambda number: number.name,
)
def test_a_run_stopped_in_mid_storm_leaves_nothing(
    one_for_all_stops: Testbed, tmp_path: Path, number: signal.Signals
) -> None:
    """However `chaos run` ends, the storm stops within its deadline + 1 s and `recover` leaves nothing of ours."""
    testbed = one_for_all_stops
    command = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", *CHAOS, "--no-version-check", "run"]
    command += variables(**{**SMALL, "agent_duration_s": STOPPED_STORM_S})
    with (tmp_path / "output.log").open("wb") as log:
        process = subprocess.Popen([*command, str(EXPERIMENT)], cwd=tmp_path, stdout=log, stderr=log)
    try:
        ends_epoch_s = until(lambda: agents_deadline(tmp_path), "the rollout")
        until(lambda: farm(testbed)["agents"]["running"], "the storm")
        os.kill(until(lambda: children_of(process.pid), "chaos run")[0], number)
        # what is left of the run must not lengthen the storm: the farm is asked, not the run
        calm = until(lambda: None if (status := farm(testbed))["agents"]["running"] else status, "calm")
        assert calm["agents"]["last_ended_at_s"] <= ends_epoch_s + 1
        process.wait(RUN_WITHIN_S)
    finally:
        process.kill()
        process.wait(30)
    recovered = hear([*CHAOS, "cp", "exec", "--name", testbed.name, "--", *CHAOS, "cp", "recover"], 180)
    assert recovered.exit_code == 0, recovered.said
    assert recovered.said.splitlines()[-1].startswith("healed: ")
    assert recovered.silence_s <= SILENCE_S, recovered.said
    left = testbed.get("daemonsets,configmaps,serviceaccounts", "-A", "-l", "chaoslib-cp/role=telemetry-agent")
    assert left["items"] == []


def agents_deadline(folder: Path) -> float | None:
    """When the agents of the run in ``folder`` end by themselves, once the rollout is on record."""
    for path in folder.glob("runs/*/timeline.jsonl"):
        for line in read_timeline(path):
            output = line.get("output")
            if isinstance(output, dict) and "deadline_epoch_s" in output:
                return float(output["deadline_epoch_s"])
    return None


def farm(testbed: Testbed) -> dict[str, Any]:
    """What the agent farm says of its agents; it writes this each second."""
    return dict(json.loads((Instance(testbed.name).folder / "farm.json").read_text()))


def children_of(pid: int) -> list[int]:
    """The children of a process: of `chaos cp exec`, the command it runs inside."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
