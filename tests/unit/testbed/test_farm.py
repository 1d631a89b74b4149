"""The agent farm against a scripted API server: who gets an agent, as whom it asks, what ends it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.farm.farm import Farm
from tests.fakes.api_server import HANG, Answer, FakeApiServer, Request, json_answer
from tests.fakes.telemetry_cluster import PROFILE, TelemetryCluster, listing, node, pod, telemetry_cluster
from tests.scaffold.waiting import until_async


def running(farm: Farm, count: int) -> Callable[[], bool]:
    """Return a condition: that many agents run."""
    return lambda: bool(farm.status()["agents"]["running"] == count)


TOKENS = ("token-of-uid-1", "token-of-uid-2")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[TelemetryCluster]:
    """A cluster to play on."""
    with telemetry_cluster(tmp_path) as started:
        yield started


def test_each_pod_is_asked_for_as_its_node_and_played_as_itself(cluster: TelemetryCluster) -> None:
    """Token and profile are fetched as the node would, bound to the pod; the load carries the pod's own token."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1, "kwok-000"), pod(2, "kwok-001")))
    cluster.server.on("GET", "/api/v1/nodes/", Answer())
    requests = [{"path": "/metrics", "period_s": 0.1}, {"pattern": "get-node", "period_s": 0.1}]
    profile = json_answer({"data": {"profile.json": json.dumps({**PROFILE, "requests": requests})}})
    cluster.server.on("GET", "/api/v1/namespaces/monitoring/configmaps/telemetry-profile", profile)

    async def steps(farm: Farm) -> None:
        await until_async(lambda: len(cluster.seen("/nodes/kwok-000")) > 1, "an agent asks for its own node")
        await until_async(lambda: len(cluster.seen("/nodes/kwok-001")) > 1, "and so does the other")
        await until_async(lambda: farm.status()["requests"]["outcomes"].get("ok", 0) >= 6, "agents are answered")

    status = cluster.play(steps)
    assert status["agents"] == {"running": 2, "started": 2, "too_late": 0, "never_started": 0, "last_ended_at_s": None}
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
    assert {one.headers["authorization"] for one in load} == {f"Bearer {token}" for token in TOKENS}
    assert {one.peer_name for one in load} == {None}
    # an agent that waits for a slow answer opens another one: how many there are is not the point
    first, second = ({one.connection for one in load if token in one.headers["authorization"]} for token in TOKENS)
    assert not first & second, "no agent uses another one's connection"


def test_only_running_pods_on_fake_nodes_are_played(cluster: TelemetryCluster) -> None:
    """Pods of kubelet nodes run themselves; pending and terminating ones send nothing, as on a real node."""
    others = [pod(1, "worker-1"), pod(2, phase="Pending"), pod(3, deletionTimestamp="2026-11-22T12:00:00Z"), pod(4)]
    cluster.server.on("GET", "/api/v1/pods", listing(*others))

    async def steps(farm: Farm) -> None:
        await until_async(running(farm, 1), "one agent runs")
        await asyncio.sleep(0.3)

    assert cluster.play(steps)["pods"] == 3
    assert {one.headers["authorization"] for one in cluster.seen("/metrics")} == {"Bearer token-of-uid-4"}


