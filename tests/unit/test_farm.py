"""The agent farm against a scripted API server: who gets an agent, as whom it asks, what ends it."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.connection import Target, connector
from chaoslib_cp.testbed.api import ApiAccess
from chaoslib_cp.testbed.async_api import ApiSession, api_connect
from chaoslib_cp.testbed.farm.access import manifests
from chaoslib_cp.testbed.farm.backoff import ListBackoff, MountBackoff
from chaoslib_cp.testbed.farm.farm import Farm
from tests.fakes.api_server import HANG, Answer, FakeApiServer, Request, WatchStream, json_answer
from tests.fakes.certificates import Authority

PROFILE = {"schema": 1, "requests": [{"path": "/metrics", "period_s": 0.1}], "duration_s": 60}


def pod(number: int, node: str = "kwok-000", phase: str = "Running", **metadata: Any) -> dict[str, Any]:
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


class Cluster:
    """A scripted API server with two fake nodes, and the farm that watches it."""

    def __init__(self, server: FakeApiServer, access: ApiAccess, authority: Authority) -> None:
        self.server = server
        self._access = access
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
        server.on("POST", "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token", self._token)

    @staticmethod
    def _token(request: Request) -> Answer:
        uid = request.json()["spec"]["boundObjectRef"]["uid"]
        return json_answer({"status": {"token": f"token-of-{uid}"}}, 201)

    def seen(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [one for one in self.server.requests if one.path.endswith(path)]

    def play(self, steps: Callable[[Farm], Coroutine[Any, Any, None]]) -> dict[str, Any]:
        """Run the farm while the steps last and return its last status."""

        async def run() -> dict[str, Any]:
            loop = asyncio.get_running_loop()
            own = api_connect(self._access, loop)
            target = Target("127.0.0.1", self.server.port, "127.0.0.1", self._authority.client_context())
            farm = Farm(
                lambda: ApiSession(own, "127.0.0.1"), connector(target, loop, 60), "127.0.0.1", "kwok-", SystemClock()
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


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited 10 s in vain until {what}")


def running(farm: Farm, count: int) -> Callable[[], bool]:
    """Return a condition: that many agents run."""
    return lambda: bool(farm.status()["agents"]["running"] == count)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with TLS and client certificates."""
    authority = Authority(tmp_path)
    files = authority.issue("chaoslib-cp-farm", ("system:nodes",))
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as server:
        access = ApiAccess("127.0.0.1", server.port, "127.0.0.1", authority.ca_file, files.cert, files.key)
        yield Cluster(server, access, authority)


