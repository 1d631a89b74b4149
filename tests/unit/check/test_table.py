"""Clusters that are broken in one way, and the finding that each must give; and one in which all is well."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from chaoslib.configuration import load_configuration

from chaoslib_cp.check.finding import Finding
from chaoslib_cp.check.plays import Plays
from chaoslib_cp.check.rights import access_for
from chaoslib_cp.check.scene import LimitedCluster, Scene
from chaoslib_cp.check.table import CHECKS, check_cluster
from chaoslib_cp.cluster.door.call import CallFailed
from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.cluster.door.review import Access
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from chaoslib_cp.settings import IDENTITIES, Settings
from chaoslib_cp.vantage_point import Request as Asked
from tests.fakes.api_server import HANG, Answer, json_answer
from tests.fakes.kube_objects import REVIEWS, WHO_AM_I
from tests.fakes.whole_cluster import DAEMON_SET, IMAGE, POD, SERVICE, WholeCluster
from tests.places import ROOT
from tests.scaffold.kubeconfigs import change, change_cluster

EXPERIMENT = json.loads((ROOT / "experiments" / "openai-2024-12-11.json").read_text(encoding="utf-8"))
NAMES = [check.name for check in CHECKS]
WITH_MORE_REQUESTS = {"agent_namespace": "chaoslib-cp", "max_in_flight_per_agent": 64}


def told(
    whole: WholeCluster, experiment: dict[str, Any] | None, configuration: dict[str, Any]
) -> tuple[Settings, Plays]:
    """What a run is told."""
    resolved = {"agent_namespace": "chaoslib-cp", **configuration}
    if experiment is not None:
        resolved = load_configuration({**experiment.get("configuration", {}), **configuration}, dict(resolved))
    resolved["kubeconfig"] = str(whole.kube.kubeconfig)
    return whole.kube.settings(**resolved), Plays(experiment, resolved)


def found(whole: WholeCluster, experiment: dict[str, Any] | None = None, **configuration: Any) -> list[Finding]:
    """What the checks find."""
    return check_cluster(*told(whole, experiment, configuration))


def found_by(whole: WholeCluster, check: str) -> list[Finding]:
    """What one check finds, after those of the identities, on which all others stand."""
    basic = {"contexts", "identities"}
    with Scene(*told(whole, EXPERIMENT, {})) as scene:
        looked = {row.name: list(row.look(scene)) for row in CHECKS if row.name in {*basic, check}}
    return looked[check]


def troubles(findings: list[Finding]) -> list[tuple[str, str]]:
    """Check and level of each that is not ok."""
    return [(one.check, one.level) for one in findings if one.level != "ok"]


def without_context(whole: WholeCluster, name: str) -> None:
    """Take a context out of the kubeconfig."""
    change(whole.kube, lambda all_: all_.update(contexts=[one for one in all_["contexts"] if one["name"] != name]))


def lead_elsewhere(whole: WholeCluster) -> None:
    """Let the administrator's context lead to a server without an authority."""

    def put(document: dict[str, Any]) -> None:
        other = {"server": f"http://127.0.0.1:{whole.prober.port}"}
        document["clusters"].append({"name": "other", "cluster": other})
        document["users"].append({"name": "token", "user": {"token": "t"}})
        for one in document["contexts"]:
            one["context"] = {"cluster": "other", "user": "token"} if one["name"] == "admin" else one["context"]

    whole.prober.on("POST", WHO_AM_I, Answer(404))
    change(whole.kube, put)


def unready(whole: WholeCluster) -> None:
    """Let the prober's image be nowhere."""
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    whole.pod["status"].update(
        conditions=[{"type": "Ready", "status": "False"}], containerStatuses=[{"state": {"waiting": waiting}}]
    )


def without_pod(whole: WholeCluster) -> None:
    """Let no node have the labels that the prober wants."""
    del whole.kube.objects[POD]
    whole.kube.objects[DAEMON_SET]["status"] = {"desiredNumberScheduled": 0}


