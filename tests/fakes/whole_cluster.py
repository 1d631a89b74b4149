"""A cluster that is as a run needs it, and hands with which a test breaks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.profile import HTTP_1, HTTP_2
from tests.fakes.api_server import Answer, FakeApiServer, Request, json_answer
from tests.fakes.flow_control import FlowControl
from tests.fakes.kube_objects import KubeObjects

WHERE = "/api/v1/namespaces/chaoslib-cp"
SERVICE = f"{WHERE}/services/workload-prober"
POD = f"{WHERE}/pods/workload-prober-1"
DAEMON_SET = "/apis/apps/v1/namespaces/chaoslib-cp/daemonsets/workload-prober"
IMAGE = "registry.example.org/chaoslib-cp:1"
LABELS = {"chaoslib-cp/role": "prober"}
MAY_NOT = ("create", "update", "patch", "delete")


@dataclass
class WholeCluster:
    """A cluster with everything in its place.

    Attributes:
        kube: Its objects, and its API server.
        flow_control: Who is who.
        prober: Serves the prober's page.
        server_ahead_s: How far the API server's clock is ahead.
        prober_ahead_s: The same of the prober's.
        nameservers: What pods have in their resolv.conf.
        node: The node that the prober's page names; empty for none.
    """

    kube: KubeObjects
    flow_control: FlowControl
    prober: FakeApiServer
    server_ahead_s: float = 0.0
    prober_ahead_s: float = 0.0
    nameservers: tuple[str, ...] = ("10.96.0.10",)
    node: str = ""

    def fill(self) -> None:
        """Put everything there."""
        kube = self.kube
        kube.tls.set_alpn_protocols([HTTP_2, HTTP_1])
        kube.add_dns_service()
        kube.add_dns_pod("coredns-a")
        for number in range(8):
            kube.add_node(f"worker-{number}", kubernetes_io__os="linux")
        self.flow_control.groups["user-break-glass"] = ("system:masters",)
        kube.denied |= {("runner", verb, "configmaps", "kube-public") for verb in MAY_NOT}
        port = {"nodePort": self.prober.port}
        kube.objects[SERVICE] = {"metadata": {"name": "workload-prober"}, "spec": {"selector": LABELS, "ports": [port]}}
        kube.objects[POD] = {
            "metadata": {"name": "workload-prober-1", "namespace": "chaoslib-cp", "labels": LABELS},
            "spec": {"containers": [{"name": "prober", "image": IMAGE, "args": ["--cluster-dns="]}]},
            "status": {"hostIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
        }
        selector = {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}}
        metadata = {"name": "workload-prober", "namespace": "chaoslib-cp"}
        kube.objects[DAEMON_SET] = {"metadata": metadata, "spec": selector, "status": {"desiredNumberScheduled": 1}}
        kube.server.on("GET", "/version", self._version)
        self.prober.on("GET", "/", self._page)

    def add_prober(self, node: str, host: str) -> None:
        """One more pod, on a node of that name and address."""
        name = f"workload-prober-{node}"
        pod = {**self.pod, "metadata": {**self.pod["metadata"], "name": name}}
        pod["spec"] = {**pod["spec"], "nodeName": node}
        pod["status"] = {**pod["status"], "hostIP": host}
        self.kube.objects[f"{WHERE}/pods/{name}"] = pod

    @property
    def pod(self) -> dict[str, Any]:
        """The prober's pod."""
        return self.kube.objects[POD]

    def tell_dns(self, address: str) -> None:
        """Let the prober's manifest name an address of cluster DNS."""
        self.pod["spec"]["containers"][0]["args"] = [f"--cluster-dns={address}"]

    def _version(self, _: Request) -> Answer:
        date = formatdate(SystemClock().epoch_s() + self.server_ahead_s, usegmt=True)
        return Answer(200, {"Date": date}, b'{"gitVersion": "v1.36.0"}')

    def _page(self, _: Request) -> Answer:
        now_s = SystemClock().epoch_s() + self.prober_ahead_s
        page = {"prober": "a", "node": self.node, "now_s": now_s, "nameservers": self.nameservers}
        return json_answer({**page, "samples": [], "accounts": []})


@contextmanager
def whole_cluster(kube: KubeObjects) -> Iterator[WholeCluster]:
    """Fill a cluster, and serve its prober's page, while the block lasts."""
    with FakeApiServer() as prober:
        made = WholeCluster(kube, FlowControl(kube), prober)
        made.fill()
        yield made
