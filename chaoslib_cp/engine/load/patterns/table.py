"""The table of patterns.

Costs by version are those of the gates of kubernetes/apiserver (``pkg/features/kube_features.go``): lists without a
resourceVersion come from the watch cache from 1.31 on (ConsistentListFromCache), JSON lists are streamed from 1.33 on
(StreamingCollectionEncodingToJSON), a watch can begin with all objects on 1.32 and from 1.34 on, but not on 1.33
(WatchList), further pages and exact versions come from snapshots in the cache from 1.34 on (ListFromCacheSnapshot).
"""

from typing import Any, Final

from chaoslib_cp.engine.load.patterns import bodies
from chaoslib_cp.engine.load.patterns.pattern import COLLECTIONS, Cost, Era, Pattern

_PODS: Final = COLLECTIONS["pods"]
_CACHED: Final = {"resourceVersion": "0"}
_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_WRITE: Final = "one write to etcd each, on every version"


def _pods(query: dict[str, str] | None = None, **keys: Any) -> dict[str, Any]:
    return {"path": _PODS, "accept": "application/json", "query": query or {}, **keys}


def _always(cost: Cost, why: str) -> tuple[Era, ...]:
    return (Era(0, cost, why),)


_ROWS: Final = (
    Pattern(
        "list-pods",
        "P1",
        "lists all pods, as a client does that says no resourceVersion",
        "every object is read, converted and encoded for every request",
        (
            Era(0, "extreme", "each list is read from etcd, decoded and encoded whole"),
            Era(31, "high", "from the watch cache, but encoded into one buffer"),
            Era(33, "medium", "from the watch cache and streamed: CPU and egress, hardly memory"),
        ),
        _pods(),
        of_any=True,
    ),
    Pattern(
        "list-pods-from-cache",
        "P2",
        "lists all pods with resourceVersion 0, uncompressed, as informers begin with",
        "every object is copied from the cache and encoded",
        (
            Era(0, "high", "encoded into one buffer: memory of several times the answer"),
            Era(33, "medium", "streamed: CPU and egress, hardly memory"),
        ),
        _pods(_CACHED, gzip=False),
        of_any=True,
    ),
    Pattern(
        "list-pods-yaml",
        "P3",
        "lists all pods as YAML, as scripts and CI do",
        "the answer is made as JSON, parsed again and written as YAML, all in memory",
        _always("extreme", "YAML is never streamed: about 130 times the JSON in memory"),
        _pods(_CACHED, accept="application/yaml"),
        of_any=True,
    ),
    Pattern(
        "list-pods-pretty",
        "P4",
        "lists all pods as indented JSON, which curl and browsers are given unasked",
        "one buffer holds the whole indented answer",
        _always("high", "indented JSON is never streamed"),
        _pods({**_CACHED, "pretty": "true"}),
        of_any=True,
    ),
    Pattern(
        "list-pods-table",
        "P5",
        "lists all pods as a table with whole objects, as dashboards do",
        "each object becomes a row; one buffer holds the whole answer",
        _always("high", "tables are never streamed"),
        _pods({**_CACHED, "includeObject": "Object"}, accept=_TABLE),
        of_any=True,
    ),
    Pattern(
        "list-pods-gzip",
        "P6",
        "lists all pods with resourceVersion 0 and compressed, as Go clients do",
        "compression on top of copying and encoding; the client never decompresses",
        _always("high", "the server compresses every answer above 128 kB anew"),
        _pods(_CACHED, gzip=True),
        of_any=True,
    ),
    Pattern(
        "list-events",
        "P7",
        "lists all Events",
        "Events are in no watch cache: every list is read from etcd and decoded",
        (
            Era(0, "extreme", "etcd sends all Events in one answer each time"),
            Era(37, "high", "etcd is read as a stream (EtcdRangeStream), still each time"),
        ),
        _pods(path="/api/v1/events"),
    ),
    Pattern(
        "list-pods-no-match",
        "P8",
        "lists pods with a label selector that nothing matches",
        "every object is looked at; the answer is empty",
        (
            Era(0, "high", "every object is looked at in the cache and copied"),
            Era(31, "medium", "every object is looked at: CPU of the server for next to none of the client's"),
        ),
        _pods({**_CACHED, "labelSelector": "chaoslib-cp/nope=nope"}),
        of_any=True,
    ),
    Pattern(
        "list-pods-of-node",
        "P9",
        "lists the pods of its own node, with no resourceVersion",
        "a request that looks cheap makes etcd send every pod of the cluster",
        (
            Era(0, "extreme", "etcd knows no field selectors: it sends all pods, and the server drops most"),
            Era(31, "cheap", "the watch cache has an index on spec.nodeName"),
        ),
        _pods({"fieldSelector": "spec.nodeName={node}"}),
        instead="list-pods-running, whose selector no index serves",
    ),
    Pattern(
        "list-pods-running",
        "P10",
        "lists the pods in phase Running",
        "no index serves the selector: every object is looked at",
        (
            Era(0, "extreme", "etcd sends all pods, and the server looks at each"),
            Era(31, "medium", "the watch cache is scanned whole"),
        ),
        _pods({"fieldSelector": "status.phase=Running"}),
    ),
    Pattern(
        "list-pods-paged",
        "P11",
        "lists all pods in pages of 500, to the end",
        "each page is a read of its own, at the version of the first one",
        (
            Era(0, "high", "every page is read from etcd"),
            Era(34, "medium", "pages come from a snapshot in the cache; from etcd only when that is gone"),
        ),
        _pods({"limit": "500"}, gzip=False, paged=True),
        of_any=True,
    ),
    Pattern(
        "list-pods-old-exact",
        "P12",
        "lists all pods at an old resourceVersion, exactly",
        "the cache cannot answer for the version of when the load began, so etcd does",
        (
            Era(0, "high", "read from etcd"),
            Era(34, "cheap", "from a snapshot in the cache, and 410 when it is older than that"),
        ),
        _pods({"resourceVersion": "{resource_version}", "resourceVersionMatch": "Exact"}),
        of_any=True,
        instead="get-node, which is read from etcd on every version",
    ),
    Pattern(
        "watch-pods",
        "P13",
        "watches all pods with no resourceVersion, so the stream begins with all of them",
        "an event for each object, to each watcher; then every change, to each watcher",
        (
            Era(0, "high", "priority and fairness counts one seat for it, however many objects are sent"),
            Era(35, "medium", "its begin costs the seats of a list"),
        ),
        _pods({"watch": "1"}),
        of_any=True,
    ),
    Pattern(
        "watch-pods-initial-events",
        "P14",
        "watches pods and is sent all of them first, as client-go does from 1.35 on (WatchListClient)",
        "an event for each object, to each watcher; a seat only until all are sent",
        (
            Era(0, "refused", "the feature WatchList is off, so the server answers 422"),
            Era(32, "high", "all objects are sent as events"),
            Era(33, "refused", "the feature WatchList is off on 1.33, so the server answers 422"),
            Era(34, "high", "all objects are sent as events"),
        ),
        _pods({
            "watch": "1",
            "sendInitialEvents": "true",
            "allowWatchBookmarks": "true",
            "resourceVersionMatch": "NotOlderThan",
        }),
        of_any=True,
        instead="watch-pods",
    ),
    Pattern(
        "get-node",
        "P15",
        "reads the object of its own node",
        "a read without a resourceVersion goes to etcd",
        _always("medium", "one read from etcd and one seat each, on every version"),
        _pods(path="/api/v1/nodes/{node}"),
    ),
    Pattern(
        "get-pod",
        "P15",
        "reads the object of its own pod",
        "a read without a resourceVersion goes to etcd",
        _always("medium", "one read from etcd and one seat each, on every version"),
        _pods(path="/api/v1/namespaces/{namespace}/pods/{pod}"),
    ),
    Pattern(
        "create-events",
        "P16",
        "writes an Event of its own each time, as problem detectors and controllers do",
        "a write to etcd, sent on to every watcher",
        _always("medium", _WRITE),
        bodies.created(bodies.EVENT),
        body=bodies.EVENT,
    ),
    Pattern(
        "patch-node-status",
        "P16",
        "writes the status of its node, 8 kB, as kubelets do; a ConfigMap stands for it, since no Node is made",
        "a write to etcd, sent on to every watcher",
        _always("medium", _WRITE),
        bodies.applied(bodies.NODE_STATUS),
        body=bodies.NODE_STATUS,
    ),
    Pattern(
        "renew-leases",
        "P16",
        "makes or renews a Lease of its own, as kubelets and leaders do",
        "a write to etcd, sent on to every watcher",
        _always("medium", _WRITE),
        bodies.applied(bodies.LEASE),
        body=bodies.LEASE,
    ),
    Pattern(
        "delete-leases",
        "P16",
        "deletes its Lease, as when nodes come and go; beside renew-leases, which makes it again",
        "a write to etcd, sent on to every watcher",
        _always("medium", f"{_WRITE}; a read and 404 where there is none"),
        bodies.deleted(bodies.LEASE),
    ),
    Pattern(
        "new-connection",
        "P17",
        "connects anew for each request, as scripts and failing clients do",
        "handshake and authentication come before priority and fairness",
        _always("high", "nothing limits handshakes, on every version"),
        _pods(path="/version", connection="per-request"),
    ),
    Pattern(
        "discover-groups",
        "P18",
        "reads which API groups there are, as kubectl and controllers begin with",
        "a document for each client that starts",
        _always("medium", "cheap one by one; a storm when all start"),
        _pods(path="/apis"),
    ),
    Pattern(
        "read-openapi",
        "P18",
        "reads the OpenAPI document",
        "a document of megabytes",
        _always("medium", "megabytes of egress each, on every version"),
        _pods(path="/openapi/v2"),
    ),
    Pattern(
        "scrape-metrics",
        "P18",
        "scrapes the API server's own metrics",
        "megabytes of text are made anew; one seat, where a full list costs ten",
        _always("medium", "about 150 ms of CPU and one seat each (measured on 1.36.4), so far more run at once"),
        _pods(path="/metrics", accept="*/*"),
    ),
    Pattern(
        "list-custom-resources",
        "P19",
        "lists all objects of a custom resource, which the profile names as path",
        "custom resources have no protobuf and a slower encoder",
        _always("high", "about twice the encoding of built-in resources"),
        {"accept": "application/json", "query": {}},
        needs=("path",),
    ),
)  # fmt: skip

PATTERNS: Final = {row.name: row for row in _ROWS}
"""Every pattern by its name, in the order of its source."""
