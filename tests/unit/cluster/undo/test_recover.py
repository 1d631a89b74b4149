"""`recover` from the undo logs alone: whom it asks, what it reports, what it prints for people without patience."""

import re
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.exec_plugin import Plugin
from chaoslib_cp.cluster.undo.by_hand import kubectl_lines, kubectl_lines_without_log
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.heal import open_healers
from chaoslib_cp.cluster.undo.leftovers import leftovers
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.recover import close_logs_of_deleted_cluster, open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.settings import context_key, read_settings
from chaoslib_cp.state import state_root
from chaoslib_cp.waits import telling
from tests.fakes.api_server import Answer, Request
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels, observed, to_delete
from tests.scaffold.kubeconfigs import a_plugin, replace_user
from tests.scaffold.waiting import until

CLOCK = ManualClock()
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/ours"


def changed(kube: KubeObjects, run: str = "r", **settings: Any) -> UndoLog:
    """A run that made one ConfigMap and restarted DNS."""
    configuration = kube.configuration(chaoslib_cp_run_dir=f"/runs/{run}", **settings)
    metadata = {"name": "ours", "namespace": "kube-system", "labels": labels(run)}
    with open_cluster(read_settings(configuration)) as cluster:
        log = undo_log_for_change(read_settings(configuration), cluster, CLUSTER_UID, CLOCK)
        create(cluster, log, {"kind": "ConfigMap", "metadata": metadata})
    log.intend(observed("restart DNS"))
    return log


def header(log: UndoLog, **changed_facts: object) -> UndoLog:
    """The same entries behind another header."""
    items = log.items()
    log.path.unlink()
    known = {key: value for key, value in log.header.items() if key not in ("type", "schema", "run", "at_s", "sum")}
    made = UndoLog.create(log.path.parent, log.run, {**known, **changed_facts}, CLOCK)
    for item in items:
        made.note(made.intend(item.entry), **item.notes)
    return made


