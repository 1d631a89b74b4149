"""A cluster made of sockets: an API server over TLS and a prober's page, both on loopback, both doing what a test says.

The API server knows the marker, serves the observer's questions, and fails small reads while a storm is on. The prober
page makes up one sample a second of each DNS path.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.gate.marker import MARKER_PATH, marker_manifest
from tests.fakes.api_server import Answer, FakeApiServer, Request, json_answer
from tests.fakes.certificates import Authority

UID = "7b5d0b4e-2f2f-4f6a-9a3e-000000000001"
SCALE = {"api_server_cpu_cores": "0.2 core here <b>because</b> 2 cores run it all"}
IDENTITIES = ("runner", "admin", "break-glass", "observer")
_READ_PATH = "/api/v1/namespaces/chaoslib-cp"


@dataclass
class FakeCluster:
    """What a test can turn, and what it needs to start ``chaos``."""

    api: FakeApiServer
    prober: FakeApiServer
    environment: dict[str, str]
    storm_until_s: float = 0.0
    dns_outcome: str = "ok"
    started_s: float = field(default_factory=time.monotonic)

    def unmark(self) -> None:
        """Take the test cluster's mark away."""
        self.api.on("GET", MARKER_PATH, Answer(404))

    def read(self, _: Request) -> Answer:
        """Answer the observer's small read."""
        storming = time.monotonic() < self.storm_until_s
        return json_answer({"kind": "Status"}, 503) if storming else json_answer({"kind": "Namespace"})

    def storm(self, request: Request) -> Answer:
        """Start or end the storm."""
        self.storm_until_s = time.monotonic() + float(request.query["duration_s"])
        return Answer()

    def page(self, request: Request) -> Answer:
        """Make up the samples since the last pull: every half second one of each path."""
        now_s = time.time()  # noqa: TID251 - this is the prober's own clock
        last = int((time.monotonic() - self.started_s) * 2)
        first = max(1, int(request.query.get("after", "0")) + 1)
        samples = [
            {"seq": 2 * number + extra, **self._sample(vantage, now_s - (last - number) / 2)}
            for number in range(first // 2, last)
            for extra, vantage in enumerate(("dns_cached", "dns_uncached"))
            if 2 * number + extra >= first
        ]
        return json_answer({"prober": "fake", "now_s": now_s, "samples": samples, "accounts": []})

    def _sample(self, vantage: str, at_s: float) -> dict[str, Any]:
        return {
            "kind": "sample",
            "at_s": at_s,
            "vantage": vantage,
            "target": f"{vantage}-target",
            "ok": self.dns_outcome == "ok",
            "outcome": self.dns_outcome,
            "latency_s": 0.002,
            "lag_s": 0.0,
            "ttl_s": 20,
        }


@contextmanager
def fake_cluster(folder: Path) -> Iterator[FakeCluster]:
    """Run the two servers while the block lasts; ``folder`` gets certificates, kubeconfig and state."""
    authority = Authority(folder)
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as api, FakeApiServer() as prober:
        kubeconfig = _kubeconfig(folder, authority, api.port)
        environment = {
            "KUBECONFIG": str(kubeconfig),
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder),
            "CONTRACT_PROBER_PAGE": f"127.0.0.1:{prober.port}",
        }
        cluster = FakeCluster(api, prober, environment)
        api.on("GET", "/api/v1/namespaces/kube-system", json_answer({"metadata": {"uid": UID}}))
        api.on("GET", MARKER_PATH, json_answer(marker_manifest(UID, "tests", time.time() + 3600)))  # noqa: TID251
        api.on("GET", "/version", json_answer({"gitVersion": "v1.36.4"}))
        api.on("GET", "/livez", Answer(body=b"ok"))
        api.on("GET", _READ_PATH, cluster.read)
        scale = {"data": {"scale.json": json.dumps(SCALE)}}
        api.on("GET", "/api/v1/namespaces/chaoslib-cp/configmaps/chaoslib-cp-scale", json_answer(scale))
        api.on("POST", "/api/v1/namespaces/chaoslib-cp/configmaps", json_answer({"kind": "ConfigMap"}, 201))
        prober.on("GET", "/", cluster.page)
        prober.on("GET", "/storm", cluster.storm)
        yield cluster


def _kubeconfig(folder: Path, authority: Authority, port: int) -> Path:
    users = []
    for identity in IDENTITIES:
        files = authority.issue(identity)
        users.append({"name": identity, "user": {"client-certificate": str(files.cert), "client-key": str(files.key)}})
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority.ca_file)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": server}],
        "users": users,
        "contexts": [{"name": one, "context": {"cluster": "fake", "user": one}} for one in IDENTITIES],
        "current-context": "runner",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
