"""Fills a testbed: many Node and Pod objects, fast. KWOK gives them their status.

Sixteen plain HTTP/1.1 connections and JSON made here create about 400 objects a second, where KWOK's own tool creates
20. Filling is idempotent: what is there already stays.
"""

import asyncio
import hashlib
import http
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.api import ApiAccess, Manifest
from chaoslib_cp.testbed.async_api import ApiSession, NoAnswerError, api_connect

FILLER_NAMESPACE = "filler"
FAKE_NODE_LABELS = {"type": "kwok"}
PADDING = "chaoslib-cp.testbed/padding"
CONNECTIONS = 16
_LABELS = {"app.kubernetes.io/managed-by": "chaoslib-cp"}
_DEADLINE_S = 120.0
_RETRY_S = 0.2
_WATCH_PERIOD_S = 0.2
# a starting API server answers 403 until its authorizer has synced (seen for some 10 s)
_FORBIDDEN_FOR_S = 15.0
# what a mid-sized cloud machine has; DaemonSet pods must fit, filler pods ask for nothing
_CAPACITY = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
# 254 nodes to a /24 of addresses that nobody uses
_PER_SUBNET = 254


@dataclass(frozen=True)
class FillReport:
    """How many objects were created, were there already, and how long it took, in seconds."""

    created: int
    present: int
    duration_s: float


@dataclass(frozen=True)
class _Creation:
    path: str
    name: str
    body: bytes


def node_name(index: int) -> str:
    """Return the name of fake node ``index`` (from 0)."""
    return f"kwok-{index:03d}"


def node_manifest(index: int) -> Manifest:
    """Return a fake node, tainted so that only pods which tolerate everything land there."""
    name = node_name(index)
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    address = f"172.18.{1 + index // _PER_SUBNET}.{1 + index % _PER_SUBNET}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**_LABELS, **FAKE_NODE_LABELS, **labels}},
        "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "allocatable": _CAPACITY,
            "capacity": _CAPACITY,
        },
    }


def pod_manifest(node: int, index: int, pod_bytes: int) -> Manifest:
    """Return a filler pod, bound to its node, padded until its JSON has ``pod_bytes`` bytes.

    The padding is hexadecimal, so that gzip halves it: real pods are not made of one repeated letter.
    """
    name = f"filler-{node_name(node)}-{index:03d}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": FILLER_NAMESPACE,
            "labels": {**_LABELS, "app": "filler"},
            "annotations": {PADDING: ""},
        },
        "spec": {
            "nodeName": node_name(node),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            # stays where it is when its node is NotReady for long, as it will be in a storm
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "filler", "image": "registry.example/filler:1"}],
        },
    }
    missing = pod_bytes - len(_encode(manifest))
    if missing > 0:
        manifest["metadata"]["annotations"][PADDING] = _hex_text(name, missing)  # type: ignore[index]
    return manifest


def _nothing() -> None:
    """Watch nothing."""


def fill_pods(
    api: ApiAccess, nodes: int, pods_per_node: int, pod_bytes: int, watch: Callable[[], None] = _nothing
) -> FillReport:
    """Create the pods of all fake nodes. They come first, bound to nodes that are made later.

    So a cluster's controllers and kubelets start while this goes on, and KWOK finds each pod once: pods that are
    created while it takes over their node are played twice (measured: nearly half of them). The pod garbage collector
    leaves orphans alone for 40 s (source: kube-controller-manager, podgc, quarantineTime).

    Args:
        api: where and as whom; needs to create namespaces, ServiceAccounts, nodes and pods.
        nodes: how many fake nodes there will be.
        pods_per_node: filler pods on each.
        pod_bytes: size of a filler pod's JSON as sent; the API server adds some 700 bytes of its own.
        watch: called five times a second; what it raises ends the fill.

    Raises:
        TestbedFailed: an object was refused, or the API server did not answer for two minutes.
    """
    return asyncio.run(_create_all(api, _foundation(), _pods(nodes, pods_per_node, pod_bytes), watch))


def fill_nodes(api: ApiAccess, nodes: int, watch: Callable[[], None] = _nothing) -> FillReport:
    """Create the fake nodes; arguments and errors as with ``fill_pods``."""
    return asyncio.run(_create_all(api, [], _nodes(nodes), watch))


