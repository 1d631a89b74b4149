"""Which undo log a use without a control means: that of the kubeconfig and context that are named."""

from typing import Any

import pytest

from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.entry import DeleteObject
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

KUBERNETES = {"KUBERNETES_HOST": "https://127.0.0.1:1", "KUBERNETES_VERIFY_SSL": "true"}


def log(run: str, uid: str = "a", finished: bool = False, **header: Any) -> str:
    """Make a log that has one thing in it, and return the name of its run."""
    made = UndoLog.create(undo_folder(), run, {"cluster_uid": uid, **header}, ManualClock())
    number = made.intend(DeleteObject("DaemonSet", "kube-system", "agent", run))
    if finished:
        made.done(number, "deleted")
    return run


def run_of(configuration: dict[str, Any] | None, secrets: dict[str, Any] | None = None) -> str | None:
    """The run whose log is meant."""
    found = undo_log_of_run(read_settings(configuration, secrets), ManualClock())
    return None if found is None else found.run


def test_the_log_of_a_run_under_control_is_nobody_elses(kube: KubeObjects) -> None:
    """It is for that run, or for recover."""
    log("20261124T120000Z-abcdef-storm", kubeconfig=str(kube.kubeconfig), contexts={"runner_context": "runner"})
    assert run_of(kube.configuration()) is None
    assert run_of(None) is None


@pytest.mark.usefixtures("kube")
def test_finished_logs_of_several_clusters_are_no_question() -> None:
    """Nothing is open in any: the last one is as good as another."""
    for number in (1, 2):
        log(f"adhoc-a-{number}", "a", finished=True, kubeconfig="", contexts={"runner_context": "runner"})
    last = log("adhoc-b-1", "b", finished=True, kubeconfig="", contexts={"runner_context": "runner"})
    assert run_of(None, KUBERNETES) == last
    one = log("adhoc-a-3", "a", kubeconfig="", contexts={"runner_context": "runner"})
    assert run_of(None, KUBERNETES) == one
    log("adhoc-b-2", "b", kubeconfig="", contexts={"runner_context": "runner"})
    with pytest.raises(TargetRefused, match="adhoc-a-3, adhoc-b-2; nothing was changed"):
        run_of(None, KUBERNETES)


def test_a_log_belongs_to_the_context_that_the_runner_had(kube: KubeObjects) -> None:
    """One kubeconfig leads to many clusters."""
    file = str(kube.kubeconfig)
    as_admin = log("adhoc-a-1", "a", kubeconfig=file, contexts={"runner_context": "admin"})
    as_usual = log("adhoc-b-1", "b", kubeconfig=file, contexts={"runner_context": "runner"})
    assert run_of(kube.configuration(runner_context="admin")) == as_admin
    assert run_of(kube.configuration()) == as_usual


def test_a_log_that_names_no_context_is_the_usual_runners(kube: KubeObjects) -> None:
    """Whoever wrote it had no other."""
    one = log("adhoc-a-1", kubeconfig=str(kube.kubeconfig))
    assert run_of(kube.configuration()) == one
    assert run_of(kube.configuration(runner_context="admin")) is None
