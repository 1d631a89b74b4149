"""Pinning node caches: one key of one ConfigMap is edited and put back byte for byte, and it is seen where it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.dns.actions import start_node_cache_pin, stop_node_cache_pin
from chaoslib_cp.dns.pin_seen import wait_until_pinned
from chaoslib_cp.engine.poison.pins import Pin, pinned
from chaoslib_cp.fault import Delivers, Ended, Injected, read
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import RESET, Answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.timeline import write_samples
from tests.scaffold import node_caches
from tests.scaffold.corefiles import corefile

pytestmark = pytest.mark.usefixtures("dns_pods")

STOCK = corefile("nodelocal")
LATER: dict[str, Any] = {"timeout_s": 0.0}  # nobody asks these caches


def settings(kube: KubeObjects) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/pin-1")


def text(kube: KubeObjects, config_map: str = "node-local-dns") -> str:
    """What the ConfigMap holds."""
    return str(kube.objects[f"/api/v1/namespaces/kube-system/configmaps/{config_map}"]["data"]["Corefile"])


def test_a_pin_is_one_edit_and_goes_back_byte_for_byte(kube: KubeObjects) -> None:
    """What was there is on disk before, and stop may be played again."""
    node_caches.put(kube)
    result = start_node_cache_pin(1200, names=["www.example.com"], configuration=settings(kube), **LATER)
    injected = read(result)
    assert isinstance(injected, Injected)
    revision = injected.details["revision"]
    assert text(kube) == pinned(STOCK, Pin(revision, 1200, names=("www.example.com",)))
    assert injected.details["corefile"] == "Corefile of ConfigMap kube-system/node-local-dns"
    assert (injected.details["caches"], injected.lasts, injected.deadline_epoch_s) == (2, True, None)
    assert injected.delivers == Delivers("node caches seen with the pin", wanted=1, done=0)
    assert {request.peer_name for request in kube.writes()} == {"user-runner"}
    assert len(json.dumps(result)) < 4096
    pods = [one for path, one in kube.objects.items() if "/pods/node-local-dns" in path]
    assert {one["metadata"]["annotations"]["chaoslib-cp/corefile-revision"] for one in pods} == {revision}
    stopped = stop_node_cache_pin(timeout_s=0.5, configuration=settings(kube))
    assert text(kube) == STOCK
    assert stopped["details"]["reason"] == "not seen within 0.5 s"
    assert stopped["faults"] == [injected.fault] == ["node_cache_pin-1"]
    assert read(stop_node_cache_pin(configuration=settings(kube))) == Ended(
        (), "rollback", details={"undone": 0, "left": 0, "outcomes": {}}
    )
    assert open_logs() == []


@pytest.mark.parametrize(
    ("installed", "arguments"),
    [
        ({"labels": {"k8s-app": "nodelocaldns"}, "config_map": "nodelocaldns", "items": {"Corefile": "Corefile"},
          "args": ("-conf=/etc/coredns/Corefile",)}, {}),
        ({"labels": {"app.kubernetes.io/name": "node-local-dns"}}, {}),
        ({"labels": {"app": "cache"}}, {"node_cache_selector": "app=cache"}),
        ({"args": ("-basecorefile", "/etc/coredns/base"), "items": {"Corefile": "base"}}, {}),
        ({"image": "mirror.example/coredns:1.14.7", "args": ("-conf", "/etc/coredns/Corefile"),
          "items": {"Corefile": "Corefile"}}, {}),
    ],
    ids=["kubespray", "chart", "named", "another file", "CoreDNS itself"],
)  # fmt: skip
def test_caches_are_found_as_they_are_installed(
    kube: KubeObjects, installed: dict[str, Any], arguments: dict[str, Any]
) -> None:
    """By the labels of their pods; ConfigMap and key as the pods are told them."""
    node_caches.put(kube, **installed)
    start_node_cache_pin(20, configuration=settings(kube), **LATER, **arguments)
    assert "success 9984 20 20" in text(kube, installed.get("config_map", "node-local-dns"))


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (None, r"there is no node cache in kube-system: no pod has k8s-app=node-local-dns or .*; nothing was changed"),
        ({"ownerReferences": [{"kind": "NodeLocalDNS", "name": "n"}]}, "kept as it is by NodeLocalDNS n"),
        ({"text": "cluster.local:53 {"}, "Corefile line 1"),
        ({"text": ".:53 {\n cache 30\n}\n"}, r"has no block for cluster.local.:53, only for .:53"),
        ({"text": STOCK.replace("denial 9984 5", "prefetch 1")}, "line 5: prefetch: it asks again before"),
        ({"items": {"Other": "Corefile.base"}}, "has no key Other"),
    ],
    ids=["none", "an operator's", "unparsable", "no such block", "prefetch", "no such key"],
)
def test_what_cannot_be_pinned_is_refused(kube: KubeObjects, installed: dict[str, Any] | None, words: str) -> None:
    """One clear line, and nothing was changed."""
    kube.server.on("GET", "/readyz", Answer(200))
    if installed is not None:
        node_caches.put(kube, **installed)
    with pytest.raises(ActivityFailed, match=words):
        start_node_cache_pin(20, configuration=settings(kube), **LATER)
    assert kube.writes() == []


def test_the_add_on_managers_label_counts_where_there_is_one(kube: KubeObjects) -> None:
    """Kubernetes' own manifest carries it wherever it is applied."""
    node_caches.put(kube)
    kube.add_dns_pod("kube-addon-manager-a", labels={"component": "kube-addon-manager"})
    with pytest.raises(ActivityFailed, match="kept as it is by the add-on manager"):
        start_node_cache_pin(20, configuration=settings(kube), **LATER)
    assert kube.writes() == []