def test_the_load_follows_pods_and_nodes(cluster: TelemetryCluster) -> None:
    """A new pod adds load; a deleted pod, a terminating pod and a node that is gone each take theirs away."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1), pod(2)))

    async def steps(farm: Farm) -> None:
        await until_async(running(farm, 2), "the first two run")
        # a bookmark brings a version and an object without a name
        cluster.pods.send({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "205"}}})
        cluster.pods.send({"type": "ADDED", "object": pod(3, "kwok-001", phase="Pending")})
        cluster.pods.send({"type": "MODIFIED", "object": pod(3, "kwok-001")})
        await until_async(running(farm, 3), "the new one runs")
        cluster.pods.send({"type": "DELETED", "object": pod(1)})
        await until_async(running(farm, 2), "the deleted one is gone")
        cluster.pods.send({"type": "MODIFIED", "object": pod(2, deletionTimestamp="2026-11-22T12:00:00Z")})
        await until_async(running(farm, 1), "the terminating one is gone")
        cluster.nodes.send({"type": "DELETED", "object": node(1)})
        await until_async(running(farm, 0), "the node's agent is gone")
        cluster.nodes.send({"type": "ADDED", "object": node(1)})
        await asyncio.sleep(0.2)
        assert running(farm, 0)(), "a container that ran once is not started again"

    cluster.play(steps)


def test_the_load_goes_on_while_the_watch_is_dead(cluster: TelemetryCluster) -> None:
    """The API server restarts and refuses lists: what ran runs on, and changes are seen once lists work again."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1), pod(2)), Answer(503), listing(pod(2)))

    async def steps(farm: Farm) -> None:
        await until_async(running(farm, 2), "both run")
        await until_async(lambda: farm.status()["watches"]["pods"]["state"] == "watching", "the watch stands")
        cluster.server.drop_connections()
        await until_async(lambda: "503" in farm.status()["watches"]["pods"]["last_error"], "a list was refused")
        assert running(farm, 2)()
        sent = len(cluster.seen("/metrics"))
        await until_async(lambda: len(cluster.seen("/metrics")) > sent + 5, "the load went on")
        await until_async(running(farm, 1), "the list worked and showed that a pod is gone")

    cluster.play(steps)


def test_an_agent_without_a_token_is_reported_and_tries_on(cluster: TelemetryCluster) -> None:
    """A drowned API server hands out no tokens: those pods are counted with the reason, and start when it does."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    refused = Answer(403, body=b'{"message": "no relationship found"}')
    path = "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token"
    cluster.server.on("POST", path, Answer(429, {"Retry-After": "0"}), refused, refused, cluster.token)

    async def steps(farm: Farm) -> None:
        await until_async(lambda: bool(farm.status()["never_started"]), "the pod is listed as not started")
        await until_async(
            lambda: "no relationship" in farm.status()["never_started"][0]["reason"], "the reason is told"
        )
        waiting = farm.status()["never_started"][0]
        assert (waiting["pod"], waiting["node"]) == ("monitoring/telemetry-1", "kwok-000")
        await until_async(running(farm, 1), "it starts after all")

    assert cluster.play(steps)["agents"]["never_started"] == 0


def test_a_hanging_token_request_starts_nobody(cluster: TelemetryCluster) -> None:
    """No answer is no token: nothing is sent without an identity."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    cluster.server.on("POST", "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token", HANG)

    async def steps(farm: Farm) -> None:
        await until_async(lambda: len(cluster.seen("/token")) == 1, "the token was asked for")
        await asyncio.sleep(0.2)
        assert farm.status()["agents"]["never_started"] == 1

    cluster.play(steps)
    assert cluster.seen("/metrics") == []


def test_a_rollout_after_its_deadline_starts_nobody(cluster: TelemetryCluster) -> None:
    """The absolute deadline in the profile holds on fake nodes, too."""
    late = json.dumps({**PROFILE, "deadline_epoch_s": 1.0e9})
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    cluster.server.on("GET", "/api/v1/namespaces/monitoring/configmaps", json_answer({"data": {"profile.json": late}}))
    path = "/api/v1/namespaces/monitoring/configmaps/telemetry-profile"
    cluster.server.on("GET", path, json_answer({"data": {"profile.json": late}}))

    async def steps(farm: Farm) -> None:
        await until_async(lambda: farm.status()["agents"]["too_late"] == 1, "it is counted as too late")

    cluster.play(steps)
    assert cluster.seen("/metrics") == []


