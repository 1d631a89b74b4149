"""A scripted cluster for the agent farm: two fake nodes, telemetry pods, tokens, a profile."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.testbed.api import ApiAccess
from chaoslib_cp.testbed.async_api import ApiSession, api_connect
from chaoslib_cp.testbed.farm.farm import Farm, FarmPlan
from tests.fakes.api_server import Answer, FakeApiServer, Request, WatchStream, json_answer
from tests.fakes.certificates import Authority

PROFILE = {"schema": 1, "requests": [{"path": "/metrics", "period_s": 0.1}], "duration_s": 60}


def pod(
    number: int, node: str = "kwok-000", phase: str = "Running", image: str = "chaoslib-cp:1", **metadata: Any
) -> dict[str, Any]:
    """Return a telemetry pod as the API server shows it."""
    token = {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    return {
        "metadata": {
            "name": f"telemetry-{number}",
            "namespace": "monitoring",
            "uid": f"uid-{number}",
            "resourceVersion": str(100 + number),
            **metadata,
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": "telemetry",
            "containers": [{"name": "agent", "image": image}],
            "volumes": [
                {"name": "profile", "configMap": {"name": "telemetry-profile"}},
                {"name": "kube-api-access-x", "projected": {"sources": [token]}},
            ],
        },
        "status": {"phase": phase},
    }


def node(number: int) -> dict[str, Any]:
    """Return a node's metadata."""
    return {"metadata": {"name": f"kwok-{number:03d}", "resourceVersion": str(50 + number)}}


def listing(*items: dict[str, Any]) -> Answer:
    """Return a list's answer."""
    return json_answer({"items": items, "metadata": {"resourceVersion": "200"}})


class TelemetryCluster:
    """A scripted API server with two fake nodes, and the farm that watches it."""

    def __init__(self, server: FakeApiServer, access: ApiAccess, authority: Authority) -> None:
        self.server = server
        self.access = access
        self._authority = authority
        self.pods: WatchStream = server.watch("/api/v1/pods")
        self.nodes: WatchStream = server.watch("/api/v1/nodes")
        server.on("GET", "/api/v1/nodes", listing(node(0), node(1)))
        server.on("GET", "/metrics", Answer(body=b"metric 1\n"))
        server.on(
            "GET",
            "/api/v1/namespaces/monitoring/configmaps/telemetry-profile",
            json_answer({"data": {"profile.json": json.dumps(PROFILE)}}),
        )
        server.on("POST", "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token", self.token)

    @staticmethod
    def token(request: Request) -> Answer:
        """Answer a TokenRequest with a token that names its pod."""
        uid = request.json()["spec"]["boundObjectRef"]["uid"]
        return json_answer({"status": {"token": f"token-of-{uid}"}}, 201)

    def seen(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [one for one in self.server.requests if one.path.endswith(path)]

    def play(self, steps: Callable[[Farm], Coroutine[Any, Any, None]], clock: Clock | None = None) -> dict[str, Any]:
        """Run the farm while the steps last and return its last status."""

        async def run() -> dict[str, Any]:
            loop = asyncio.get_running_loop()
            own = api_connect(self.access, loop)
            target = Target("127.0.0.1", self.server.port, "127.0.0.1", self._authority.client_context())
            agents = connector(target, loop, 60)
            farm = Farm(
                lambda: ApiSession(own, "127.0.0.1"),
                lambda _profile: agents,
                "127.0.0.1",
                FarmPlan("kwok-", images=("chaoslib-cp:1",), source="farm-test"),
                clock or SystemClock(),
            )
            running = asyncio.ensure_future(farm.run())
            try:
                await steps(farm)
            finally:
                status = farm.status()
                running.cancel()
                await asyncio.wait([running])
            return status

        return asyncio.run(run())


@contextlib.contextmanager
def telemetry_cluster(folder: Path) -> Iterator[TelemetryCluster]:
    """Start a cluster with TLS and client certificates."""
    authority = Authority(folder)
    files = authority.issue("chaoslib-cp-farm", ("system:nodes",))
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as server:
        access = ApiAccess("127.0.0.1", server.port, "127.0.0.1", authority.ca_file, files.cert, files.key)
        yield TelemetryCluster(server, access, authority)