@pytest.mark.parametrize("answer", [Answer(429), Answer(500), RESET], ids=["429", "500", "gone"])
def test_nothing_is_edited_while_the_api_is_unwell(kube: KubeObjects, answer: Answer) -> None:
    """The permit of this run was given while it was well; a reload would throw away what masks the failure."""
    node_caches.put(kube)
    check_gate(Settings(kubeconfig=str(kube.kubeconfig), run_dir=Path("/runs/pin-1")))
    kube.fail_next("GET", "/api/v1/namespaces/kube-system", answer, times=99)
    with pytest.raises(
        ActivityFailed, match=r"is unwell \(.*\), and a reload of the node caches would.*nothing was changed"
    ):
        start_node_cache_pin(20, configuration=settings(kube), **LATER)
    assert kube.writes() == []


def test_a_second_pin_is_refused(kube: KubeObjects) -> None:
    """It would be taken back in an order that nobody knows."""
    node_caches.put(kube)
    start_node_cache_pin(20, configuration=settings(kube), **LATER)
    with pytest.raises(ActivityFailed, match=r"there is a block for rev.cp.invalid. already; nothing was changed"):
        start_node_cache_pin(30, configuration=settings(kube), **LATER)
    assert "success 9984 20 20" in text(kube)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"pin_s": 4000}, "pin_s is 4000; nothing was changed; use a whole number from 0 to 3600"),
        ({}, "pin_s is 0 and there are no names"),
        ({"names": ["a.example", 5]}, "names is .* use a list of DNS names"),
        ({"names": "a.example"}, "names is .* use a list"),
        ({"pin_s": 20, "timeout_s": 1000}, "timeout_s"),
        ({"pin_s": 20, "zone": ""}, "zone is empty"),
    ],
)
def test_wrong_arguments_are_refused(kube: KubeObjects, arguments: dict[str, Any], words: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ActivityFailed, match=words):
        start_node_cache_pin(configuration=settings(kube), **arguments)
    assert kube.server.requests == []


class AnsweringClock(SystemClock):
    """A real clock whose every sleep brings another answer of the cache to the question for its revision."""

    def __init__(self, run_dir: Path, answers: list[list[str]]) -> None:
        self.run_dir, self.answers = run_dir, answers

    def sleep(self, duration_s: float) -> None:
        """Write the next samples instead of waiting."""
        assert duration_s <= 1
        said = {"rcode": "NOERROR", "answers": self.answers.pop(0)}
        write_samples(self.run_dir, "dns_revision", ["ok"], first_ago_s=0, target="192.0.2.1", **{
            key: [value] for key, value in said.items()
        })  # fmt: skip
        write_samples(self.run_dir, "dns_revision", ["ok"], first_ago_s=0, target="192.0.2.2", answers=[['"r-2"']])
        write_samples(self.run_dir, "dns_cached", ["ok"], first_ago_s=0)


@pytest.mark.parametrize(("revision", "last"), [("r-2", ['"r-2"']), ("", [])], ids=["pinned", "unpinned"])
def test_a_pin_is_seen_at_the_cache_that_the_prober_asks(tmp_path: Path, revision: str, last: list[str]) -> None:
    """Not at a DNS server that says the same, and not as long as the cache runs another revision."""
    clock = AnsweringClock(tmp_path, [['"r-1"'], ['"r-1"'], last, ['"r-3"']])
    seen = wait_until_pinned(Settings(run_dir=tmp_path), revision, 60.0, clock)
    assert (seen.asked, seen.running) == (("192.0.2.1",), ("192.0.2.1",))
    assert clock.answers == [['"r-3"']]


def test_the_cache_of_each_node_is_seen_by_its_own_prober(tmp_path: Path) -> None:
    """They have one address in many clusters, and one that is late must not pass for pinned."""
    for node, said in (("worker-1", '"r-2"'), ("worker-2", '"r-1"')):
        write_samples(tmp_path, "dns_revision", ["ok"], 0.5, node=node, rcode="NOERROR", answers=[[said]])
        write_samples(tmp_path, "dns_cached", ["ok"], 0.5, node=node)
    seen = wait_until_pinned(Settings(run_dir=tmp_path), "r-2", 0.1, SystemClock())
    assert (seen.asked, seen.running) == (
        ("192.0.2.1 on worker-1", "192.0.2.1 on worker-2"),
        ("192.0.2.1 on worker-1",),
    )


def test_a_cache_that_nobody_asks_is_not_seen(tmp_path: Path) -> None:
    """Missing samples are no good news."""
    seen = wait_until_pinned(Settings(run_dir=tmp_path), "r-1", 0.1, SystemClock())
    assert (seen.asked, seen.running) == ((), ())
