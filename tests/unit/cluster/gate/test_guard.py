"""The gate refuses whatever is not provably the marked test cluster, and changes nothing while it looks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from chaoslib_cp.cluster.gate.permit import permit_path, read_permit
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import Settings, read_settings
from chaoslib_cp.state import state_root
from tests.fakes.api_server import HANG, Answer
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import labels, to_delete
from tests.scaffold.figures import note

# ManualClock starts at 22:13:20 on that day
ANOTHER_TIME = Answer(200, {"Date": "Tue, 14 Nov 2023 23:13:20 GMT"}, b'{"metadata": {"uid": "x"}}')
RUN_DIR = "/runs/20261122T120000Z-openai"


def settings(kube: KubeObjects, **more: Any) -> Settings:
    """Configuration of a run."""
    return kube.settings(chaoslib_cp_run_dir=RUN_DIR, **more)


def leave_something(kube: KubeObjects, run_dir: str) -> None:
    """An undo log of another run with an open entry."""
    configuration = kube.configuration(chaoslib_cp_run_dir=run_dir)
    with open_cluster(read_settings(configuration)) as cluster:
        log = undo_log_for_change(read_settings(configuration), cluster, CLUSTER_UID, ManualClock())
    log.intend(to_delete("DaemonSet", "kube-system", "chaoslib-cp-agent-rollout-1", read_settings(configuration).run))


def test_a_marked_cluster_passes_and_leaves_a_permit_that_only_this_user_reads(kube: KubeObjects) -> None:
    """UID, CA, addresses, owner and expiry, 0600."""
    permit = check_gate(settings(kube, cluster_uid=CLUSTER_UID), ManualClock())
    assert read_permit(settings(kube).run) == permit
    assert permit.cluster_uid == CLUSTER_UID
    assert permit.addresses == (f"127.0.0.1:{kube.server.port}",)
    assert permit.owner == "tests"
    assert permit_path(permit.run).stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_run_left_is_told_while_the_api_is_silent(kube: KubeObjects) -> None:
    """After a crash in the storm: what is known here is asked first, and `recover` is what helps."""
    leave_something(kube, "/runs/earlier")
    kube.server.requests.clear()
    with pytest.raises(TargetRefused, match=r"run earlier left 1 things .* run `chaos cp recover`"):
        check_gate(settings(kube), ManualClock())
    assert kube.server.requests == []


def elsewhere(ends_in_s: float) -> Callable[[KubeObjects], None]:
    """An agent that a run of another machine has rolled out."""

    def arrange(kube: KubeObjects) -> None:
        annotations = {"chaoslib-cp/ends-at-epoch-s": f"{ManualClock().epoch_s() + ends_in_s:.0f}"}
        metadata = {
            "name": "agent",
            "namespace": "x",
            "uid": "u",
            "labels": labels("theirs"),
            "annotations": annotations,
        }
        kube.objects["/apis/apps/v1/namespaces/x/daemonsets/agent"] = {"metadata": metadata}

    return arrange


def no_mark(kube: KubeObjects) -> None:
    """Nobody declared it a test cluster."""
    del kube.objects[MARKER_PATH]


def unreadable() -> None:
    """A record of something, and nobody knows of what."""
    folder = state_root() / "undo"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "earlier.jsonl").touch(mode=0o600)


def mark_without(key: str) -> Callable[[KubeObjects], None]:
    """A mark that lacks something."""
    return lambda kube: kube.objects[MARKER_PATH]["data"].pop(key)


def accept_another_sign(kube: KubeObjects) -> None:
    """What was accepted is not what is there."""
    kube.mark(accepted_signs=["provider"])
    kube.add_nodes(env="live")


REFUSALS: dict[str, tuple[Callable[[KubeObjects], Any], dict[str, Any], str]] = {
    "another cluster is pinned": (lambda _kube: None, {"cluster_uid": "other"}, "this run is pinned to other"),
    "no mark": (no_mark, {}, "not marked as a test cluster"),
    "a mark copied from another cluster": (lambda kube: kube.mark(uid="other"), {}, "made for cluster other"),
    "an expired mark": (lambda kube: kube.mark(expires_epoch_s=1_600_000_000), {}, "has expired"),
    "a mark without owner": (lambda kube: kube.mark(owner=" "), {}, "no owner"),
    "a mark without expiry": (mark_without("expires_epoch_s"), {}, "not readable"),
    "a mark without UID": (mark_without("cluster_uid"), {}, "not readable"),
    "a mark without data": (lambda kube: kube.objects[MARKER_PATH].pop("data"), {}, "not readable"),
    "an endless mark": (lambda kube: kube.mark(expires_epoch_s=float("inf")), {}, "no sane expiry"),
    "a mark with nonsense": (
        lambda kube: kube.objects[MARKER_PATH]["data"].update(expires_epoch_s="soon"), {}, "not readable"),
    "no UID": (lambda kube: kube.objects["/api/v1/namespaces/kube-system"]["metadata"].pop("uid"), {}, "shows no UID"),
    "not allowed to read the mark": (lambda kube: kube.fail_next("GET", MARKER_PATH, Answer(403)), {}, "403"),
    "not allowed to read the UID": (
        lambda kube: kube.fail_next("GET", "/api/v1/namespaces/kube-system", Answer(401)), {}, "401"),
    "something left over": (lambda kube: leave_something(kube, "/runs/earlier"), {}, "run earlier left 1 things"),
    "a run of another machine": (
        elsewhere(100), {}, r"run theirs has DaemonSet x/agent .* its load ends by itself at 2023-11-14T22:15:00Z; .* "
        r"from 2023-11-14T22:25:00Z on here"),
    "what a run of another machine left": (
        elsewhere(-1000), {}, r"run theirs .* its load ended by itself at 2023-11-14T21:56:40Z; .*`chaos cp recover`"),
    "not allowed to see runs of others": (
        lambda kube: kube.fail_next("GET", "/apis/apps/v1/daemonsets", Answer(403)), {}, "403"),
    "an undo log that cannot be read": (
        lambda _kube: unreadable(), {}, "has no header; .*run `chaos cp recover`"),
    "more nodes than allowed": (lambda kube: kube.add_nodes(4), {"max_nodes": 3}, "4 nodes, .*max_nodes allows 3"),
    "a node says production": (lambda kube: kube.add_nodes(environment="production"), {}, "environment=production"),
    "a node says prod behind a domain": (lambda kube: kube.add_nodes(acme_org__env="prod-eu-1"), {}, "env=prod-eu-1"),
    "kube-system says production": (
        lambda kube: kube.objects["/api/v1/namespaces/kube-system"]["metadata"].update(annotations={"tier": "PRD"}),
        {}, "namespace kube-system says tier=PRD"),
    "nodes of EKS": (lambda kube: kube.add_nodes(eks_amazonaws_com__nodegroup="a"), {}, "cloud provider's .eks"),
    "nodes of GKE": (lambda kube: kube.add_nodes(1, **{"cloud.google.com/gke-nodepool": "a"}), {}, "provider's .cloud"),
    "nodes of AKS": (lambda kube: kube.add_nodes(kubernetes_azure_com__cluster="a"), {}, "cloud provider's .kube"),
    "CoreDNS of an add-on manager": (
        lambda kube: kube.add_dns_deployment(addonmanager_kubernetes_io__mode="Reconcile"), {}, "add-on manager"),
    "CoreDNS is an EKS add-on": (
        lambda kube: kube.add_dns_deployment(eks_amazonaws_com__component="coredns"), {}, "coredns belongs to an add"),
    "another sign than the accepted one": (
        accept_another_sign, {}, "env=live"),
    "not allowed to list nodes": (lambda kube: kube.fail_next("GET", "/api/v1/nodes", Answer(403)), {}, "403"),
    "not allowed to see who manages DNS": (
        lambda kube: kube.fail_next("GET", "/apis/apps/v1/namespaces/kube-system/deployments", Answer(403)), {}, "403"),
    "a context that says production": (
        lambda kube: kube.rename_context("runner", "eu-prod"), {"runner_context": "eu-prod"}, "context eu-prod says"),
    "a server with another time": (
        lambda kube: kube.fail_next("GET", "/api/v1/namespaces/kube-system", ANOTHER_TIME), {}, "3600 s apart"),
    "a context that is not on the list": (
        lambda _kube: None, {"allowed_contexts": "eu-test,admin"}, "'runner', used as runner, is not in"),
    "an identity whose context is not on the list": (
        lambda _kube: None, {"allowed_contexts": ["runner", "observer"]}, "'admin', used as admin, is not in"),
    "no such context": (lambda _kube: None, {"runner_context": "prod"}, "no context 'prod'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_each_doubt_is_a_refusal_with_its_own_reason_and_no_change(kube: KubeObjects, case: str) -> None:
    """When in doubt, refuse; a refusal changes nothing and leaves no permit."""
    arrange, more, says = REFUSALS[case]
    arrange(kube)
    with pytest.raises(TargetRefused, match=says) as caught:
        check_gate(settings(kube, **more), ManualClock())
    assert "nothing was changed" in str(caught.value)
    assert kube.writes() == []
    assert read_permit(settings(kube).run) is None
    note("refusal", writes=0)


def test_a_pin_on_this_cluster_passes_and_an_empty_one_pins_nothing(kube: KubeObjects) -> None:
    """Empty is what an experiment's configuration says when nobody gave a UID."""
    for pinned in (CLUSTER_UID, "", None):
        assert check_gate(settings(kube, cluster_uid=pinned), ManualClock())


