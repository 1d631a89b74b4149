"""Cluster DNS of the fake cluster: pods that read a Corefile, and a prober's page that says which revision each runs.

The pods run what the ConfigMap holds at once; a test may keep one of them behind.
"""

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.fakes.api_server import Answer, FakeApiServer, Request, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.whole_cluster import IMAGE, LABELS, POD, SERVICE

CONFIG_MAP: Final = "/api/v1/namespaces/kube-system/configmaps/coredns"
SERVERS: Final = {"coredns-a": "10.0.0.1", "coredns-b": "10.0.0.2"}
PROBER, PROBER_6 = "10.0.0.77", "fd00::77"
COREFILE: Final = """.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
    forward . /etc/resolv.conf
    cache 30
    reload
}
"""
_REVISION: Final = re.compile(r"0 IN TXT (.*)$", re.MULTILINE)
_STRING: Final = re.compile(r'\\"([^"\\]*)\\"')


@dataclass
class ArmedDns:
    """The DNS servers, as the prober sees them.

    Attributes:
        kube: The cluster they are in.
        page: Where the prober's page is, as ``ip:port``.
        behind: Addresses of servers that never read a new Corefile.
        unseen: Addresses of servers that the prober does not ask.
        answers_nothing: Addresses of servers that answer no name that is watched.
        node_cache: Address of a node cache that the prober asks; empty for none.
    """

    kube: KubeObjects
    page: str
    behind: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    answers_nothing: set[str] = field(default_factory=set)
    node_cache: str = ""
    _number: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def put_there(self, image: str = "mirror.example/coredns:v1.14.7", corefile: str = COREFILE) -> None:
        """Service, pods and ConfigMap."""
        self.kube.add_dns_service()
        for name, address in SERVERS.items():
            self.kube.add_dns_pod(name, podIP=address)
            mount = {"name": "config", "mountPath": "/etc/coredns"}
            container = {"name": "coredns", "image": image, "args": ["-conf", "/etc/coredns/Corefile"]}
            self.kube.objects[f"/api/v1/namespaces/kube-system/pods/{name}"]["spec"] |= {
                "containers": [{**container, "volumeMounts": [mount]}],
                "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
            }
        metadata = {"name": "coredns", "namespace": "kube-system", "uid": "corefile-1", "resourceVersion": "7"}
        self.kube.objects[CONFIG_MAP] = {"kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": corefile}}
        self.kube.server.on("GET", "/readyz", Answer(200))
        port = {"nodePort": int(self.page.rpartition(":")[2])}
        self.kube.objects[SERVICE] = {
            "metadata": {"name": "workload-prober"},
            "spec": {"selector": LABELS, "ports": [port]},
        }
        self.kube.objects[POD] = {
            "metadata": {"name": "workload-prober-1", "namespace": "chaoslib-cp", "labels": LABELS},
            "spec": {"containers": [{"name": "prober", "image": IMAGE}]},
            "status": {
                "hostIP": "127.0.0.1",
                "podIP": PROBER,
                "podIPs": [{"ip": PROBER}, {"ip": PROBER_6}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }

    @property
    def corefile(self) -> str:
        """What the ConfigMap holds."""
        return str(self.kube.objects[CONFIG_MAP]["data"]["Corefile"])

    def answer(self, _: Request) -> Answer:
        """The prober's page."""
        now_s = time.time()  # noqa: TID251 - the prober's own clock
        told = _REVISION.search(self.corefile)
        strings = _STRING.findall(told[1]) if told else []
        samples: list[dict[str, Any]] = []
        for address in sorted(set(SERVERS.values()) - self.unseen):
            answers = [" ".join(f'"{one}"' for one in strings)] if strings and address not in self.behind else []
            sample = {"seq": next(self._number), "kind": "sample", "at_s": now_s - 0.1, "vantage": "dns_revision"}
            how = {"ok": bool(answers), "outcome": "ok" if answers else "nxdomain", "rcode": "NOERROR"}
            samples.append({**sample, **how, "target": address, "latency_s": 0.001, "lag_s": 0.0, "answers": answers})
            samples += self._about_watched(address, strings if answers else [], now_s)
        if self.node_cache:
            sample = {"seq": next(self._number), "kind": "sample", "at_s": now_s - 0.1, "vantage": "dns_cached"}
            more: dict[str, Any] = {"ok": True, "outcome": "ok", "latency_s": 0.001, "lag_s": 0.0}
            samples.append({**sample, **more, "target": self.node_cache})
        return json_answer({"prober": "armed", "now_s": now_s, "samples": samples, "accounts": []})

    def _about_watched(self, address: str, strings: list[str], now_s: float) -> list[dict[str, Any]]:
        """Every name that the revision says is to be watched is answered rightly."""
        how = {"kind": "sample", "at_s": now_s, "vantage": "dns_watched_pod", "ok": True, "outcome": "ok"}
        if address in self.answers_nothing:
            return []
        asked = [string.split()[1:] for string in strings if string.startswith("ask ")]
        return [
            {
                **how,
                "seq": next(self._number),
                "target": f"{name} {type_} at {address}",
                "latency_s": 0.001,
                "lag_s": 0.0,
            }
            for name, type_ in asked
        ]


@contextmanager
def armed_dns(kube: KubeObjects) -> Iterator[ArmedDns]:
    """Put cluster DNS into a cluster, and serve the prober's page while the block lasts."""
    with FakeApiServer() as prober:
        made = ArmedDns(kube, f"127.0.0.1:{prober.port}")
        made.put_there()
        prober.on("GET", "/", made.answer)
        yield made