def page_of_another(whole: WholeCluster) -> None:
    """Let two nodes show one prober, as where their NodePorts lead to any of them."""
    whole.node = "worker-1"
    whole.add_prober("worker-2", "localhost")


def many_probers(whole: WholeCluster) -> None:
    """Let more nodes have a prober than are read."""
    for number in range(2, 12):
        whole.add_prober(f"worker-{number}", f"127.0.0.{number}")


def few_nodes(whole: WholeCluster) -> None:
    """Leave three nodes, one of them dead."""
    for number in range(3, 8):
        del whole.kube.objects[f"/api/v1/nodes/worker-{number}"]
    whole.kube.add_node("worker-2", "Unknown", kubernetes_io__os="linux")


def no_nodes(whole: WholeCluster) -> None:
    """Let every node be of another system."""
    for number in range(8):
        whole.kube.add_node(f"worker-{number}", kubernetes_io__os="windows")


def one_queue(whole: WholeCluster) -> None:
    """Let administrator and observer be in a FlowSchema without a flow for each user."""
    whole.flow_control.schema_of.update({"user-admin": "one-for-all", "user-observer": "one-for-all"})


BROKEN: list[tuple[str, Callable[[WholeCluster], object], str, str, str, str]] = [
    # what is broken, how, check, level, words, words of the fix
    ("no admin context", lambda w: without_context(w, "admin"), "contexts", "wrong",
     "admin: no context 'admin', there are: runner, break-glass, observer, agent; what", "configuration.admin_context"),
    ("no runner context", lambda w: without_context(w, "runner"), "contexts", "wrong",
     "runner: no context 'runner', there are: admin, break-glass, observer, agent$", "configuration.runner_context"),
    ("expired credentials", lambda w: w.kube.server.on("POST", WHO_AM_I, Answer(401)), "identities", "wrong",
     "could not ask who it is: 401", "renew them"),
    ("another cluster", lead_elsewhere, "identities", "wrong", "another certificate authority, or none", "lead to"),
    ("an exempt runner", lambda w: w.flow_control.groups.update({"user-runner": ("system:masters",)}), "identities",
     "wrong", "runner: user user-runner is in system:masters", "a user outside that group"),
    ("an exempt admin", lambda w: w.flow_control.groups.update({"user-admin": ("system:masters",)}), "identities",
     "wrong", "admin: user user-admin is in system:masters", "a user outside that group"),
    ("runner may not restart DNS", lambda w: w.kube.denied.add(("runner", "delete", "pods")), "rights", "wrong",
     "runner: user user-runner may not delete pods in kube-system", f"--image {IMAGE} | kubectl apply"),
    ("runner may not make agents", lambda w: w.kube.denied.add(("runner", "create", "daemonsets")), "rights", "wrong",
     "runner: .* may not create daemonsets.apps in chaoslib-cp", f"--image {IMAGE} | kubectl apply"),
    ("agents may not scrape", lambda w: w.kube.denied.add(("runner", "get", "/metrics")), "rights", "wrong",
     "runner: cannot let agents get /metrics", "chaos cp manifests"),
    ("observer may not read", lambda w: w.kube.denied.add(("observer", "get", "namespaces")), "rights", "wrong",
     "observer: .* may not get namespaces chaoslib-cp", "chaos cp manifests"),
    ("observer may not read metrics", lambda w: w.kube.denied.add(("observer", "get", "/metrics")), "rights", "warning",
     "observer: may not read the API server's metrics", "chaos cp manifests"),
    ("admin may not delete", lambda w: w.kube.denied.add(("admin", "delete", "daemonsets")), "rights", "wrong",
     "admin: .* may not delete daemonsets.apps in chaoslib-cp", "--clusterrole cluster-admin --user user-admin"),
    ("break-glass may not all", lambda w: w.kube.denied.add(("break-glass", "*", "*")), "rights", "warning",
     "break-glass: may not do everything", "system:masters"),
    ("runner may mark", lambda w: w.kube.denied.discard(("runner", "create", "configmaps", "kube-public")), "rights",
     "warning", "runner: may create the mark, so whoever plays a run can mark", "roles of `chaos cp manifests` alone"),
    ("no mark", lambda w: w.kube.objects.pop(MARKER_PATH), "marker", "wrong", "is not marked", "chaos cp mark --owner"),
    ("a mark that is over", lambda w: w.kube.mark(expires_epoch_s=1e9), "marker", "wrong", "expired", "--cluster-uid"),
    ("a mark that ends", lambda w: w.kube.mark(expires_epoch_s=time.time() + 600), "marker", "warning",  # noqa: TID251
     "0.2 h from now: a run may outlast it", "chaos cp mark"),
    ("production", lambda w: w.kube.add_node("p", "True", env="prod"), "gate", "wrong", "env=prod", "--accept label"),
    ("no prober", lambda w: w.kube.objects.pop(SERVICE), "prober", "wrong", "there is no prober", "chaos cp manifests"),
    ("no pod of it", lambda w: w.kube.objects.pop(POD), "prober", "wrong",
     "DaemonSet chaoslib-cp/workload-prober: has no pod, so nobody", "describe daemonset"),
    ("no node for it", without_pod, "prober", "wrong",
     "has no pod: no node that takes pods has the labels kubernetes.io/os=linux", "kubectl get nodes"),
    ("probers of two versions", lambda w: w.add_prober("worker-1", "127.0.0.1"), "prober", "warning",
     "node 127.0.0.1: has several probers", "delete deployment workload-prober"),
    ("a herd of probers", many_probers, "prober", "warning", "11 nodes have a prober, and a run reads 10 of them",
     "label 10 nodes, and apply what chaos cp manifests --prober-nodes KEY=VALUE prints"),
    ("one page of two", lambda w: w.add_prober("worker-2", "127.0.0.2"), "page", "warning",
     r"the page of node worker-2: does not answer here \(127.0.0.2:\d+: refused\)", "configuration.prober_pages"),
    ("another's page", page_of_another, "page", "warning",
     "the page of node worker-2: shows the prober of node worker-1, so nobody sees", "chaos cp manifests"),
    ("no DaemonSet", lambda w: [w.kube.objects.pop(one) for one in (POD, DAEMON_SET)], "prober", "wrong",
     "DaemonSet chaoslib-cp/workload-prober: is not there", "chaos cp manifests"),
    ("prober not ready", unready, "prober", "wrong", "is not ready: ImagePullBackOff: no such image", "logs workload-"),
    ("page refused", lambda w: w.kube.objects[SERVICE]["spec"].update(ports=[{"nodePort": 1}]), "page", "wrong",
     r"cannot be reached from here \(127.0.0.1:1: refused\)", "configuration.prober_pages"),
    ("another DNS told", lambda w: w.tell_dns("10.96.0.11"), "dns", "wrong",
     r"prober \(10.96.0.11\): no Service of cluster DNS has it \(10.96.0.10 has\)", "--cluster-dns 10.96.0.10"),
    ("a node cache", lambda w: setattr(w, "nameservers", ("169.254.20.10",)), "dns", "wrong",
     r"\(169.254.20.10\): no Service", "--cluster-dns 10.96.0.10"),
    ("no DNS pods", lambda w: w.kube.objects.pop("/api/v1/namespaces/kube-system/pods/coredns-a"), "dns", "wrong",
     "no DNS pod is alive", "cluster DNS up"),
    ("few nodes", few_nodes, "nodes", "warning", "2 live Linux nodes: few agents", "max_in_flight_per_agent=64"),
    ("no Linux", no_nodes, "nodes", "wrong", "none is alive and runs Linux", "kubectl get nodes"),
    ("a proxy without HTTP/2", lambda w: w.kube.tls.set_alpn_protocols(["http/1.1"]), "protocol", "warning",
     "profile .*: 127.0.0.1:[0-9]+ does not speak HTTP/2, and the load profile", "write protocol 'http/1.1'"),
    ("server ahead", lambda w: setattr(w, "server_ahead_s", 9.0), "clocks", "warning",
     "clock of the API server: [89].* s ahead of", "chronyc"),
    ("prober behind", lambda w: setattr(w, "prober_ahead_s", -90.0), "clocks", "wrong",
     "clock of the prober's node: 90.* s behind this machine, so agents", "chronyc"),
    ("break-glass waits", lambda w: w.flow_control.groups.pop("user-break-glass"), "flows", "wrong",
     "break-glass is not exempt: .* in priority level global-default", "system:masters"),
    ("one queue", one_queue, "flows", "warning",
     "admin and observer share a flow in priority level workload-low", "a user of its own"),
]  # fmt: skip


