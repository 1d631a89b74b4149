"""Pods on real kubelets: they run, resolve names, are restarted, get edits, and are refused with a reason."""

import contextlib
import datetime
import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.infrastructure.container_act import RESTART
from chaoslib_cp.testbed.cri.client import act_on_containers
from chaoslib_cp.testbed.instance import Instance
from chaoslib_cp.version import VERSION
from tests.scaffold.waiting import until
from tests.testbed.conftest import Testbed

pytestmark = pytest.mark.testbed

NAMESPACE = "pods-test"
LIBRARY_IMAGE = f"chaoslib-cp:{VERSION}"
DNS_PODS = ("-n", "kube-system", "-l", "k8s-app=kube-dns")
ASK = (
    "import sys, dns.message, dns.query\n"
    "query = dns.message.make_query(sys.argv[2], 'A')\n"
    "answer = dns.query.udp(query, sys.argv[1], timeout=3)\n"
    "print([record.to_text() for rrset in answer.answer for record in rrset])\n"
)


def _pod(name: str, **container: Any) -> dict[str, Any]:
    """Build a pod of one container on a node with a kubelet."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "nodeSelector": {"chaoslib-cp.testbed/kubelet": "true"},
            "containers": [{"name": "main", "image": LIBRARY_IMAGE, **container}],
        },
    }


class _Namespace:
    """A namespace of its own in the shared testbed."""

    def __init__(self, testbed: Testbed, folder: Path) -> None:
        self._testbed = testbed
        self._folder = folder

    def create(self, manifest: dict[str, Any]) -> None:
        """Create an object."""
        file = self._folder / f"{manifest['metadata']['name']}.json"
        file.write_text(json.dumps(manifest))
        self._testbed.kubectl("create", "-f", str(file))

    def apply(self, manifest: dict[str, Any]) -> None:
        """Create or change an object."""
        file = self._folder / f"{manifest['metadata']['name']}.json"
        file.write_text(json.dumps(manifest))
        self._testbed.kubectl("apply", "-f", str(file))

    def container(self, pod: str) -> dict[str, Any]:
        """Return the status of a pod's container, or nothing."""
        statuses = self._testbed.get("pod", pod, "-n", NAMESPACE)["status"].get("containerStatuses", [])
        return statuses[0] if statuses else {}

    def end_of(self, pod: str) -> dict[str, Any]:
        """Wait for a container's end and return how it ended."""
        state = until(lambda: self.container(pod).get("state", {}).get("terminated"), f"the end of pod {pod}")
        assert isinstance(state, dict)
        return state

    def log(self, pod: str) -> str:
        """Return a pod's log."""
        return self._testbed.kubectl("logs", pod, "-n", NAMESPACE)

    def events(self, pod: str) -> str:
        """Return the messages of a pod's events."""
        found = self._testbed.get("events", "-n", NAMESPACE, "--field-selector", f"involvedObject.name={pod}")
        return "\n".join(event.get("message", "") for event in found["items"])


@pytest.fixture(scope="module")
def namespace(testbed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Namespace]:
    """Make a namespace and take it away again."""
    testbed.kubectl("create", "namespace", NAMESPACE)
    ready = ("get", "serviceaccount", "default", "-n", NAMESPACE, "--ignore-not-found", "-o", "name")
    until(lambda: testbed.kubectl(*ready), "the default service account")
    yield _Namespace(testbed, tmp_path_factory.mktemp("manifests"))
    testbed.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait=true", timeout_s=120)
    testbed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _answers(testbed: Testbed, server: str, name: str) -> str:
    return testbed.run("python", "-c", ASK, server, name).stdout.strip()


def _dns_pods(testbed: Testbed) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = testbed.get("pods", *DNS_PODS)["items"]
    return items


def _all_ready(testbed: Testbed) -> bool:
    statuses = [pod["status"].get("containerStatuses", [{}])[0] for pod in _dns_pods(testbed)]
    return all(status.get("ready") for status in statuses)


def test_dns_pods_run_on_different_nodes(testbed: Testbed) -> None:
    """Two CoreDNS pods, ready, one on each node."""
    pods = _dns_pods(testbed)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"worker-1", "worker-2"}
    assert all(pod["status"]["phase"] == "Running" for pod in pods)


@pytest.mark.parametrize("server", ["10.96.0.10", "10.244.1.53", "10.244.2.53"])
def test_names_resolve_through_service_and_node_caches(testbed: Testbed, server: str) -> None:
    """A cluster name and an outside name, from the Service address and from the cache of each node."""
    assert _answers(testbed, server, "kubernetes.default.svc.cluster.local") == "['10.96.0.1']"
    assert _answers(testbed, server, "www.outside.test") == "['192.0.2.80']"


READ = (
    "import sys, urllib.request\n"
    "print(urllib.request.urlopen(f'http://{sys.argv[1]}:30953/?after=0', timeout=5).read().decode())\n"
)
LAYERS = {"dns_pod", "dns_uncached", "dns_cached", "dns_lookup", "dns_connect", "dns_never_asked"}