def test_a_plugin_that_hangs_does_not_keep_break_glass_from_healing(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner's waits for a browser: kubernetes-client/python#1787."""
    changed(kube)
    monkeypatch.setattr(Plugin.run, "__defaults__", (0.5,))
    replace_user(kube, "runner", a_plugin(tmp_path, "sleep 600"))
    assert recover(timeout_s=5, clock=CLOCK)["healed"]
    assert CONFIG_MAP not in kube.objects


def test_the_report_says_what_was_done_with_each_object(kube: KubeObjects) -> None:
    """Last change first; the second time there is nothing to say."""
    log = changed(kube)
    assert open_logs(CLOCK) == ["r"]
    assert recover(timeout_s=5, clock=CLOCK) == {
        "healed": True,
        "logs": [
            {
                "run": "r",
                "path": str(log.path),
                "items": [
                    {
                        "object": "restart DNS",
                        "fault": "dns_restart-1",
                        "outcome": "nothing to undo: restart DNS",
                        "closed": True,
                    },
                    {
                        "object": "ConfigMap kube-system/ours",
                        "fault": "agent_rollout-1",
                        "outcome": "deleted",
                        "closed": True,
                    },
                ],
                "problems": [],
                "kubectl": [],
            }
        ],
    }
    assert open_logs(CLOCK) == []
    assert recover(timeout_s=5, clock=CLOCK) == {"healed": True, "logs": []}


def test_while_the_api_is_silent_a_person_is_told_what_is_awaited(kube: KubeObjects) -> None:
    """Which object of which run, and until when; told while the call is stuck."""
    changed(kube)
    told: list[str] = []
    awaited = "waiting for ConfigMap kube-system/ours of run r to be undone, until "

    def answer_once_it_was_told(request: Request) -> None:
        if request.method == "DELETE":
            until(lambda: any(line.startswith(awaited) for line in told), "a line on the object")

    kube.before_request = answer_once_it_was_told
    with telling(told.append, every_s=0.01, clock=CLOCK):
        assert recover(timeout_s=5, clock=CLOCK)["healed"] is True
    assert next(line for line in told if line.startswith(awaited)).endswith(" UTC at the latest (5 s)")


def test_what_could_not_be_undone_is_printed_for_people(kube: KubeObjects) -> None:
    """With the kubeconfig and the context of break-glass that the run used, one line for each object."""
    kube.rename_context("break-glass", "glass")
    log = changed(kube, break_glass_context="glass")
    kube.fail_next("DELETE", "/", Answer(403), times=99)
    report = recover(timeout_s=0, clock=CLOCK)
    [one] = report["logs"]
    assert report["healed"] is False
    assert [item["closed"] for item in one["items"]] == [True, False]
    assert one["problems"] == []
    assert one["kubectl"] == kubectl_lines(log)
    assert [line.partition(" --namespace")[0] for line in one["kubectl"]] == [
        f"kubectl --kubeconfig {kube.kubeconfig} --context glass"
    ]
    by = [request.peer_name for request in kube.writes() if request.method == "DELETE"]
    assert by == ["user-runner", "user-break-glass"]
    assert open_logs(CLOCK) == ["r"]
    nowhere = header(log, kubeconfig="", contexts="unreadable")
    assert kubectl_lines(nowhere)[0].startswith("kubectl --namespace kube-system delete ")


def test_a_cluster_that_cannot_be_opened_is_a_problem_with_its_reasons(kube: KubeObjects) -> None:
    """One for each identity; the log stays open and its lines are printed all the same."""
    changed(kube)
    kube.kubeconfig.write_text("contexts: []\n")
    [one] = recover(timeout_s=0, clock=CLOCK)["logs"]
    assert len(one["problems"]) == 2
    assert "identity runner" in one["problems"][0]
    assert "identity break-glass" in one["problems"][1]
    assert (one["items"], len(one["kubectl"])) == ([], 1)


def test_identities_are_opened_as_the_log_says_and_closed_again_if_they_lead_elsewhere(
    kube: KubeObjects, tmp_path: Path
) -> None:
    """Ordinary first; what the log does not know is taken from the settings; another authority is another cluster."""
    kube.rename_context("runner", "mine")
    log = changed(kube, runner_context="mine")
    clusters, reasons = open_healers(log, read_settings({"runner_context": "other"}))
    assert [(one.identity, one.context) for one in clusters] == [("runner", "mine"), ("break-glass", "break-glass")]
    assert reasons == []
    with KubeObjects(tmp_path / "other") as other:
        other.rename_context("runner", "mine")
        moved = header(log, kubeconfig=str(tmp_path / "gone"))
        clusters, reasons = open_healers(moved, other.settings())
        assert clusters == []
        assert len(reasons) == 2
        assert (
            f"https://127.0.0.1:{other.server.port} as runner has another certificate authority than run r"
            in reasons[0]
        )
        back, _ = open_healers(moved, kube.settings())
        assert len(back) == 2
        assert open_healers(header(moved, kubeconfig=None), kube.settings())[1] == []
    for cluster in (*clusters, *back):
        cluster.close()


def test_addresses_on_record_are_used_when_names_no_longer_resolve(kube: KubeObjects) -> None:
    """DNS may be what is broken."""
    log = changed(kube)
    text = kube.kubeconfig.read_text().replace("127.0.0.1", "api.invalid")
    kube.kubeconfig.write_text(text)
    clusters, _ = open_healers(log, read_settings())
    assert [one.addresses for one in clusters] == [(f"127.0.0.1:{kube.server.port}",)] * 2
    clusters, reasons = open_healers(header(log, addresses="unreadable"), read_settings())
    assert (clusters, len(reasons)) == ([], 2)


def test_a_damaged_log_is_open_for_all_and_keeps_nobody_else_from_healing(kube: KubeObjects) -> None:
    """It may be about any cluster, so a filter does not hide it; a deleted cluster does not close it."""
    changed(kube)
    damaged = state_root() / "undo" / "damaged.jsonl"
    damaged.write_text("x\n")
    assert sorted(open_logs(CLOCK)) == ["damaged", "r"]
    assert open_logs(CLOCK, only_kubeconfig="/another") == ["damaged"]
    assert sorted(open_logs(CLOCK, only_kubeconfig=str(kube.kubeconfig))) == ["damaged", "r"]
    report = recover(timeout_s=5, clock=CLOCK, only_kubeconfig="/another")
    assert report["healed"] is False
    [one] = report["logs"]
    assert (one["run"], one["path"], one["items"]) == ("damaged", str(damaged), [])
    assert "--selector chaoslib-cp/run=damaged" in one["kubectl"][0]
    assert one["problems"][0].startswith(f"undo log {damaged} line 1 is damaged; nothing was undone"), one
    assert close_logs_of_deleted_cluster(CLUSTER_UID, CLOCK) == ["r"]
    assert recover(timeout_s=5, clock=CLOCK)["healed"] is False
    assert CONFIG_MAP in kube.objects


def test_a_rebuilt_log_that_is_damaged_names_the_run_whose_labels_are_in_the_cluster(kube: KubeObjects) -> None:
    """The log has a name of its own, the objects carry that of their run."""
    changed(kube)
    (state_root() / "undo" / "r2.found-1600.jsonl").write_text("x\n")
    [one] = recover(timeout_s=0, clock=CLOCK, only_kubeconfig="/another")["logs"]
    assert one["kubectl"][0].endswith(" --selector chaoslib-cp/run=r2 --wait=false")


def test_closing_the_logs_of_a_deleted_cluster_says_so_in_them(kube: KubeObjects) -> None:
    """A closed one and one of another cluster are left as they are."""
    log = changed(kube)
    other = UndoLog.create(undo_folder(), "other", {"cluster_uid": "other"}, CLOCK)
    other.intend(observed("x"))
    assert close_logs_of_deleted_cluster(CLUSTER_UID, CLOCK) == ["r"]
    assert [item.done for item in log.items()] == ["the cluster was deleted"] * 2
    assert close_logs_of_deleted_cluster(CLUSTER_UID, CLOCK) == []
    assert open_logs(CLOCK) == ["other"]


def test_leftovers_are_what_carries_this_runs_label(kube: KubeObjects) -> None:
    """Objects on record and pods of the run in their namespaces; what became somebody else's is not ours."""
    settings = kube.configuration(chaoslib_cp_run_dir="/runs/r")
    assert leftovers(read_settings(settings)) == []
    log = changed(kube)
    log.intend(to_delete("ClusterRole", "", "gone", "r"))
    log.intend(to_delete("DaemonSet", "kube-system", "gone", "r", ends_at_epoch_s=CLOCK.epoch_s() + 60))
    mine, theirs = (labels(run) for run in ("r", "other"))
    for name, carried in (("agent-1", mine), ("agent-2", theirs), ("agent-3", {"chaoslib-cp/run": "r"})):
        path = f"/api/v1/namespaces/kube-system/pods/{name}"
        kube.objects[path] = {"metadata": {"name": name, "uid": name, "labels": carried}}
    assert leftovers(read_settings(settings)) == ["ConfigMap kube-system/ours", "Pod kube-system/agent-1"]
    kube.objects[CONFIG_MAP]["metadata"]["labels"] = {"chaoslib-cp/run": "other"}
    assert leftovers(read_settings(settings)) == ["Pod kube-system/agent-1"]
    kube.objects[CONFIG_MAP]["metadata"]["labels"] = None
    del kube.objects["/api/v1/namespaces/kube-system/pods/agent-1"]
    assert leftovers(read_settings(settings)) == []
    asked = [request.path for request in kube.server.requests if request.path.endswith("/pods")]
    assert set(asked) == {"/api/v1/namespaces/kube-system/pods"}


def test_when_the_cluster_cannot_be_asked_leftovers_are_unknown(kube: KubeObjects) -> None:
    """Unknown is an error, not an empty list."""
    changed(kube)
    with pytest.raises(TargetRefused):
        leftovers(read_settings({"chaoslib_cp_run_dir": "/runs/r", "kubeconfig": "/nothing"}))


def test_an_administrators_name_is_enough_to_look_for_lost_logs(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kubeconfig without break-glass has the administrator; without both nobody can look, and that is said."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    kube.add_dns_pod("x")
    kube.rename_context("break-glass", "other")
    assert recover(timeout_s=0, clock=CLOCK)["healed"] is True
    assert {request.peer_name for request in kube.server.requests} == {"user-admin"}
    kube.rename_context("admin", "another")
    report = recover(timeout_s=0, clock=CLOCK)
    assert report["healed"] is False
    [one] = report["logs"]
    assert (one["run"], one["path"], one["items"], one["kubectl"]) == ("(no undo log)", "", [], [])
    assert one["problems"][0].startswith("could not look for objects without an undo log: TargetRefused: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("x: [", "not YAML"),
        (
            "contexts: [{name: eu-test-runner}]",
            r"looked for contexts break-glass and admin: .* \(it has: eu-test-runner\)",
        ),
    ],
)
def test_a_cluster_that_was_named_and_not_looked_into_is_a_problem(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch, content: str | None, says: str
) -> None:
    """Objects of a lost log may be in it; without a word about a cluster there is nowhere to look."""
    path = kube.folder / "named"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    report = recover(timeout_s=0, clock=CLOCK)
    assert report["healed"] is False
    [one] = report["logs"]
    assert (one["run"], one["path"]) == ("(no undo log)", "")
    [problem] = one["problems"]
    assert re.search(f"could not look for objects without an undo log: .*{says}.*; nothing was undone by it; ", problem)
    monkeypatch.delenv("KUBECONFIG")
    assert recover(timeout_s=0, clock=CLOCK) == {"healed": True, "logs": []}


def test_contexts_of_other_names_are_those_of_the_open_log_or_those_that_are_told(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster of somebody's own: nobody repeats what the log has, and the names can be told where no log has them."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    for context in ("runner", "admin", "break-glass"):
        kube.rename_context(context, f"their-{context}")
    named = {context_key(one): f"their-{one}" for one in ("runner", "admin", "break-glass")}
    changed(kube, **named)
    assert recover(timeout_s=5, clock=CLOCK)["healed"]
    assert CONFIG_MAP not in kube.objects
    [report] = recover(timeout_s=0, clock=CLOCK)["logs"]
    assert "name a context that may: --context break-glass=NAME" in report["problems"][0]
    monkeypatch.setenv("CHAOSLIB_CP_BREAK_GLASS_CONTEXT", "their-break-glass")
    assert recover(timeout_s=0, clock=CLOCK) == {"healed": True, "logs": []}


def test_a_kubeconfig_that_is_gone_is_named(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary folder of a CI job, for example."""
    changed(kube)
    moved = kube.kubeconfig.rename(kube.kubeconfig.with_name("moved"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    [report] = recover(timeout_s=0, clock=CLOCK)["logs"]
    assert report["problems"] == [
        f"kubeconfig {kube.kubeconfig} is gone, by which run r reached its cluster; nothing was undone; "
        "name another file of that cluster: KUBECONFIG=FILE chaos cp recover"
    ]
    monkeypatch.setenv("KUBECONFIG", str(moved))
    assert recover(timeout_s=5, clock=CLOCK)["healed"]


@pytest.mark.parametrize("renamed", [(), ("runner",), ("runner", "break-glass")])
def test_nobody_needs_a_runner_to_look(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch, renamed: tuple[str, ...]
) -> None:
    """The look is made as break-glass, else as the administrator; a runner of another name is no obstacle."""
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    for name in renamed:
        kube.rename_context(name, f"eu-test-{name}")
    assert recover(timeout_s=0, clock=CLOCK) == {"healed": True, "logs": []}
    who = "user-admin" if "break-glass" in renamed else "user-break-glass"
    assert {request.peer_name for request in kube.server.requests} == {who}


def test_chaosk8s_own_keys_name_a_cluster_that_cannot_be_looked_into(kube: KubeObjects) -> None:
    """They have one identity, which may not list everything; that is said, and it is no "nothing to undo"."""
    secrets = {"KUBERNETES_HOST": f"https://127.0.0.1:{kube.server.port}"}
    [one] = recover(read_settings(None, secrets), timeout_s=0, clock=CLOCK)["logs"]
    assert "identity break-glass needs a kubeconfig" in one["problems"][0]


def test_recover_takes_the_machines_clock_by_itself(kube: KubeObjects) -> None:
    """As `chaos cp recover` calls it."""
    changed(kube)
    assert recover()["healed"]
    assert CONFIG_MAP not in kube.objects


def test_what_is_missing_stays_open_in_a_log_that_names_no_cluster(kube: KubeObjects) -> None:
    """It may be in any; the report says which one was looked into and that the log names none."""
    header(changed(kube), cluster_uid=None)
    del kube.objects[CONFIG_MAP]
    report = recover(timeout_s=0, clock=CLOCK)
    assert not report["healed"]
    assert "the undo log is about cluster of no name" in report["logs"][0]["items"][-1]["outcome"]


def test_commands_for_what_belongs_to_the_whole_cluster_name_no_namespace(kube: KubeObjects) -> None:
    """And without a context on record they are typed as break-glass, whose usual name that is."""
    log = header(changed(kube), contexts={})
    log.intend(to_delete("ClusterRole", "", "reader", "r"))
    kubectl = f"kubectl --kubeconfig {kube.kubeconfig} --context break-glass"
    one = "--selector chaoslib-cp/run=r --field-selector metadata.name"
    assert kubectl_lines(log) == [
        f"{kubectl} delete clusterrole {one}=reader --wait=false",
        f"{kubectl} --namespace kube-system delete configmap {one}=ours --wait=false",
    ]


def test_a_log_under_another_name_is_undone_by_the_name_that_stands_in_it(kube: KubeObjects) -> None:
    """Objects carry the run's own name, not that of a file."""
    copied = changed(kube).path.rename(undo_folder() / "renamed.jsonl")
    [line] = kubectl_lines_without_log(copied)
    assert "--selector chaoslib-cp/run=r " in line