def _nodes(nodes: int) -> Iterator[_Creation]:
    for node in range(nodes):
        yield _Creation("/api/v1/nodes?fieldValidation=Ignore", f"Node {node_name(node)}", _encode(node_manifest(node)))


def _pods(nodes: int, pods_per_node: int, pod_bytes: int) -> Iterator[_Creation]:
    # round robin, so that the API server's and KWOK's work is spread over the nodes
    for index in range(pods_per_node):
        for node in range(nodes):
            manifest = pod_manifest(node, index, pod_bytes)
            path = f"/api/v1/namespaces/{FILLER_NAMESPACE}/pods?fieldValidation=Ignore"
            yield _Creation(path, f"Pod {manifest['metadata']['name']}", _encode(manifest))


def _foundation() -> list[_Creation]:
    """The namespace and its default account, which pods need; the controller would make it a little later."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FILLER_NAMESPACE, "labels": _LABELS}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    return [
        _Creation("/api/v1/namespaces", f"Namespace {FILLER_NAMESPACE}", _encode(namespace)),
        _Creation(
            f"/api/v1/namespaces/{FILLER_NAMESPACE}/serviceaccounts",
            f"ServiceAccount {FILLER_NAMESPACE}/default",
            _encode(account),
        ),
    ]


async def _create_all(
    api: ApiAccess, first: list[_Creation], then: Iterator[_Creation], watch: Callable[[], None]
) -> FillReport:
    begun_s = time.monotonic()
    ends_at_s = begun_s + _DEADLINE_S
    connect = api_connect(api, asyncio.get_running_loop())
    sessions = [ApiSession(connect, api.server_name) for _ in range(CONNECTIONS)]
    try:
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(_keep_watch(watch))
            statuses = [await _create(sessions[0], one, ends_at_s) for one in first]
            # one iterator for all: whoever is free takes the next object
            workers = [group.create_task(_work(session, then, ends_at_s)) for session in sessions]
            await asyncio.wait(workers)
            watcher.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    finally:
        for session in sessions:
            session.close()
    statuses += [status for worker in workers for status in worker.result()]
    created = statuses.count(http.HTTPStatus.CREATED)
    return FillReport(created, len(statuses) - created, time.monotonic() - begun_s)


async def _keep_watch(watch: Callable[[], None]) -> None:
    while True:
        watch()
        await asyncio.sleep(_WATCH_PERIOD_S)


async def _work(session: ApiSession, creations: Iterator[_Creation], ends_at_s: float) -> list[int]:
    return [await _create(session, creation, ends_at_s) for creation in creations]


async def _create(session: ApiSession, creation: _Creation, ends_at_s: float) -> int:
    """Create one object, again and again while the API server is not ready for it, and return the last status."""
    last_words = "none"
    while (now_s := time.monotonic()) < ends_at_s:
        wait_s = _RETRY_S
        try:
            answer = await session.request("POST", creation.path, creation.body, timeout_s=ends_at_s - now_s)
        except NoAnswerError as error:
            last_words = error.outcome
        else:
            if answer.status in (http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT):
                return answer.status
            last_words = f"{answer.status} {answer.words()}"
            if not _is_passing(answer.status, now_s - (ends_at_s - _DEADLINE_S)):
                break
            wait_s = answer.retry_after_s or _RETRY_S
        await asyncio.sleep(wait_s)
    raise TestbedFailed(
        f"{creation.name} could not be created, last answer: {last_words}; the cluster is half filled; bring the "
        "testbed up again"
    )


def _is_passing(status: int, since_s: float) -> bool:
    """Say whether a refusal may go away: overload, and right after a start the rights that are not loaded yet."""
    if status == http.HTTPStatus.FORBIDDEN:
        return since_s < _FORBIDDEN_FOR_S
    return status == http.HTTPStatus.TOO_MANY_REQUESTS or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR


def _encode(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, separators=(",", ":")).encode()


def _hex_text(seed: str, length: int) -> str:
    # the same name gives the same text, so that two fills make equal clusters
    return hashlib.shake_256(seed.encode()).hexdigest(length // 2 + 1)[:length]
