"""What a run needs on sockets: a cluster that keeps objects, and a prober's page; both do what a test says.

The cluster is marked, serves the observer's questions, and fails small reads while a storm is on. The prober page makes
up one sample a second of each DNS path.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from tests.fakes.api_server import Answer, FakeApiServer, Request, json_answer
from tests.fakes.kube_objects import KubeObjects

SCALE = {"api_server_cpu_cores": "0.2 core here <b>because</b> 2 cores run it all"}
READ_PATH = "/api/v1/namespaces/chaoslib-cp"


@dataclass
class FakeCluster:
    """What a test can turn, and what it needs to start ``chaos``."""

    kube: KubeObjects
    prober: FakeApiServer
    environment: dict[str, str]
    storm_until_s: float = 0.0
    dns_outcome: str = "ok"
    started_s: float = field(default_factory=time.monotonic)

    @property
    def api(self) -> FakeApiServer:
        """Its API server, which knows who asked for what."""
        return self.kube.server

    def unmark(self) -> None:
        """Take the test cluster's mark away."""
        del self.kube.objects[MARKER_PATH]

    def read(self, request: Request) -> Answer:
        """Answer the observer's small read, and whatever else is asked below its path."""
        is_failing = request.path == READ_PATH and time.monotonic() < self.storm_until_s
        return json_answer({"kind": "Status"}, 503) if is_failing else self.kube.answer(request)

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
    """Run both while the block lasts; ``folder`` gets certificates, kubeconfig and state."""
    with KubeObjects(folder / "kube") as kube, FakeApiServer() as prober:
        environment = {
            "KUBECONFIG": str(kube.kubeconfig),
            "XDG_STATE_HOME": str(folder / "state"),
            "HOME": str(folder),
            "CONTRACT_PROBER_PAGE": f"127.0.0.1:{prober.port}",
        }
        cluster = FakeCluster(kube, prober, environment)
        kube.mark()
        kube.objects[READ_PATH] = {"kind": "Namespace", "metadata": {"name": "chaoslib-cp"}}
        scale = {"metadata": {"name": "chaoslib-cp-scale"}, "data": {"scale.json": json.dumps(SCALE)}}
        kube.objects[f"{READ_PATH}/configmaps/chaoslib-cp-scale"] = scale
        cluster.api.on("GET", "/version", json_answer({"gitVersion": "v1.36.0"}))
        cluster.api.on("GET", "/livez", Answer(body=b"ok"))
        cluster.api.on("GET", READ_PATH, cluster.read)
        prober.on("GET", "/", cluster.page)
        prober.on("GET", "/storm", cluster.storm)
        yield cluster
