"""What an SRE reads about the DNS configuration of a cluster: served by a cluster on loopback."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.dns.probes import dns_configuration_risks
from chaoslib_cp.engine.poison.weaknesses.weakness import LEVELS
from tests.fakes.api_server import Answer, FakeApiServer, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.places import ROOT
from tests.scaffold.corefiles import corefile
from tests.unit.dns.test_corefile_source import KUBEADM, pod_spec

MAPS = "/api/v1/namespaces/kube-system/configmaps"
FORBIDDEN = Answer(403, {}, json.dumps({"message": "configmaps is forbidden"}).encode())
SERVE_STALE = corefile("kubeadm-1.24").replace("cache 30", "cache 30 {\n       serve_stale\n    }")


OLD = pod_spec("mirror.example/coredns:v1.13.2", ["-conf", "/etc/coredns/Corefile"], {"name": "coredns"})


def node_cache(image: str = "mirror.example/dns/k8s-dns-node-cache:1.26.7") -> dict[str, Any]:
    """The spec of a pod of NodeLocal DNSCache, as its manifest has it."""
    items = [{"key": "Corefile", "path": "Corefile.base"}]
    args = ["-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-upstreamsvc", "kube-dns-upstream"]
    return pod_spec(image, args, {"name": "node-local-dns", "items": items})


def with_memory(limit: str) -> dict[str, Any]:
    """The pods of kubeadm with another memory limit."""
    [container] = KUBEADM["containers"]
    return {**KUBEADM, "containers": [{**container, "resources": {"limits": {"memory": limit}}}]}


def put(kube: KubeObjects, text: str, spec: dict[str, Any] = KUBEADM, nodes: tuple[str, ...] = ("a", "b")) -> None:
    """Cluster DNS with this Corefile and a pod on each of these nodes."""
    kube.add_dns_service()
    for number, node in enumerate(nodes):
        kube.add_dns_pod(f"coredns-{number}", node=node)
        kube.objects[f"/api/v1/namespaces/kube-system/pods/coredns-{number}"]["spec"] |= spec
    for node in dict.fromkeys((*nodes, "c")):
        kube.add_node(node)
    kube.objects[f"{MAPS}/coredns"] = {"metadata": {"name": "coredns"}, "data": {"Corefile": text}}


def put_node_cache(kube: KubeObjects, text: str, **spec: Any) -> None:
    """NodeLocal DNSCache with this Corefile."""
    kube.add_dns_pod("node-local-dns-x", node="a", labels={"k8s-app": "node-local-dns"})
    kube.objects["/api/v1/namespaces/kube-system/pods/node-local-dns-x"]["spec"] |= spec or node_cache()
    found = {"metadata": {"name": "node-local-dns"}, "data": {"Corefile": text}}
    kube.objects[f"{MAPS}/node-local-dns"] = found


@pytest.fixture
def stock(kube: KubeObjects) -> KubeObjects:
    """As kubeadm and NodeLocal DNSCache install it."""
    put(kube, corefile("kubeadm-1.32"))
    put_node_cache(kube, corefile("nodelocal"))
    return kube


def look(kube: KubeObjects, fail_at: str = "high", **more: Any) -> dict[str, Any]:
    """What the probe returns; it fits in, changes nothing, and is sorted."""
    found = dict(dns_configuration_risks(fail_at, configuration=kube.configuration(**more)))
    assert len(json.dumps(found)) < 4096
    assert kube.writes() == []
    levels = [LEVELS.index(one["level"]) for one in found["findings"]]
    assert levels == sorted(levels, reverse=True)
    return found


def names(found: dict[str, Any]) -> list[str]:
    """Names of the findings."""
    return [one["name"] for one in found["findings"]]


def test_a_stock_cluster_holds_and_tells_its_notes(stock: KubeObjects) -> None:
    """Two servers on two nodes with a cache on each node: nothing but what is good to know."""
    found = look(stock)
    assert (found["ok"], found["not_seen"], found["left_off"]) == (True, [], 0)
    assert names(found) == ["not cached", "reload", "mask"]
    assert found["findings"][2]["on"] == "ConfigMap kube-system/node-local-dns line 4"
    assert "30 s" in found["findings"][2]["what"]
    assert look(stock, "low")["ok"] is False


def test_serving_stale_answers_from_one_server_fails(kube: KubeObjects) -> None:
    """Each alone can take DNS away; both are told first."""
    put(kube, SERVE_STALE, OLD, nodes=("a",))
    found = look(kube)
    assert (found["ok"], found["high"]) == (False, 2)
    assert names(found)[:2] == ["replicas", "serve_stale"]
    assert look(kube, "never")["ok"] is True


def test_servers_beside_the_api_server_on_one_node_are_told(kube: KubeObjects) -> None:
    """As kubeadm leaves them: told, and no failure unless it is asked for."""
    put(kube, corefile("kubeadm-1.32"), nodes=("a", "a"))
    kube.objects["/api/v1/nodes/a"]["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""}
    found = look(kube)
    assert (found["ok"], found["medium"]) == (True, 2)
    assert names(found)[:2] == ["one node", "control plane"]
    assert look(kube, "medium")["ok"] is False


@pytest.mark.parametrize(
    ("limit", "nodes", "level"),
    [
        ("170Mi", 1000, ""),
        ("170Mi", 1600, "medium"),
        ("170Mi", 5000, "high"),
        ("0.5Gi", 5000, ""),
        ("178257920", 5000, "high"),
        ("170e6", 3, ""),
        ("64M", 3, "medium"),
        ("", 5000, ""),
        ("much", 5000, ""),
    ],
)
def test_a_memory_limit_is_judged_by_the_number_of_nodes(kube: KubeObjects, limit: str, nodes: int, level: str) -> None:
    """The nodes are counted by what the API server says is left of the list, not by reading thousands."""
    put(kube, corefile("kubeadm-1.32"), with_memory(limit))
    listed = {"kind": "NodeList", "metadata": {"remainingItemCount": nodes - 1}, "items": [{"metadata": {"name": "a"}}]}
    kube.server.on(
        "GET",
        "/api/v1/nodes",
        lambda one: Answer(200, {}, json.dumps(listed if "limit" in one.query else {"items": []}).encode()),
    )
    assert [one["level"] for one in look(kube)["findings"] if one["name"] == "memory limit"] == (
        [level] if level else []
    )


@pytest.mark.parametrize(
    ("image", "level"),
    [
        ("mirror.example/dns/k8s-dns-node-cache:1.26.7", "high"),
        ("mirror.example/dns/k8s-dns-node-cache:1.40.0", "medium"),
        ("mirror.example/coredns:1.14.7", "low"),
    ],
)
def test_a_node_cache_is_judged_by_the_coredns_in_it(stock: KubeObjects, image: str, level: str) -> None:
    """NodeLocal has versions of its own."""
    spec = node_cache(image)
    if "node-cache" not in image:
        spec = pod_spec(image, ["-conf", "/etc/coredns/Corefile"], {"name": "node-local-dns"})
    put_node_cache(stock, corefile("nodelocal").replace("denial 9984 5", "serve_stale"), **spec)
    stale = [one for one in look(stock)["findings"] if "stale" in one["name"]]
    assert [one["level"] for one in stale] == [level]


def test_a_node_cache_is_found_whoever_installed_it(stock: KubeObjects) -> None:
    """Labels and names differ; kubespray has others than kubernetes itself."""
    pod = stock.objects["/api/v1/namespaces/kube-system/pods/node-local-dns-x"]
    pod["metadata"]["labels"] = {"k8s-app": "nodelocaldns"}
    found = look(stock)
    assert "no node cache" not in names(found)
    assert "ConfigMap kube-system/node-local-dns line 4" in [one["on"] for one in found["findings"]]


def test_without_a_node_cache_nothing_masks(kube: KubeObjects) -> None:
    """Told, and no failure."""
    put(kube, corefile("kubeadm-1.24"))
    found = look(kube)
    assert names(found) == ["reload", "no node cache"]
    assert found["ok"] is True


@pytest.mark.parametrize(("asked", "name"), [("169.254.25.10", "unknown cache"), ("10.96.0.10", "no node cache")])
def test_what_else_pods_ask_is_told(kube: KubeObjects, asked: str, name: str) -> None:
    """A cache of another kind may be in front: the prober has the resolv.conf of every pod."""
    put(kube, corefile("kubeadm-1.24"))
    with FakeApiServer() as prober:
        prober.on("GET", "/", json_answer({"nameservers": [asked]}))
        found = look(kube, prober_pages=[f"127.0.0.1:{prober.port}"])
    assert names(found) == ["reload", name]
    assert (asked in found["findings"][1]["on"]) is (name == "unknown cache")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("coredns", "runner may not get ConfigMap kube-system/coredns; nothing was changed; apply the roles of"),
        ("node-local-dns", "runner may not get ConfigMap kube-system/node-local-dns; nothing was changed; apply the"),
    ],
)
def test_a_missing_right_is_one_line_and_the_rest_is_looked_at(stock: KubeObjects, name: str, words: str) -> None:
    """Nobody takes what was not looked at for good."""
    stock.fail_next("GET", f"{MAPS}/{name}", FORBIDDEN)
    stock.denied = {("get", "configmaps")}
    stock.objects["/api/v1/namespaces/kube-system/pods/coredns-1"]["spec"]["nodeName"] = "a"
    found = look(stock, "never")
    [line] = found["not_seen"]
    assert line.startswith(words)
    assert "`chaos cp manifests`" in line
    assert found["ok"] is False
    assert names(found)[0] == "one node"


def test_a_name_that_no_role_of_ours_knows_needs_a_role_of_the_owner(kube: KubeObjects) -> None:
    """Applying ours again would not help."""
    put(kube, "", pod_spec("x/coredns:1.14.7", ["-conf", "/etc/coredns/Corefile"], {"name": "dns-of-ours"}))
    kube.fail_next("GET", f"{MAPS}/dns-of-ours", FORBIDDEN)
    kube.denied = {("get", "configmaps")}
    assert "by a Role of your own" in look(kube)["not_seen"][0]


@pytest.mark.parametrize(
    ("spec", "text", "words"),
    [
        ({"containers": [{"name": "kubedns", "image": "x/kube-dns:1.14"}]}, "", "reads no Corefile from a ConfigMap"),
        (KUBEADM, ". {\n errors", "Corefile line"),
        (KUBEADM, "", "no server block without a view answers"),
    ],
)
def test_what_cannot_be_judged_is_no_good_news(kube: KubeObjects, spec: dict[str, Any], text: str, words: str) -> None:
    """No CoreDNS, no Corefile, or none that answers for the cluster."""
    put(kube, text, spec)
    found = look(kube, "never")
    assert found["ok"] is False
    assert words in found["not_seen"][0]


def test_without_a_living_server_only_that_is_told_of_them(kube: KubeObjects) -> None:
    """A sick system is a result."""
    put(kube, corefile("kubeadm-1.32"), nodes=())
    found = look(kube)
    assert found["findings"][0]["what"] == "no pod is alive"
    assert "is alive" in found["not_seen"][0]


def test_what_an_operator_keeps_is_looked_at_too(stock: KubeObjects) -> None:
    """It could not be edited; it can be read."""
    stock.objects[f"{MAPS}/coredns"]["metadata"]["ownerReferences"] = [{"kind": "DNS", "name": "default"}]
    assert look(stock)["not_seen"] == []


def test_the_gravest_that_fit_are_told_and_the_others_are_counted(kube: KubeObjects) -> None:
    """A result has at most 4 KB."""
    imports = "".join(f"import more-{number}\n" for number in range(40))
    put(kube, SERVE_STALE + imports, OLD)
    found = look(kube)
    assert found["findings"][0]["name"] == "serve_stale"
    assert found["left_off"] > 30
    assert found["high"] + found["medium"] + found["low"] == len(found["findings"]) + found["left_off"]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What goes to the terminal in a run."""
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        yield caplog


