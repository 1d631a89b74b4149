"""A disk that is full, or fills up, in the middle of a rollout or an undo: whatever was made in the cluster goes."""

import errno
import os
from typing import Any

import pytest

from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.rollout.start import start
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.profiles import PLAN, PROFILE

CLOCK = ManualClock()


def test_a_full_disk_keeps_nothing_from_being_undone(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of ours goes; what cannot be noted stays open and is said, and the next recover closes it."""
    start_agent_rollout(PROFILE, duration_s=60.0, configuration=kube.configuration(chaoslib_cp_run_dir="/runs/r"))

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        report = recover(timeout_s=0, clock=CLOCK)
    assert report["healed"] is False
    [log] = report["logs"]
    assert len(log["items"]) == 5
    assert all("deleted, but that could not be noted: " in item["outcome"] for item in log["items"])
    assert not any("chaoslib-cp/run" in (one["metadata"].get("labels") or {}) for one in kube.objects.values())
    assert open_logs(CLOCK) == ["r"]
    report = recover(timeout_s=0, clock=CLOCK)
    assert report["healed"] is True
    assert [item["outcome"] for item in report["logs"][0]["items"]] == ["already gone"] * 5


@pytest.mark.parametrize("lines_with_room", [1, 2, 5, 10])
def test_a_disk_that_fills_up_during_a_rollout_leaves_nothing_in_the_cluster(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch, lines_with_room: int
) -> None:
    """What was made is taken back at once, whichever line found no room: intent, UID or deadline."""
    real, written = os.write, [0]

    def filling(handle: int, content: bytes) -> int:
        written[0] += 1
        if written[0] > lines_with_room + 1:  # the header
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, content)

    settings, clock = read_settings(kube.configuration(chaoslib_cp_run_dir="/runs/r")), ManualClock()
    check_gate(settings, clock)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", filling)
        with pytest.raises(ControlPlaneError, match="No space left"):
            start(PLAN, settings, clock)
    assert not any("chaoslib-cp/run" in (one["metadata"].get("labels") or {}) for one in kube.objects.values())
    clock.pass_s(70)
    assert recover(timeout_s=0, clock=clock)["healed"]