def test_each_pod_is_asked_for_as_its_node_and_played_as_itself(cluster: Cluster) -> None:
    """Token and profile are fetched as the node would, bound to the pod; the load carries the pod's own token."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1, "kwok-000"), pod(2, "kwok-001")))

    async def steps(farm: Farm) -> None:
        await until(lambda: farm.status()["requests"]["outcomes"].get("http_200", 0) >= 6, "agents are answered")

    status = cluster.play(steps)
    assert status["agents"] == {"running": 2, "started": 2, "too_late": 0, "never_started": 0}
    tokens = cluster.seen("/serviceaccounts/telemetry/token")
    assert {one.headers["impersonate-user"] for one in tokens} == {"system:node:kwok-000", "system:node:kwok-001"}
    assert {one.headers["impersonate-group"] for one in tokens} == {"system:nodes"}
    assert {one.peer_name for one in tokens} == {"chaoslib-cp-farm"}
    assert tokens[0].json()["spec"]["expirationSeconds"] == 3607
    assert {one.headers["impersonate-user"] for one in cluster.seen("/telemetry-profile")} == {
        "system:node:kwok-000",
        "system:node:kwok-001",
    }
    load = cluster.seen("/metrics")
    assert {one.headers["authorization"] for one in load} == {"Bearer token-of-uid-1", "Bearer token-of-uid-2"}
    assert {one.peer_name for one in load} == {None}
    assert len({one.connection for one in load}) == 2, "each agent has a connection of its own"


def test_only_running_pods_on_fake_nodes_are_played(cluster: Cluster) -> None:
    """Pods of kubelet nodes run themselves; pending and terminating ones send nothing, as on a real node."""
    others = [pod(1, "worker-1"), pod(2, phase="Pending"), pod(3, deletionTimestamp="2026-11-22T12:00:00Z"), pod(4)]
    cluster.server.on("GET", "/api/v1/pods", listing(*others))

    async def steps(farm: Farm) -> None:
        await until(running(farm, 1), "one agent runs")
        await asyncio.sleep(0.3)

    assert cluster.play(steps)["pods"] == 3
    assert {one.headers["authorization"] for one in cluster.seen("/metrics")} == {"Bearer token-of-uid-4"}


def test_the_load_follows_pods_and_nodes(cluster: Cluster) -> None:
    """A new pod adds load; a deleted pod, a terminating pod and a node that is gone each take theirs away."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1), pod(2)))

    async def steps(farm: Farm) -> None:
        await until(running(farm, 2), "the first two run")
        # a bookmark brings a version and an object without a name
        cluster.pods.send({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "205"}}})
        cluster.pods.send({"type": "ADDED", "object": pod(3, "kwok-001", phase="Pending")})
        cluster.pods.send({"type": "MODIFIED", "object": pod(3, "kwok-001")})
        await until(running(farm, 3), "the new one runs")
        cluster.pods.send({"type": "DELETED", "object": pod(1)})
        await until(running(farm, 2), "the deleted one is gone")
        cluster.pods.send({"type": "MODIFIED", "object": pod(2, deletionTimestamp="2026-11-22T12:00:00Z")})
        await until(running(farm, 1), "the terminating one is gone")
        cluster.nodes.send({"type": "DELETED", "object": node(1)})
        await until(running(farm, 0), "the node's agent is gone")
        cluster.nodes.send({"type": "ADDED", "object": node(1)})
        await asyncio.sleep(0.2)
        assert running(farm, 0)(), "a container that ran once is not started again"

    cluster.play(steps)


def test_the_load_goes_on_while_the_watch_is_dead(cluster: Cluster) -> None:
    """The API server restarts and refuses lists: what ran runs on, and changes are seen once lists work again."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1), pod(2)), Answer(503), listing(pod(2)))

    async def steps(farm: Farm) -> None:
        await until(running(farm, 2), "both run")
        await until(lambda: farm.status()["watches"]["pods"]["state"] == "watching", "the watch stands")
        cluster.server.drop_connections()
        await until(lambda: "503" in farm.status()["watches"]["pods"]["last_error"], "a list was refused")
        assert running(farm, 2)()
        sent = len(cluster.seen("/metrics"))
        await until(lambda: len(cluster.seen("/metrics")) > sent + 5, "the load went on")
        await until(running(farm, 1), "the list worked and showed that a pod is gone")

    cluster.play(steps)


def test_an_agent_without_a_token_is_reported_and_tries_on(cluster: Cluster) -> None:
    """A drowned API server hands out no tokens: those pods are counted with the reason, and start when it does."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    refused = Answer(403, body=b'{"message": "no relationship found"}')
    path = "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token"
    cluster.server.on("POST", path, Answer(429, {"Retry-After": "0"}), refused, refused, Cluster._token)

    async def steps(farm: Farm) -> None:
        await until(lambda: bool(farm.status()["never_started"]), "the pod is listed as not started")
        await until(lambda: "no relationship" in farm.status()["never_started"][0]["reason"], "the reason is told")
        waiting = farm.status()["never_started"][0]
        assert (waiting["pod"], waiting["node"]) == ("monitoring/telemetry-1", "kwok-000")
        await until(running(farm, 1), "it starts after all")

    assert cluster.play(steps)["agents"]["never_started"] == 0


