"""SIGKILL at every change a rollout makes: recover leaves nothing, whichever side of the change the kill was on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.recover import open_logs, recover
from tests.fakes.kube_objects import KubeObjects

_ROLL_OUT = """
import json, sys
from chaoslib_cp.rollout.actions import start_agent_rollout
profile = {"schema": 1, "requests": [{"path": "/metrics"}]}
start_agent_rollout(profile, duration_s=60.0, configuration=json.loads(sys.argv[1]))
"""
_CREATES = 5


class LaterClock(SystemClock):
    """A minute and more from now: no unanswered create can still land."""

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return super().epoch_s() + 70


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeObjects]:
    """A marked cluster."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with KubeObjects(tmp_path / "kube") as fake:
        fake.mark()
        yield fake


def roll_out_and_die(kube: KubeObjects, nth: int, before_the_write: bool) -> None:
    """Roll out in a process of its own that is killed at its nth create."""
    made: list[str] = []
    process: list[subprocess.Popen[bytes]] = []

    def kill(path: str) -> None:
        made.append(path)
        if len(made) == nth:
            os.kill(process[0].pid, signal.SIGKILL)
            process[0].wait(10)
            if before_the_write:
                raise ConnectionResetError

    kube.on_create = kill
    configuration: dict[str, Any] = kube.configuration(chaoslib_cp_run_dir="/runs/crash-1")
    process.append(subprocess.Popen([sys.executable, "-c", _ROLL_OUT, json.dumps(configuration)]))
    assert process[0].wait(60) == -signal.SIGKILL
    kube.on_create = lambda _path: None


@pytest.mark.parametrize("before_the_write", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, _CREATES + 1))
def test_recover_leaves_nothing_after_a_kill(kube: KubeObjects, nth: int, before_the_write: bool) -> None:
    """The intent is on disk, the UID is not: the run label decides; a second recover has nothing to do."""
    theirs = "/api/v1/namespaces/kube-system/configmaps/theirs"
    kube.objects[theirs] = {"metadata": {"name": "theirs", "uid": "theirs"}}
    roll_out_and_die(kube, nth, before_the_write)
    assert open_logs() == ["crash-1"]
    report = recover(timeout_s=5, clock=LaterClock())
    assert report["healed"], report
    labelled = [path for path, found in kube.objects.items() if "chaoslib-cp/run" in str(found["metadata"])]
    assert labelled == []
    assert theirs in kube.objects
    assert recover() == {"healed": True, "logs": []}
