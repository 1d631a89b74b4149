"""`chaos cp recover` and `down` after a run that was killed: nothing of ours stays, and the next run may start.

The machine is a difficult one: with proxies that lead nowhere, a strict umask and a long path to its state folder.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.instance import Instance
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, UP_WITHIN_S

pytestmark = pytest.mark.testbed

SPEC = "fake_nodes: 3\npods_per_fake_node: 1\nkubelet_nodes: 1\ndns_replicas: 1\n"
DEAD_PROXY = "http://127.0.0.1:9"
# Rolls out and ends without taking anything back, as a process does that is killed.
LEAVE_A_ROLLOUT = """
from chaoslib_cp.rollout.actions import start_agent_rollout
start_agent_rollout({"schema": 1, "requests": [{"path": "/version", "period_s": 10.0}]}, duration_s=60.0)
"""


class Machine:
    """A user with a state folder of his own, so that nobody else's runs are touched, and one testbed that is up."""

    def __init__(self, folder: Path) -> None:
        self.name = f"recover-{os.getpid()}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("CHAOSLIB_CP_TESTBED")}
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), DEAD_PROXY)
        self.environment = {**inherited, **proxies, "XDG_STATE_HOME": str(folder)}

    def chaos_cp(self, *arguments: str, timeout_s: float = 240, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run ``chaos cp ...`` from outside the testbed."""
        return subprocess.run(
            [*CHAOS, "--no-version-check", "cp", *arguments],
            env={**self.environment, **variables},
            umask=0o077,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def inside(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside the testbed."""
        return self.chaos_cp("exec", "--name", self.name, "--", *argv)

    def ours(self) -> list[str]:
        """Return what is left in the cluster of a rollout."""
        kinds = "daemonsets,configmaps,serviceaccounts,clusterroles,clusterrolebindings"
        listed = self.inside("kubectl", "--context", "break-glass", "get", kinds, "--all-namespaces", "--output=name",
                             "--selector", "chaoslib-cp/role=telemetry-agent")  # fmt: skip
        assert listed.returncode == 0, listed.stderr
        return listed.stdout.split()


@pytest.fixture(scope="module")
def owner(can_run_testbeds: None) -> Iterator[Machine]:  # noqa: ARG001
    """Take down at the end whatever testbed is up then."""
    machine = Machine(Path(os.environ["XDG_STATE_HOME"]) / ("own" * 40))
    yield machine
    machine.chaos_cp("down", "--name", machine.name)


@pytest.fixture
def machine(owner: Machine, tmp_path: Path) -> Machine:
    """A tiny testbed in which a killed process has left a rollout; the one of the test before, if it still stands."""
    spec = tmp_path / "tiny.yaml"
    spec.write_text(SPEC)
    ended = owner.chaos_cp("up", str(spec), "--name", owner.name, timeout_s=UP_WITHIN_S)
    assert ended.returncode == 0, ended.stderr
    ended = owner.inside("python", "-c", LEAVE_A_ROLLOUT)
    assert ended.returncode == 0, ended.stderr
    return owner


@pytest.mark.parametrize("has_variables", [False, True], ids=["plain", "after eval of chaos cp env"])
def test_recover_goes_where_the_cluster_is(machine: Machine, has_variables: bool) -> None:
    """Started outside without arguments, it finds the testbed by its undo log; a second time there is nothing to do.

    With the variables that lead to a testbed, which say nothing of where one is, it does the same.
    """
    told = json.loads(machine.chaos_cp("env", "--name", machine.name, "--json").stdout)["variables"]
    variables = told if has_variables else {}
    assert any(name.startswith("daemonset") for name in machine.ours())
    first = machine.chaos_cp("recover", "--json", **variables)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["healed"] is True
    assert machine.ours() == []
    assert machine.chaos_cp("recover", **variables).stdout == "healed: nothing to undo\n"


def test_down_closes_what_was_open_in_it(machine: Machine) -> None:
    """What a deleted cluster still held is gone with it; it does not keep `recover` busy for ever."""
    down = machine.chaos_cp("down", "--name", machine.name, "--json")
    assert len(json.loads(down.stdout)["closed_undo_logs"]) == 1
    assert machine.chaos_cp("recover").stdout == "healed: nothing to undo\n"


def test_recover_closes_what_was_open_in_a_testbed_that_ended_without_down(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine went, or somebody killed it: its cluster is gone, so nothing can be open in it any more."""
    monkeypatch.setenv("XDG_STATE_HOME", machine.environment["XDG_STATE_HOME"])
    inside = Instance(machine.name).inside_pid()
    assert inside is not None
    os.kill(inside, signal.SIGKILL)
    until(lambda: not Instance(machine.name).supervisor_pids(), "the end of the testbed")
    ended = machine.chaos_cp("recover")
    assert ended.returncode == 0, ended.stderr
    assert f"gone with the cluster of testbed {machine.name}" in ended.stdout
    assert machine.chaos_cp("recover").stdout == "healed: nothing to undo\n"
