"""What refuses an overload: one clear line, before any of the load is sent and with nothing on record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.apiserver.actions import start_api_overload, stop_api_overload
from chaoslib_cp.apiserver.overload.writes import NEEDS
from chaoslib_cp.cluster.gate.roles import role_manifests
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE, resource_of
from chaoslib_cp.engine.load.patterns.table import PATTERNS
from tests.fakes.api_server import RESET, Answer
from tests.fakes.certificates import Authority
from tests.fakes.flow_control import FlowControl
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import OVERLOAD, WRITES

PODS = "/api/v1/pods"


def edit(kube: KubeObjects, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the kubeconfig."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    change(document)
    kube.kubeconfig.write_text(yaml.safe_dump(document))


def exempt(kube: KubeObjects) -> None:
    """The agent's certificate is of system:masters."""
    FlowControl(kube).groups["user-agent"] = ("system:masters",)


def unsaid(kube: KubeObjects) -> None:
    """The server says to nobody who he is."""
    kube.server.on("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", Answer(403))


def forbidden(kube: KubeObjects) -> None:
    """The agent may not list pods."""
    words = b'{"message": "pods is forbidden: User \\"user-agent\\" cannot list resource \\"pods\\""}'
    for method in ("HEAD", "GET"):
        kube.fail_next(method, PODS, Answer(403, body=words), times=2, who="agent")


def no_metrics(kube: KubeObjects) -> None:
    """The agent may not read /metrics, which is no resource."""
    kube.denied.add(("agent", "get", "/metrics"))
    kube.server.on("GET", "/metrics", Answer(403, body=b"forbidden"))


def stands_for_somebody(kube: KubeObjects) -> None:
    """The context stands for somebody already."""
    edit(kube, lambda document: document["users"][-1]["user"].update({"as": "somebody"}))


def of_another_authority(kube: KubeObjects) -> None:
    """The agent's context leads to a server behind another authority."""
    folder = kube.folder / "other"
    folder.mkdir()
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": str(Authority(folder).ca_file)}
    edit(kube, lambda document: document["clusters"].append({"name": "other", "cluster": cluster}))
    edit(kube, lambda document: document["contexts"][-1]["context"].update({"cluster": "other"}))


def without_context(kube: KubeObjects) -> None:
    """There is no context for the load."""
    kube.rename_context("agent", "somebody")


def no_namespace(kube: KubeObjects) -> None:
    """Nobody applied the manifests."""
    kube.fail_next("POST", "/api/v1/namespaces/chaoslib-cp-load/", Answer(404), who="agent")


def full(kube: KubeObjects) -> None:
    """A quota, or an admission of somebody's, takes no Event."""
    kube.fail_next(
        "POST", "/api/v1/namespaces/chaoslib-cp-load/events", Answer(403, body=b"exceeded quota"), who="agent"
    )


def denied(*what: str) -> Callable[[KubeObjects], None]:
    """Somebody may not do something."""
    return lambda kube: kube.denied.add(what)


def nothing(_kube: KubeObjects) -> None:
    """The cluster is as it should be."""


def sick(answer: Answer) -> Callable[[KubeObjects], None]:
    """The server does not let the request through to say yes or no."""
    return lambda kube: kube.fail_next("HEAD", PODS, answer)


def profile(**changes: Any) -> dict[str, Any]:
    """The usual profile with changes of its one request."""
    return {**OVERLOAD, "requests": [{**OVERLOAD["requests"][0], **changes}]}


