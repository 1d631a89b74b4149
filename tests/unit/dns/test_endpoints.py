"""Replacing the endpoints of a headless Service: what is deleted, what counts as replaced, and what is refused."""

import json
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.dns.actions import replace_endpoints
from chaoslib_cp.fault import Delivers, Injected, read
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold import decoys

POD = f"{decoys.WHERE}/pods/decoy-10-0-2-1"


def played(kube: KubeObjects, **arguments: Any) -> Injected:
    """What the action says."""
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/endpoints-1")
    result = replace_endpoints(**{"timeout_s": 2.0, **arguments}, configuration=configuration)
    assert len(json.dumps(result)) < 4096
    injected = read(result)
    assert isinstance(injected, Injected)
    return injected


def test_every_pod_behind_the_name_is_replaced_and_the_addresses_are_told(kube: KubeObjects) -> None:
    """As the runner, by UID, with nothing left to undo: whoever controls them has made new ones."""
    decoys.put(kube, "10.0.2.1", "10.0.2.2")
    decoys.replace_at(kube, "10.0.2.3", "10.0.2.4")
    injected = played(kube)
    assert injected.delivers == Delivers("pods replaced", wanted=2, share=1.0, done=2)
    assert (injected.kind, injected.lasts) == ("endpoint_replacement", False)
    assert injected.details["gone"] == ["10.0.2.1", "10.0.2.2"]
    assert injected.details["new"] == ["10.0.2.3", "10.0.2.4"]
    deletes = [one for one in kube.writes() if one.method == "DELETE"]
    assert {one.json()["preconditions"]["uid"][:4] for one in deletes} == {"uid-"}
    assert {one.peer_name for one in deletes} == {"user-runner"}
    assert open_logs() == []


@pytest.mark.parametrize("address", ["10.0.2.1", ""], ids=["the same address again", "no new pod"])
def test_a_name_that_stands_for_the_same_address_was_not_replaced(kube: KubeObjects, address: str) -> None:
    """A cache would be right by chance, or there is nobody to be right about."""
    decoys.put(kube, "10.0.2.1")
    decoys.replace_at(kube, *([address] if address else []))
    injected = played(kube)
    assert injected.delivers == Delivers("pods replaced", wanted=1, share=1.0, done=0)
    assert injected.details["new"] == []


@pytest.mark.parametrize(
    ("put", "arguments", "words"),
    [
        ({}, {"service": "none"}, "there is no Service chaoslib-cp/none; nothing was changed"),
        ({"clusterIP": "10.96.0.9"}, {}, "is not headless with a selector"),
        ({"selector": {}}, {}, "is not headless with a selector"),
        ({"selector": {"app": "nobody"}}, {}, "has 0 ready pods; nothing was changed"),
        ({}, {"namespace": "kube-system"}, "is of the cluster itself; nothing was changed"),
        ({}, {"service": ""}, "service is ''; nothing was changed"),
        ({}, {"timeout_s": 301}, "timeout_s is 301; nothing was changed"),
    ],
)
def test_what_is_no_name_of_pods_is_refused(
    kube: KubeObjects, put: dict[str, Any], arguments: dict[str, Any], words: str
) -> None:
    """One clear line, and nothing was changed."""
    decoys.put(kube, "10.0.2.1", **put)
    with pytest.raises(ActivityFailed, match=words):
        played(kube, **arguments)
    assert kube.writes() == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ownerReferences": []}, "decoy-10-0-2-1 has no controller, so nobody would make a new one"),
        ({"labels": {**decoys.LABELS, "chaoslib-cp/role": "prober"}}, "measures the run; nothing was changed"),
    ],
)
def test_pods_that_must_stay_are_refused(kube: KubeObjects, changed: dict[str, Any], words: str) -> None:
    """What nobody makes anew would be lost, and without the prober nobody would see anything."""
    decoys.put(kube, "10.0.2.1", selector=changed.get("labels", decoys.LABELS))
    kube.objects[POD]["metadata"] |= changed
    with pytest.raises(ActivityFailed, match=words):
        played(kube)
    assert kube.writes() == []


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/readyz", Answer(500), "is unwell .*, and nobody would make new pods in time; nothing was changed"),
        (decoys.WHERE, Answer(403), r"TargetRefused.*403"),
    ],
)
def test_an_unwell_api_or_a_missing_right_changes_nothing(
    kube: KubeObjects, path: str, answer: Answer, words: str
) -> None:
    """No false green at injection."""
    decoys.put(kube, "10.0.2.1")
    kube.server.on("GET" if path == "/readyz" else "DELETE", path, lambda _: answer)
    with pytest.raises(ActivityFailed, match=words):
        played(kube)
    assert POD in kube.objects
    assert open_logs() == []