def test_a_run_says_each_finding_once(stock: KubeObjects, said: pytest.LogCaptureFixture) -> None:
    """The rounds of the hypothesis look again; only what is new is said again, and what fails is a warning."""
    run = f"/runs/{stock.folder}"
    for _ in range(3):
        look(stock, "low", chaoslib_cp_run_dir=run)
    assert [record.levelname for record in said.records] == ["WARNING"] * 3
    assert said.messages[1] == (
        "DNS, low: ConfigMap kube-system/coredns line 21: reload takes each edit in by itself: while the API is away, "
        "an edit turns working DNS into SERVFAIL; do: never repair DNS by an edit during an outage"
    )
    said.clear()
    stock.fail_next("GET", f"{MAPS}/coredns", FORBIDDEN)
    look(stock, chaoslib_cp_run_dir=run)
    assert said.messages[-1].startswith("DNS, not looked at: runner")


def test_a_level_that_there_is_not_is_refused(stock: KubeObjects) -> None:
    """One clear line, and nothing was asked."""
    with pytest.raises(
        ActivityFailed, match="fail_at is 'grave'; nothing was asked; use one of low, medium, high, never"
    ):
        dns_configuration_risks("grave", configuration=stock.configuration())
    assert stock.server.requests == []


def test_every_weakness_of_a_cluster_is_explained() -> None:
    """The page of probes names each."""
    page = (ROOT / "probes" / "README.md").read_text()
    here = ("replicas", "one node", "control plane", "memory limit", "no node cache", "unknown cache")
    assert [name for name in here if f"**{name}**" not in page] == []