def test_an_expired_watch_is_listed_anew(cluster: TelemetryCluster) -> None:
    """A watch that fell too far behind ends with 410 inside; the farm catches up by a list."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)), listing(pod(1), pod(2)))

    async def steps(farm: Farm) -> None:
        await until_async(running(farm, 1), "the first runs")
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        cluster.pods.send({"type": "ERROR", "object": gone})
        await until_async(running(farm, 2), "the list brought the second")

    assert "too old" in cluster.play(steps)["watches"]["pods"]["last_error"]


def told_profile(cluster: TelemetryCluster, page: FakeApiServer) -> None:
    """Have the profile of all pods say that this page is told."""
    profile = json.dumps({**PROFILE, "fault": "agent_rollout-1", "report_to": [f"127.0.0.1:{page.port}"]})
    path = "/api/v1/namespaces/monitoring/configmaps/telemetry-profile"
    cluster.server.on("GET", path, json_answer({"data": {"profile.json": profile}}))
    page.on("POST", "/account", json_answer({}))


def test_the_farm_tells_one_account_of_all_agents_of_a_rollout(cluster: TelemetryCluster) -> None:
    """Wanted are all its pods on fake nodes; those that could not begin have their reason in it."""
    cluster.server.on(
        "GET", "/api/v1/pods", listing(pod(1), pod(2, "kwok-001"), pod(3, image="other:1"), pod(4, "w-1"))
    )

    def token(request: Request) -> Answer:
        return Answer(403) if request.headers["impersonate-user"].endswith("001") else cluster.token(request)

    cluster.server.on("POST", "/api/v1/namespaces/monitoring/serviceaccounts/telemetry/token", token)
    with FakeApiServer() as page:
        told_profile(cluster, page)

        async def steps(farm: Farm) -> None:
            await until_async(running(farm, 1), "one runs")
            await until_async(
                lambda: len(page.requests) >= 2 and page.requests[-1].json()["counts"]["sent"], "it tells"
            )

        cluster.play(steps)
        last = page.requests[-1].json()
    assert (last["fault"], last["source"]) == ("agent_rollout-1", "farm-test")
    assert (last["counts"]["agents_wanted"], last["counts"]["agents_began"]) == (3, 1)
    assert last["never_began"] in ("token-403", "image-not-known")
    assert last["counts"]["answered"] > 0


def test_a_pod_whose_image_is_not_known_never_starts(cluster: TelemetryCluster) -> None:
    """As on a real node: its container cannot be made, and nobody asks the API server in its name."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1, image="typo:1"), pod(2, image="docker.io/chaoslib-cp:1")))
    with FakeApiServer() as page:
        told_profile(cluster, page)

        async def steps(farm: Farm) -> None:
            await until_async(running(farm, 1), "the other one runs")
            await until_async(lambda: bool(cluster.seen("/metrics")), "it asks")
            await until_async(lambda: page.requests and page.requests[-1].json().get("never_began"), "it is told")

        status = cluster.play(steps)
        assert page.requests[-1].json()["never_began"] == "image-not-known"
    assert status["never_started"][0]["reason"] == "image not known: typo:1"
    assert {one.headers["authorization"] for one in cluster.seen("/metrics")} == {"Bearer token-of-uid-2"}


def test_a_prober_that_is_away_is_said_in_the_status(cluster: TelemetryCluster) -> None:
    """Nobody takes the account: the agents go on, and the status says it."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1)))
    with FakeApiServer() as page:
        told_profile(cluster, page)
        page.on("POST", "/account", Answer(503))

        async def steps(farm: Farm) -> None:
            await until_async(lambda: bool(farm.status()["untold"]), "it is said")
            await until_async(lambda: len(cluster.seen("/metrics")) > 5, "the load goes on")

        assert "the prober did not take the account: http_5xx" in cluster.play(steps)["untold"][0]


def test_agents_that_wait_are_told_of_all_along(cluster: TelemetryCluster) -> None:
    """A prober that was restarted in the meantime knows again who did not begin, and why."""
    cluster.server.on("GET", "/api/v1/pods", listing(pod(1, image="typo:1")))
    with FakeApiServer() as page:
        told_profile(cluster, page)

        async def steps(farm: Farm) -> None:
            await until_async(lambda: len(page.requests) >= 3, "the same is told again")
            assert farm.status()["agents"]["never_started"] == 1

        cluster.play(steps)
