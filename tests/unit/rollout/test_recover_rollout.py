"""What a rollout left behind is recovered, or told with what to do by hand."""

import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import close_logs_of_deleted_cluster, open_logs, recover
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.state import state_root
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.unit.rollout.test_rollout import RUN, ours, started


def test_recover_needs_no_arguments_and_can_be_run_twice(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The undo log says which cluster, as whom, and what."""
    started(kube)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    report = recover()
    assert report["healed"]
    assert [item["outcome"] for item in report["logs"][0]["items"]] == ["deleted"] * 5
    assert ours(kube) == []
    assert recover() == {"healed": True, "logs": []}


def test_recover_prints_the_kubectl_lines_for_what_is_still_open(kube: KubeObjects) -> None:
    """Whoever has no patience can do it by hand."""
    started(kube)
    kube.fail_next("DELETE", "/", Answer(500), times=999)
    report = recover(timeout_s=0)
    assert not report["healed"]
    lines = report["logs"][0]["kubectl"]
    assert len(lines) == 5
    assert lines[0].startswith(f"kubectl --kubeconfig {kube.kubeconfig} --context break-glass --namespace kube-system")
    assert f"delete daemonset --selector chaoslib-cp/run={RUN}" in lines[0]


def test_recover_goes_past_a_damaged_log(kube: KubeObjects) -> None:
    """One unreadable log does not keep the others from healing."""
    started(kube)
    (state_root() / "undo" / "a.jsonl").write_text("garbage\n")
    report = recover()
    assert not report["healed"]
    assert ours(kube) == []
    assert [len(log["problems"]) for log in report["logs"]].count(1) == 1


def test_recover_does_not_touch_a_cluster_rebuilt_under_the_same_name(kube: KubeObjects, tmp_path: Path) -> None:
    """Same kubeconfig path, another certificate authority."""
    started(kube)
    with KubeObjects(tmp_path / "new") as rebuilt:
        kube.kubeconfig.write_bytes(rebuilt.kubeconfig.read_bytes())
        report = recover(timeout_s=0)
        assert rebuilt.server.requests == []
    assert not report["healed"]
    assert "rebuilt under the same name" in str(report["logs"][0]["problems"])


def test_recover_and_gate_leave_a_run_alone_that_is_still_being_played(kube: KubeObjects) -> None:
    """Its process holds the cluster's lock; when that dies, the lock is free and recover heals."""
    started(kube)
    lock = state_root() / "locks" / f"{CLUSTER_UID}.lock"
    lock.parent.mkdir(parents=True)
    program = (
        f"import fcntl, os; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); print(os.getpid(), file=f, flush=True)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{program}; print('held', flush=True); input()"], stdin=PIPE, stdout=PIPE
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        report = recover()
        with pytest.raises(TargetRefused, match=f"process {holder.pid} is playing run {RUN}"):
            check_gate(kube.settings(chaoslib_cp_run_dir="/runs/other"))
        holder.kill()
    assert len(ours(kube)) == 5
    assert f"process {holder.pid} is playing" in report["logs"][0]["problems"][0]
    assert recover()["healed"]


def test_recover_inside_a_testbed_leaves_the_logs_of_other_clusters_alone(kube: KubeObjects) -> None:
    """No other cluster can be reached from there; their logs stay open, for whoever recovers outside."""
    started(kube)
    assert recover(only_kubeconfig="/another") == {"healed": True, "logs": []}
    assert open_logs(only_kubeconfig="/another") == []
    assert (open_logs(), len(ours(kube))) == ([RUN], 5)
    assert recover(only_kubeconfig=str(kube.kubeconfig))["healed"]
    assert ours(kube) == []


def test_the_logs_of_a_deleted_cluster_can_be_closed(kube: KubeObjects) -> None:
    """Taking a testbed down takes its leftovers with it."""
    started(kube)
    assert close_logs_of_deleted_cluster("another") == []
    assert close_logs_of_deleted_cluster(CLUSTER_UID) == [RUN]
    assert open_logs() == []