def test_a_cluster_that_is_as_it_should_be(whole: WholeCluster) -> None:
    """Every check says so; what was sent are reads, and reviews, which store nothing."""
    findings = found(whole, EXPERIMENT)
    assert troubles(findings) == []
    assert {one.check for one in findings} == set(NAMES)
    for one in findings:
        assert one.fix == ""
    requests = [*whole.kube.server.requests, *whole.prober.requests]
    assert {one.path for one in requests if one.method != "GET"} == {REVIEWS, WHO_AM_I}
    assert {one.peer_name for one in whole.kube.server.requests} == {f"user-{name}" for name in IDENTITIES}


@pytest.mark.parametrize(
    ("break_it", "check", "level", "words", "fix"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_each_fault_of_a_cluster_has_its_finding(
    whole: WholeCluster, break_it: Callable[[WholeCluster], object], check: str, level: str, words: str, fix: str
) -> None:
    """The one that is broken is named, with what helps; nothing is changed by looking."""
    break_it(whole)
    findings = [one for one in found_by(whole, check) if one.level == level]
    assert findings
    assert re.search(words, f"{findings[0].on}: {findings[0].what}")
    assert fix in findings[0].fix
    assert whole.kube.writes() == []
    assert all(len(one.sentence()) <= 200 for one in findings)


def test_where_nothing_answers_the_checks_that_need_no_answer_go_on(whole: WholeCluster) -> None:
    """Contexts are told, each identity says why it cannot be asked, and each other check that it did not look."""
    change_cluster(whole.kube, server="https://127.0.0.1:1")
    findings = found(whole)
    assert [one.level for one in findings if one.check == "contexts"] == ["ok"]
    assert [(one.on, one.level) for one in findings if one.check == "identities"] == [
        (name, "wrong") for name in IDENTITIES
    ]
    assert all("refused" in one.what for one in findings if one.check == "identities")
    rest = [one for one in findings if one.check not in ("contexts", "identities", "image")]
    assert {one.check for one in rest} == set(NAMES) - {"contexts", "identities", "image"}
    words = {"not looked at: runner cannot be asked", "not looked at: no identity can be asked"}
    assert {(one.level, one.what) for one in rest} == {("warning", one) for one in words}
    assert whole.kube.server.requests == []


def test_what_nobody_foresaw_costs_one_check_and_shows_no_traceback(whole: WholeCluster) -> None:
    """A server that answers with something else than the API does."""
    whole.kube.server.on("GET", "/api/v1/nodes", Answer(body=b'{"items": [5]}'))
    findings = found(whole)
    told = {one.check: one.what for one in findings if "unforeseen AttributeError" in one.what}
    assert {"nodes"} <= set(told)
    assert [one.level for one in findings if one.check == "clocks"] == ["ok", "ok"]


def test_without_a_kubeconfig_one_line_tells_it(whole: WholeCluster) -> None:
    """Of all four identities, once."""
    findings = [one for one in check_cluster(whole.kube.settings(kubeconfig=""), Plays()) if one.check == "contexts"]
    assert [(one.on, one.level) for one in findings] == [("runner, admin, break-glass, observer", "wrong")]
    assert "set KUBECONFIG" in findings[0].fix


def test_few_nodes_are_enough_where_each_agent_asks_enough(whole: WholeCluster) -> None:
    """Who has followed the advice is not given it again."""
    few_nodes(whole)
    assert troubles(found(whole, EXPERIMENT, **WITH_MORE_REQUESTS)) == []


def test_an_experiment_that_only_looks_needs_no_agents(whole: WholeCluster) -> None:
    """Neither nodes nor their image nor the rights to make them."""
    few_nodes(whole)
    whole.kube.denied |= {("runner", "create", "daemonsets"), ("runner", "get", "/metrics")}
    looks = json.loads((ROOT / "probes" / "api-and-dns.json").read_text(encoding="utf-8"))
    assert troubles(found(whole, {"configuration": {}, **looks})) == []


@pytest.mark.parametrize(
    ("profile", "level", "on"),
    [
        ("palark-60-lists", "wrong", "pattern list-pods-of-node"),
        ({"preset": "palark-60-lists", "requests": [{"path": "/metrics"}]}, "ok", "profile palark-60-lists"),
        ("kubelet-list-storm", "ok", "profile kubelet-list-storm"),
    ],
)
def test_a_load_that_does_not_bite_is_told_before_the_run(
    whole: WholeCluster, profile: Any, level: str, on: str
) -> None:
    """A run would be refused in its middle, when the baseline is over."""
    whole.kube.server.on("GET", "/version", json_answer({"gitVersion": "v1.36.4"}))
    rollout = {"module": "chaoslib_cp.rollout.actions", "func": "start_agent_rollout", "type": "python"}
    method = [{"name": "a", "type": "action", "provider": {**rollout, "arguments": {"profile": profile}}}]
    [finding] = [one for one in found(whole, {"method": method}) if one.check == "load"]
    assert (finding.level, finding.on) == (level, on)
    assert bool(finding.fix) is (level != "ok")


def test_an_image_of_the_agents_own_is_not_known_to_be_there(whole: WholeCluster) -> None:
    """Whether nodes can pull it shows when it is too late; the Secret must be where agents live."""
    assert [one.on for one in found(whole) if one.check == "image"] == [IMAGE]
    others = found(whole, agent_image="other:2", image_pull_secret="regcred")
    images = [one for one in others if one.check == "image"]
    assert [(one.on, one.level) for one in images] == [("other:2", "warning"), ("Secret regcred", "warning")]
    assert f"the prober runs {IMAGE}" in images[0].what


def test_a_page_that_the_configuration_names_is_looked_at(whole: WholeCluster) -> None:
    """A way through a firewall, where the node's own address does not lead."""
    whole.kube.objects[SERVICE]["spec"].update(ports=[{"nodePort": 1}])
    assert troubles(found(whole, EXPERIMENT, prober_pages=[f"127.0.0.1:{whole.prober.port}"])) == []


def test_an_identity_is_waited_for_as_long_as_it_may_take_and_then_asked_nothing_more(whole: WholeCluster) -> None:
    """A server that answers each question late cannot hold a check up for ever."""
    whole.kube.server.on("GET", "/version", HANG)
    with LimitedCluster(describe(whole.kube.settings()), 0.2) as cluster:
        for words in ("timeout after", "was waited for 20 s in all"):
            with pytest.raises(CallFailed, match=words):
                cluster.get("/version")
    assert len(whole.kube.server.requests) == 1


@pytest.mark.parametrize(
    ("request_", "access"),
    [
        (Asked("GET", "/livez"), Access("get", path="/livez")),
        (Asked("GET", "/api/v1/namespaces/{namespace}"), Access("get", "", "namespaces", "chaoslib-cp", "chaoslib-cp")),
        (Asked("POST", "/api/v1/namespaces/{namespace}/configmaps?dryRun=All"),
         Access("create", "", "configmaps", "chaoslib-cp")),
        (Asked("GET", "/apis/apps/v1/deployments"), Access("list", "apps", "deployments")),
        (Asked("GET", "/api/v1/nodes/a"), Access("get", "", "nodes", "", "a")),
    ],
)  # fmt: skip
def test_what_the_observer_asks_is_known_as_a_right(request_: Asked, access: Access) -> None:
    """Also of vantage points of extensions (source: Kubernetes documentation, Authorization)."""
    assert access_for(request_) == access