REFUSED: dict[str, tuple[Callable[[KubeObjects], None], dict[str, Any], str]] = {
    "no context": (without_context, {}, r"has no context 'agent' for the load \(it has: .*somebody\)"),
    "no such context": (nothing, {"context": "agents"}, "has no context 'agents'"),
    "system:masters": (exempt, {}, "is user user-agent of group system:masters"),
    "nobody says who": (unsaid, {}, "the API server does not say who that is"),
    "another cluster": (of_another_authority, {}, "another certificate authority"),
    "not on a list": (nothing, {"allowed": "runner,admin,break-glass,observer"}, "'agent', used as the load, is not"),
    "403": (forbidden, {}, r"GET /api/v1/pods\?resourceVersion=0 is refused with 403 to context 'agent': pods is forb"),
    "403 of a path": (no_metrics, {"profile": profile(path="/metrics", query={})}, "GET /metrics is refused with 403"),
    "404": (nothing, {"profile": profile(path="/api/v1/things")}, "GET /api/v1/things.*no such path"),
    "a server that fails": (sick(Answer(503)), {}, "is answered with 503: the API is unwell"),
    "a full server": (sick(Answer(429, {"Retry-After": "1"})), {}, "is answered with 429"),
    "a server that resets": (sick(RESET), {}, "got no answer: HEAD /api/v1/pods .*reset"),
    "two ways to stand for": (stands_for_somebody, {"impersonate": "node"}, "stands for somebody already"),
    "no such scheme": (nothing, {"impersonate": "nodes"}, "impersonate is 'nodes'.*use 'node' or 'serviceaccount'"),
    "no nodes": (nothing, {"nodes": 0}, "nodes is 0"),
    "too many nodes": (nothing, {"nodes": 5001}, "nodes is 5001"),
    "half a node": (nothing, {"nodes": 1.5}, "nodes"),
    "too long": (nothing, {"duration_s": 3601.0}, "duration_s is 3601"),
    "NaN": (nothing, {"duration_s": float("nan")}, "duration_s is nan"),
    "words": (nothing, {"duration_s": "1h"}, "duration_s"),
    "too much": (nothing, {"nodes": 5000, "profile": profile(period_s=0.1)}, "50000 requests a second.*at most 5000"),
    "no such preset": (nothing, {"profile": "pod-list"}, "there is no preset 'pod-list'"),
    "a negative period": (nothing, {"profile": profile(period_s=-1)}, "period_s"),
    "an unknown key": (nothing, {"profile": profile(perod_s=1)}, "perod_s is not a known key"),
    "no namespace": (no_namespace, {"profile": WRITES}, "create-events .create.: the cluster has no namespace chaos"),
    "a quota": (full, {"profile": WRITES}, "could not play pattern create-events .create., tried .* exceeded quota"),
    "no right to write": (
        denied("agent", "create", "leases"), {"profile": WRITES}, "may not create leases in chaoslib-cp-load; nothing"),
    "no right to apply": (
        denied("agent", "patch", "configmaps"), {"profile": WRITES}, "'agent' may not patch configmaps in chaoslib-cp"),
    "no right to delete": (
        denied("agent", "delete", "leases"),
        {"profile": {"schema": 1, "requests": [{"pattern": "delete-leases"}]}}, "may not delete leases"),
    "no right to take back": (
        denied("runner", "deletecollection", "events"), {"profile": WRITES},
        "may not deletecollection a set of Events in chaos"),
    "what is ours": (nothing, {"profile": {**OVERLOAD, "fault": "x-1"}}, "fault is no key of a file"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_is_sent(kube: KubeObjects, tmp_path: Path, case: str) -> None:
    """Whatever is wrong is said in one line, and no request of the profile was served."""
    prepare, arguments, words = REFUSED[case]
    configuration = kube.configuration(chaoslib_cp_run_dir=str(tmp_path / "refused"))
    kube.objects["/version"] = {"gitVersion": "v1.36.4", "metadata": {}}
    prepare(kube)
    given: dict[str, Any] = {"profile": OVERLOAD, **arguments}
    if "allowed" in given:
        configuration["allowed_contexts"] = given.pop("allowed")
    with pytest.raises(ActivityFailed, match=words) as refused:
        start_api_overload(**given, configuration=configuration)
    assert "\n" not in str(refused.value)
    read = [
        one for one in kube.server.requests if one.method == "GET" and one.path in (PODS, "/api/v1/things", "/metrics")
    ]
    assert len(read) <= ("403" in case), "a refused one is asked for once more, for its reason"
    assert kube.writes() == []
    assert open_logs() == []
    stop_api_overload(configuration=configuration)


def test_http2_is_refused_where_the_server_does_not_speak_it(kube: KubeObjects) -> None:
    """A load balancer, perhaps; each of its addresses is asked by a handshake, before anything else is sent."""
    with pytest.raises(ActivityFailed, match=r"127\.0\.0\.1:\d+ does not speak HTTP/2, .*; write protocol 'http/1.1'"):
        start_api_overload({**OVERLOAD, "protocol": "h2"}, configuration=kube.configuration())
    assert kube.writes() == []
    assert open_logs() == []


def test_the_role_for_writes_is_what_the_patterns_need() -> None:
    """Take a verb away and a pattern is refused; add one and nobody uses it."""
    needed = {
        (verb, *resource_of(row.sets["path"])[:2])
        for row in PATTERNS.values()
        for verb in NEEDS.get(row.sets.get("method", ""), ())
    }
    [role] = [one for one in role_manifests() if one["metadata"]["name"] == "chaoslib-cp-agent-writes"]
    assert role["metadata"]["namespace"] == WRITES_NAMESPACE
    held = {(verb, rule["apiGroups"][0], rule["resources"][0]) for rule in role["rules"] for verb in rule["verbs"]}
    assert held == needed


def test_what_a_preset_leaves_open_is_asked_for_as_the_first_node(kube: KubeObjects) -> None:
    """By its name, and with the keys that are to be different; its selector names the virtual node."""
    kube.objects["/version"] = {"gitVersion": "v1.30.1", "metadata": {}}
    kube.fail_next("HEAD", PODS, Answer(403))
    with pytest.raises(ActivityFailed, match=r"fieldSelector=spec\.nodeName=chaoslib-cp-0001 is refused with 403"):
        start_api_overload({"preset": "palark-60-lists", "seed": 2}, nodes=2, configuration=kube.configuration())


def test_a_node_that_is_stood_for_must_be_let_in(kube: KubeObjects) -> None:
    """The request is asked for as the first virtual node has it, so what refuses it there is found before the start."""
    kube.fail_next("HEAD", PODS, Answer(403))
    with pytest.raises(ActivityFailed, match="is refused with 403"):
        start_api_overload(OVERLOAD, impersonate="node", configuration=kube.configuration())
    [asked] = [one for one in kube.server.requests if one.method == "HEAD"]
    assert asked.headers["impersonate-user"] == "system:node:chaoslib-cp-0001"
    assert asked.headers["impersonate-group"] == "system:nodes"