def test_a_workload_is_served_at_every_layer(testbed: Testbed) -> None:
    """On each node, as the page at its address tells: single servers, their Service, the node's own cache and so on."""
    pods = testbed.get("pods", "-n", "chaoslib-cp", "-l", "chaoslib-cp/role=prober")["items"]
    nodes = {str(pod["spec"]["nodeName"]): str(pod["status"]["hostIP"]) for pod in pods}
    assert set(nodes) == {"worker-1", "worker-2"}
    caches = set()
    for node, address in nodes.items():
        until(partial(_is_served, testbed, node, address), f"a good answer at each of {sorted(LAYERS)} on {node}")
        caches |= {one["target"] for one in _page(testbed, address)["samples"] if one["vantage"] == "dns_cached"}
    assert len(caches) == len(nodes)


def _page(testbed: Testbed, address: str) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(testbed.run("python", "-c", READ, address).stdout)
    return page


def _is_served(testbed: Testbed, node: str, address: str) -> bool:
    page = _page(testbed, address)
    assert page["node"] == node
    return {sample["vantage"] for sample in page["samples"] if sample["ok"]} >= LAYERS


# Listens, and tries until its own Service leads back to it; the test ends the wait.
ASK_MYSELF = (
    "import os, socket, time\n"
    "server = socket.create_server(('0.0.0.0', 8080))\n"
    "while True:\n"
    "    try:\n"
    "        socket.create_connection((os.environ['MYSELF'], 80), timeout=2)\n"
    "        break\n"
    "    except OSError:\n"
    "        time.sleep(0.2)\n"
)


@pytest.mark.parametrize("number", [1, 2])
def test_a_pod_reaches_itself_by_its_service(namespace: _Namespace, testbed: Testbed, number: int) -> None:
    """On every node: one kube-proxy serves them all, and knows the pods of the first as its own."""
    name = f"asks-itself-{number}"
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
    where = {"name": name, "namespace": NAMESPACE}
    namespace.create({"apiVersion": "v1", "kind": "Service", "metadata": where, "spec": spec})
    address = testbed.get("service", name, "-n", NAMESPACE)["spec"]["clusterIP"]
    pod = _pod(name, command=["python", "-c", ASK_MYSELF], env=[{"name": "MYSELF", "value": address}])
    pod["metadata"]["labels"] = {"app": name}
    pod["spec"]["nodeName"] = f"worker-{number}"
    namespace.apply(pod)
    assert namespace.end_of(name)["reason"] == "Completed"


def test_pods_ask_their_nodes_cache_and_have_an_identity(namespace: _Namespace) -> None:
    """A pod's resolv.conf names the cache of its node, names resolve, and its token is there for its user."""
    program = (
        "import os, socket\n"
        "print(open('/etc/resolv.conf').read().split()[1])\n"
        "print(socket.gethostbyname('kubernetes.default'), os.getuid(), os.getpid())\n"
        "print(len(open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()) > 100)\n"
        "print(os.path.exists('/home'), 'SECRET_OF_THE_MACHINE' in os.environ)\n"
    )
    namespace.create(_pod("looks-around", command=["python", "-c", program]))
    assert namespace.end_of("looks-around")["reason"] == "Completed"
    cache, name, token, machine = namespace.log("looks-around").splitlines()
    assert cache in ("10.244.1.53", "10.244.2.53")
    assert name == "10.96.0.1 65532 1"
    assert token == "True"
    assert machine == "False False"


def test_crashed_containers_are_restarted(testbed: Testbed) -> None:
    """CoreDNS containers killed past the kubelet come back by themselves, each counted as one restart."""
    pods = _dns_pods(testbed)
    before = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0] for pod in pods}
    uids = [pod["metadata"]["uid"] for pod in pods]
    sockets = sorted((Instance(testbed.name).folder / "nodes").glob("*/cri.sock"))
    killed = act_on_containers(RESTART, sockets, "kube-system", {"k8s-app": "kube-dns"}, uids)
    assert killed == sorted(f"kube-system/{name}/coredns" for name in before)

    def restarted() -> bool:
        now = {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0] for pod in _dns_pods(testbed)}
        return all(now[name]["restartCount"] > before[name]["restartCount"] for name in before)

    until(restarted, "both restarts")
    until(lambda: _all_ready(testbed), "DNS pods to be ready again")
    last = [pod["status"]["containerStatuses"][0]["lastState"]["terminated"] for pod in _dns_pods(testbed)]
    assert {state["exitCode"] for state in last} == {137}


def _runner(testbed: Testbed, node: str) -> int:
    """Return the process id of a node's runner."""
    config = str(Instance(testbed.name).folder / "nodes" / node / "node.json")
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            argv = (entry / "cmdline").read_bytes().decode().split("\0")
            if config in argv and argv[0] != "unshare":
                return int(entry.name)
    return 0


def _dns_on(testbed: Testbed, node: str) -> dict[str, Any]:
    pod = next(pod for pod in _dns_pods(testbed) if pod["spec"]["nodeName"] == node)
    status: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return status