def test_contexts_on_the_list_pass(kube: KubeObjects) -> None:
    """All four, however they are written, and no list at all; an empty one, or one of anything else, is a mistake."""
    for allowed in (["runner", "admin", "break-glass", "observer"], "runner, admin,break-glass,observer", "", None):
        assert check_gate(settings(kube, allowed_contexts=allowed), ManualClock())
    nonsenses: list[object] = [7, {"runner": 1}, [1], ",", [""], " ", [], {}, (), 0, False, [[]]]
    for nonsense in nonsenses:
        with pytest.raises(
            ProfileInvalid, match=r"^configuration\.allowed_contexts is .*; nothing was changed; use nam"
        ):
            check_gate(settings(kube, allowed_contexts=nonsense), ManualClock())


@pytest.mark.parametrize(
    ("sign", "arrange"),
    [
        ("node-count", lambda kube: kube.add_nodes(301)),
        ("label", lambda kube: kube.add_nodes(env="prod")),
        ("provider", lambda kube: kube.add_nodes(eks_amazonaws_com__nodegroup="a")),
        ("managed-dns", lambda kube: kube.add_dns_deployment(eks_amazonaws_com__component="coredns")),
    ],
)
def test_the_owner_can_accept_a_sign_of_production_by_name(
    kube: KubeObjects, sign: str, arrange: Callable[[KubeObjects], None]
) -> None:
    """The exception stands in the mark, so it names one cluster and expires."""
    arrange(kube)
    with pytest.raises(TargetRefused, match=f"mark it again with --accept {sign}"):
        check_gate(settings(kube), ManualClock())
    kube.mark(accepted_signs=[sign])
    assert check_gate(settings(kube), ManualClock()).cluster_uid == CLUSTER_UID