def test_a_hanging_token_request_starts_nobody(cluster: Cluster) -> None:
    """No answer is no token: nothing is sent without an identity."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    cluster.server.on("POST", "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token", HANG)

    async def steps(farm: Farm) -> None:
        await until(lambda: len(cluster.seen("/token")) == 1, "the token was asked for")
        await asyncio.sleep(0.2)
        assert farm.status()["agents"]["never_started"] == 1

    cluster.play(steps)
    assert cluster.seen("/metrics") == []


def test_a_rollout_after_its_deadline_starts_nobody(cluster: Cluster) -> None:
    """The absolute deadline in the profile holds on fake nodes, too."""
    late = json.dumps({**PROFILE, "deadline_epoch_s": 1.0e9})
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    cluster.server.on("GET", "/api/v1/namespaces/monitoring/configmaps", json_answer({"data": {"profile.json": late}}))
    path = "/api/v1/namespaces/monitoring/configmaps/telemetry-profile"
    cluster.server.on("GET", path, json_answer({"data": {"profile.json": late}}))

    async def steps(farm: Farm) -> None:
        await until(lambda: farm.status()["agents"]["too_late"] == 1, "it is counted as too late")

    cluster.play(steps)
    assert cluster.seen("/metrics") == []


def test_an_expired_watch_is_listed_anew(cluster: Cluster) -> None:
    """A watch that fell too far behind ends with 410 inside; the farm catches up by a list."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)), listing(pod(1), pod(2)))

    async def steps(farm: Farm) -> None:
        await until(running(farm, 1), "the first runs")
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        cluster.pods.send({"type": "ERROR", "object": gone})
        await until(running(farm, 2), "the list brought the second")

    assert "too old" in cluster.play(steps)["watches"]["pods"]["last_error"]


def test_backoffs_are_those_of_kubelet_and_client_go() -> None:
    """Mounts: 0.5 s doubling to 2 min 2 s. Lists: 0.8 s doubling to 30 s with jitter, anew after 2 quiet minutes."""
    mount = MountBackoff()
    assert [mount.next_s() for _ in range(10)] == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]
    backoff = ListBackoff(random.Random(1))  # noqa: S311 - a test
    for now_s, least in enumerate([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30]):
        assert least <= backoff.next_s(float(now_s)) <= 2 * least
    assert backoff.next_s(8 + 121.0) <= 1.6


def test_the_farm_may_act_as_fake_nodes_only() -> None:
    """Its role names each node it may impersonate: no other user, no other group."""
    role, binding = manifests(3)
    impersonate = [rule for rule in role["rules"] if "impersonate" in rule["verbs"]]
    assert [rule["resourceNames"] for rule in impersonate] == [
        ["system:node:kwok-000", "system:node:kwok-001", "system:node:kwok-002"],
        ["system:nodes"],
    ]
    assert binding["subjects"][0]["name"] == "chaoslib-cp-farm"


def test_as_a_process_it_writes_its_status_and_obeys_sigterm(cluster: Cluster, tmp_path: Path) -> None:
    """The status file is whole whenever it is read, and SIGTERM ends the farm cleanly."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    access = cluster._access
    status_file = tmp_path / "status.json"
    config = {
        "api": {"address": "127.0.0.1", "port": access.port, "server_name": "127.0.0.1"},
        "ca": str(access.ca_file),
        "client_cert": str(access.cert_file),
        "client_key": str(access.key_file),
        "node_prefix": "kwok-",
        "status_file": str(status_file),
    }
    (tmp_path / "farm.json").write_text(json.dumps(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "chaoslib_cp.testbed.farm", str(tmp_path / "farm.json")],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        asyncio.run(until(lambda: len(cluster.seen("/metrics")) > 12, "the load runs"))
        assert json.loads(status_file.read_text())["agents"]["running"] == 1
        process.terminate()
        assert process.communicate(timeout=10)[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("text", ["", "{}", "no json"])
def test_a_wrong_configuration_is_one_clear_line(tmp_path: Path, text: str) -> None:
    """The supervisor's log says which file is wrong."""
    (tmp_path / "farm.json").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "chaoslib_cp.testbed.farm", str(tmp_path / "farm.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("TestbedFailed: agent farm: ")
    assert done.stderr.count("\n") == 1