def test_dead_node_takes_its_containers_along_and_comes_back(testbed: Testbed) -> None:
    """With the runner, the kernel ends its kubelet and containers; the new one starts the same pods afresh."""
    before = _dns_on(testbed, "worker-2")["containerID"]
    runner = _runner(testbed, "worker-2")
    os.kill(runner, signal.SIGKILL)
    until(lambda: _runner(testbed, "worker-2") not in (0, runner), "a new runner")

    def is_back() -> bool:
        now = _dns_on(testbed, "worker-2")
        return now.get("containerID") != before and bool(now["ready"])  # none while the container waits

    until(is_back, "the DNS pod of worker-2 to be ready again")
    until(
        lambda: "10.96.0.1" in _answers(testbed, "10.244.2.53", "kubernetes.default.svc.cluster.local"),
        "the node's cache",
    )


def test_configmap_edits_reach_running_pods(namespace: _Namespace) -> None:
    """An edit arrives in the file of a running pod without a restart."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": NAMESPACE},
        "data": {"mode": "before"},
    }
    namespace.apply(config)
    program = (
        "import time\n"
        "print(open('/config/mode').read(), flush=True)\n"
        "while open('/config/mode').read() != 'after': time.sleep(0.2)\n"
        "print('after')\n"
    )
    pod = _pod("reads", command=["python", "-c", program], volumeMounts=[{"name": "config", "mountPath": "/config"}])
    pod["spec"]["volumes"] = [{"name": "config", "configMap": {"name": "settings"}}]
    namespace.create(pod)
    until(lambda: namespace.container("reads").get("ready") and "before" in namespace.log("reads"), "the first reading")
    namespace.apply({**config, "data": {"mode": "after"}})
    namespace.end_of("reads")
    assert namespace.log("reads").split() == ["before", "after"]
    assert namespace.container("reads")["restartCount"] == 0


def test_exec_probes_run_inside_the_container(namespace: _Namespace, testbed: Testbed) -> None:
    """A readiness command sees the container's files and its user, and decides when the pod is ready."""
    probe = {"exec": {"command": ["sh", "-c", "test -e /tmp/up && test $(id -u) = 65532"]}, "periodSeconds": 1}
    program = "import pathlib, time; time.sleep(4); pathlib.Path('/tmp/up').touch(); time.sleep(600)"
    namespace.create(_pod("probed", command=["python", "-c", program], readinessProbe=probe))
    until(lambda: namespace.container("probed").get("ready"), "the probe to succeed")
    status = testbed.get("pod", "probed", "-n", NAMESPACE)["status"]
    started_at = status["containerStatuses"][0]["state"]["running"]["startedAt"]
    ready_at = next(item["lastTransitionTime"] for item in status["conditions"] if item["type"] == "Ready")
    waited = datetime.datetime.fromisoformat(ready_at) - datetime.datetime.fromisoformat(started_at)
    assert waited >= datetime.timedelta(seconds=3)  # both times are whole seconds


def test_failures_are_told_as_what_they_are(namespace: _Namespace) -> None:
    """An exit status, a command that does not exist: each with its reason, as on any cluster."""
    namespace.create(_pod("fails", command=["sh", "-c", "exit 3"]))
    namespace.create(_pod("mistyped", command=["/no/such/program"]))
    failed, mistyped = namespace.end_of("fails"), namespace.end_of("mistyped")
    assert (failed["exitCode"], failed["reason"]) == (3, "Error")
    assert (mistyped["exitCode"], mistyped["reason"]) == (128, "StartError")
    assert "/no/such/program" in mistyped["message"]


def test_memory_limits_kill(namespace: _Namespace, testbed: Testbed) -> None:
    """A container over its memory limit is killed by the kernel, and its status says so."""
    if testbed.state.get("cgroups") == "none":
        pytest.skip("this machine lets us make no control groups: limits are not enforced")
    limits = {"limits": {"memory": "48Mi"}}
    namespace.create(_pod("greedy", command=["python", "-c", "bytearray(300 << 20)"], resources=limits))
    assert namespace.end_of("greedy")["reason"] == "OOMKilled"


def test_what_cannot_be_done_is_in_the_pods_events(namespace: _Namespace, testbed: Testbed) -> None:
    """An unknown image and a folder of the machine are refused with a reason; the kubelet lives on."""
    limits = {"requests": {"memory": "16Mi"}}  # resources made kubelet 1.36 crash on a failed pull
    namespace.create(_pod("unknown", image="nginx:1", resources=limits))
    peeking = _pod("peeking", volumeMounts=[{"name": "etc", "mountPath": "/host"}])
    peeking["spec"]["volumes"] = [{"name": "etc", "hostPath": {"path": "/etc"}}]
    namespace.create(peeking)
    until(lambda: "none of the testbed's local programs" in namespace.events("unknown"), "the image's refusal")
    until(lambda: "hostPath" in namespace.events("peeking"), "the volume's refusal")
    logs = Path(testbed.state["logs"])
    assert not any("kubelet ended" in (logs / f"worker-{index}.log").read_text() for index in (1, 2))