@pytest.mark.parametrize("name", ["preprod-7", "non-prod", "product-tests", "delivery", "liverpool", "staging"])
def test_names_that_only_resemble_production_pass(kube: KubeObjects, name: str) -> None:
    """A guard that cries wolf gets switched off."""
    kube.add_nodes(env=name)
    assert check_gate(settings(kube), ManualClock()).cluster_uid == CLUSTER_UID


@pytest.mark.parametrize("max_nodes", [0, -1, 5001, 2.5, "many", True, float("nan")])
def test_a_node_limit_out_of_range_is_refused(kube: KubeObjects, max_nodes: object) -> None:
    """Nobody gets round the limit by asking for a boundless one."""
    with pytest.raises(ProfileInvalid, match=r"^configuration\.max_nodes "):
        check_gate(settings(kube, max_nodes=max_nodes), ManualClock())
    assert kube.writes() == []


def test_one_node_is_a_cluster_and_the_limit_itself_is_allowed(kube: KubeObjects) -> None:
    """A limit of 1 on one node."""
    kube.add_nodes(1)
    assert check_gate(settings(kube, max_nodes=1), ManualClock()).cluster_uid == CLUSTER_UID


@pytest.mark.parametrize("time", ["22:14:20", "22:12:20"])
def test_clocks_a_minute_apart_pass_and_a_second_more_does_not(kube: KubeObjects, time: str) -> None:
    """Deadlines of agents are taken from this machine's clock."""
    body = json.dumps(kube.objects["/api/v1/namespaces/kube-system"]).encode()
    there = Answer(200, {"Date": f"Tue, 14 Nov 2023 {time} GMT"}, body)
    kube.fail_next("GET", "/api/v1/namespaces/kube-system", there, times=1)
    assert check_gate(settings(kube), ManualClock()).cluster_uid == CLUSTER_UID
    further = "22:14:21" if time > "22:13" else "22:12:19"
    kube.fail_next(
        "GET", "/api/v1/namespaces/kube-system", Answer(200, {"Date": f"Tue, 14 Nov 2023 {further} GMT"}, body)
    )
    with pytest.raises(TargetRefused, match="61 s apart"):
        check_gate(settings(kube), ManualClock())


def test_a_mark_that_ends_just_now_has_expired(kube: KubeObjects) -> None:
    """The owner said until then."""
    kube.mark(expires_epoch_s=ManualClock().epoch_s())
    with pytest.raises(TargetRefused, match="has expired"):
        check_gate(settings(kube), ManualClock())


@pytest.mark.parametrize(("uid", "ca"), [(CLUSTER_UID, "other"), ("other", "this")])
def test_what_is_left_is_known_by_uid_or_by_authority(kube: KubeObjects, uid: str, ca: str) -> None:
    """One of both may have been read wrongly, or be new; in doubt it is this cluster."""
    with open_cluster(settings(kube)) as cluster:
        facts = {"cluster_uid": uid, "ca_sha256": cluster.ca_sha256 if ca == "this" else ca}
    log = UndoLog.create(undo_folder(), "earlier", facts, ManualClock())
    log.intend(to_delete("ConfigMap", "kube-system", "x", "earlier"))
    with pytest.raises(TargetRefused, match="run earlier left 1 things"):
        check_gate(settings(kube), ManualClock())


@pytest.mark.parametrize("answer", [Answer(429), Answer(500), HANG])
def test_a_sick_api_does_not_pass_the_gate(kube: KubeObjects, answer: Answer) -> None:
    """What cannot be read is not assumed."""
    kube.fail_next("GET", MARKER_PATH, answer)
    with pytest.raises(TargetUnreachable):
        check_gate(settings(kube), ManualClock())
    assert read_permit(settings(kube).run) is None


def test_an_unreadable_undo_log_counts_as_something_left_over(kube: KubeObjects) -> None:
    """A damaged record may hide an open entry."""
    leave_something(kube, "/runs/earlier")
    (state_root() / "undo" / "earlier.jsonl").write_text("damaged\n")
    with pytest.raises(TargetRefused, match="recover"):
        check_gate(settings(kube), ManualClock())


@pytest.mark.parametrize("end", ["nan", "inf", "-1", "1e308", "soon"])
def test_somebody_elses_object_with_a_label_like_ours_is_no_obstacle(kube: KubeObjects, end: str) -> None:
    """Nobody may shut us out of a cluster with an end that we never write."""
    elsewhere(100)(kube)
    found = kube.objects["/apis/apps/v1/namespaces/x/daemonsets/agent"]
    found["metadata"]["annotations"]["chaoslib-cp/ends-at-epoch-s"] = end
    assert check_gate(settings(kube), ManualClock()).cluster_uid == CLUSTER_UID


def test_what_is_left_in_another_cluster_does_not_block_this_one(kube: KubeObjects, tmp_path: Path) -> None:
    """Two clusters side by side are possible."""
    with KubeObjects(tmp_path / "other") as other:
        other.objects["/api/v1/namespaces/kube-system"]["metadata"]["uid"] = "another"
        configuration = other.configuration(chaoslib_cp_run_dir="/runs/there")
        with open_cluster(read_settings(configuration)) as cluster:
            log = undo_log_for_change(read_settings(configuration), cluster, "another", ManualClock())
        log.intend(to_delete("ConfigMap", "kube-system", "x", "there"))
    assert check_gate(settings(kube), ManualClock()).cluster_uid == CLUSTER_UID


def test_what_the_storm_needs_is_noted_each_for_itself(kube: KubeObjects) -> None:
    """Without the one the other is known all the same: DNS pods can be crashed where there is no prober."""
    where = "/api/v1/namespaces/chaoslib-cp"
    kube.add_dns_pod("coredns-a")
    spec = {"selector": {"a": "b"}, "ports": [{"nodePort": 30953}]}
    kube.objects[f"{where}/services/workload-prober"] = {"metadata": {"name": "workload-prober"}, "spec": spec}
    prober = {"metadata": {"name": "p", "labels": {"a": "b"}}, "status": {"hostIP": "192.0.2.1"}}
    kube.objects[f"{where}/pods/p"] = prober
    both = check_gate(settings(kube), ManualClock())
    assert (both.prober_pages, list(both.dns_pods.values())) == (("192.0.2.1:30953",), ["coredns-a"])
    kube.fail_next("GET", f"{where}/services", Answer(403))
    no_prober = check_gate(settings(kube), ManualClock())
    assert (no_prober.prober_pages, list(no_prober.dns_pods.values())) == ((), ["coredns-a"])
