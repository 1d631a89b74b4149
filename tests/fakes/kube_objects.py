"""Objects as an API server keeps them (UIDs, 404, 409, preconditions), served by the scripted server on loopback.

    with KubeObjects(tmp_path) as kube:
        kube.mark()
        kube.configuration()            # kubeconfig with the contexts runner, admin, break-glass, observer, agent
        kube.fail_next("POST", "/apis/apps", HANG)
        kube.objects["/api/v1/namespaces/kube-system/configmaps/x"]

A failure may be told to happen after the write was carried out: the lost reply.
"""

import copy
import datetime
import itertools
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from chaoslib_cp.cluster.gate.marker import MARKER_PATH, marker_manifest
from chaoslib_cp.cluster.undo.objects import OBJECT_KINDS
from chaoslib_cp.settings import Settings, read_settings
from tests.fakes.api_server import Answer, FakeApiServer, Request, json_answer
from tests.fakes.certificates import Authority
from tests.fakes.json_patch import merged_with, patched_by

CLUSTER_UID = "11111111-2222-3333-4444-555555555555"
CONTEXTS = ("runner", "admin", "break-glass", "observer", "agent")
KINDS = {name: kind.collection for name, kind in OBJECT_KINDS.items()}
METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH")
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
FAR_FUTURE_S = 4_000_000_000.0
RUNNING: dict[str, Any] = {"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]}
_SYSTEM = "/api/v1/namespaces/kube-system"


def _discovery() -> dict[str, dict[str, Any]]:
    """What kubectl asks before it deletes: which kinds there are, and where."""
    answers: dict[str, dict[str, Any]] = {"/api": {"kind": "APIVersions", "versions": ["v1"]}}
    groups: dict[str, Any] = {}
    for kind, template in KINDS.items():
        where, _, name = template.replace("/namespaces/{namespace}", "").rpartition("/")
        version = where.removeprefix("/api/").removeprefix("/apis/")
        facts = {"name": name, "singularName": kind.lower(), "kind": kind, "namespaced": "{" in template}
        resources = answers.setdefault(
            where, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": []}
        )
        resources["resources"].append({**facts, "verbs": ["create", "delete", "get", "list", "patch"]})
        if "/" in version:
            named = {"groupVersion": version, "version": version.partition("/")[2]}
            groups[version] = {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}
    answers["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())}
    return answers


DISCOVERY = _discovery()
# The kinds of which there are lists with nothing in them.
LISTED = {template.rpartition("/")[2]: kind for kind, template in KINDS.items()} | {
    "pods": "Pod",
    "nodes": "Node",
    "events": "Event",
    "leases": "Lease",
}


@dataclass
class _Failure:
    method: str
    prefix: str
    answer: Answer
    times: int
    after_the_write: bool
    who: str
    lands_late: bool


@dataclass
class KubeObjects:
    """A small cluster.

    Attributes:
        folder: Where certificates and kubeconfig are put.
        objects: Everything that exists, by its path.
        on_create: Called with an object's path just before it is made.
        before_request: Called with each request before it is answered.
        late: Requests that are carried out when :meth:`land_late` is called.
        refused_images: Images of DaemonSets that are answered 422.
        authority: Who issues its certificates; a new one if not given.
        denied: What a review of rights denies: verb and resource, perhaps with who asks in front of them, and the
            namespace behind.
        uid: UID of its kube-system.
        pods_outlive_by: For how many requests pods outlive their DaemonSet; None for no controller, so no pods.
        pod_status: What the kubelet makes of a pod at once.
    """

    folder: Path
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    on_create: Callable[[str], None] = lambda _path: None
    before_request: Callable[[Request], None] = lambda _request: None
    late: list[Request] = field(default_factory=list)
    refused_images: set[str] = field(default_factory=set)
    denied: set[tuple[str, ...]] = field(default_factory=set)
    authority: Authority | None = None
    uid: str = CLUSTER_UID
    pods_outlive_by: int | None = None
    pod_status: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(RUNNING))

    def __post_init__(self) -> None:
        """Make certificates and the server."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._authority = self.authority or Authority(self.folder)
        self.tls = self._authority.server_context(ask_for_certificate=True)
        self.server = FakeApiServer(self.tls)
        self._uids = itertools.count(1)
        self._failures: list[_Failure] = []
        self.objects[_SYSTEM] = {"kind": "Namespace", "metadata": {"name": "kube-system", "uid": self.uid}}

    def __enter__(self) -> "KubeObjects":
        self.server.__enter__()
        for method in METHODS:
            self.server.on(method, "/", self.answer)
        self._write_kubeconfig()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    def mark(
        self,
        uid: str = "",
        owner: str = "tests",
        expires_epoch_s: float = FAR_FUTURE_S,
        accepted_signs: Collection[str] = (),
    ) -> None:
        """Put the owner's mark."""
        self.objects[MARKER_PATH] = marker_manifest(uid or self.uid, owner, expires_epoch_s, accepted_signs)

    def add_nodes(self, count: int = 1, **labels: str) -> None:
        """Put nodes there, all with these labels (``__`` for ``/``, ``_`` for ``.``)."""
        named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
        for number in range(count):
            self.objects[f"/api/v1/nodes/node-{number}"] = {"metadata": {"name": f"node-{number}", "labels": named}}

    def add_dns_deployment(self, **labels: str) -> None:
        """Put CoreDNS' Deployment there, with labels beside its own."""
        named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
        metadata = {"name": "coredns", "labels": {"k8s-app": "kube-dns", **named}}
        self.objects["/apis/apps/v1/namespaces/kube-system/deployments/coredns"] = {"metadata": metadata}

    def configuration(self, **more: Any) -> dict[str, Any]:
        """An experiment's configuration that leads here."""
        return {"kubeconfig": str(self.kubeconfig), **more}

    def settings(self, **more: Any) -> Settings:
        """What a run with that configuration was told."""
        return read_settings(self.configuration(**more))

    @property
    def kubeconfig(self) -> Path:
        """Path of the kubeconfig."""
        return self.folder / "kubeconfig"

    def fail_next(
        self,
        method: str,
        prefix: str,
        answer: Answer,
        times: int = 1,
        after_the_write: bool = False,
        who: str = "",
        lands_late: bool = False,
    ) -> None:
        """Answer the next ``times`` matching requests (of one user only, if named) with ``answer``.

        With ``lands_late`` they are carried out when :meth:`land_late` is called.
        """
        self._failures.append(_Failure(method, prefix, answer, times, after_the_write, who, lands_late))

    def land_late(self) -> None:
        """Carry out what was kept."""
        while self.late:
            self.carry_out(self.late.pop(0))

    def heal(self) -> None:
        """No failure any more."""
        self._failures.clear()

    def writes(self) -> list[Request]:
        """Requests that would have changed something."""
        return [
            one
            for one in self.server.requests
            if one.method not in ("GET", "HEAD") and "dryRun" not in one.query and one.path not in (REVIEWS, WHO_AM_I)
        ]

    def rename_context(self, old: str, new: str) -> None:
        """Give a context of the kubeconfig another name."""
        document = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        for context in document["contexts"]:
            context["name"] = new if context["name"] == old else context["name"]
        self.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")

    def serve_below(self, path: str, other: "KubeObjects", context: str) -> None:
        """Serve another cluster at this address and with this CA, below a path, and name it by a context."""
        for method in METHODS:
            self.server.on(method, f"{path}/", lambda one: other.take(replace(one, path=one.path.removeprefix(path))))
        document = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        server = f"https://127.0.0.1:{self.server.port}{path}"
        cluster = {**document["clusters"][0]["cluster"], "server": server}
        document["clusters"].append({"name": context, "cluster": cluster})
        document["contexts"].append({"name": context, "context": {"cluster": context, "user": "runner"}})
        self.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")

    def take(self, request: Request) -> Answer:
        """Answer a request that came by another server."""
        self.server.requests.append(request)
        return self.answer(request)

    def lead_to(self, path: str) -> None:
        """Let every context lead to what is served below a path."""
        document = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        for cluster in document["clusters"]:
            cluster["cluster"]["server"] = f"https://127.0.0.1:{self.server.port}{path}"
        self.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")

    def expire(self, who: str) -> None:
        """Let the client certificate of an identity have expired an hour ago."""
        self._authority.issue(f"user-{who}", lasts=-datetime.timedelta(hours=1))

    def add_dns_service(
        self,
        name: str = "kube-dns",
        namespace: str = "kube-system",
        selector: Mapping[str, str] = {"k8s-app": "kube-dns"},
        addresses: Sequence[str] = ("10.96.0.10",),
        **spec: Any,
    ) -> None:
        """Put a Service of DNS there, as its own cluster has it."""
        ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
        self.objects[f"/api/v1/namespaces/{namespace}/services/{name}"] = {
            "metadata": {"name": name, "namespace": namespace, "labels": dict(selector)},
            "spec": {
                "selector": dict(selector),
                "clusterIP": addresses[0],
                "clusterIPs": list(addresses),
                "ports": ports,
                **spec,
            },
        }

    def add_dns_pod(
        self,
        name: str,
        node: str = "worker-1",
        is_ready: bool = True,
        namespace: str = "kube-system",
        labels: Mapping[str, str] = {"k8s-app": "kube-dns"},
        **status: Any,
    ) -> None:
        """Put a DNS pod there."""
        state = [{"type": "Ready", "status": "True" if is_ready else "False"}]
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{next(self._uids)}", "labels": dict(labels)}
        self.objects[f"/api/v1/namespaces/{namespace}/pods/{name}"] = {
            "metadata": metadata,
            "spec": {"nodeName": node},
            "status": {"conditions": state, **status},
        }

    def add_node(self, name: str, ready: str = "True", message: str = "", **labels: str) -> None:
        """Put a node there whose condition Ready is as said; with an empty one it has no condition yet."""
        conditions = [{"type": "Ready", "status": ready, "message": message}] if ready else []
        metadata = {"name": name, "labels": {key.replace("__", "/").replace("_", "."): v for key, v in labels.items()}}
        self.objects[f"/api/v1/nodes/{name}"] = {"metadata": metadata, "status": {"conditions": conditions}}

    def _write_kubeconfig(self) -> None:
        users = {name: self._authority.issue(f"user-{name}") for name in CONTEXTS}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "fake",
                    "cluster": {
                        "server": f"https://127.0.0.1:{self.server.port}",
                        "certificate-authority": str(self._authority.ca_file),
                    },
                }
            ],
            "contexts": [{"name": name, "context": {"cluster": "fake", "user": name}} for name in CONTEXTS],
            "current-context": "admin",
            "users": [
                {"name": name, "user": {"client-certificate": str(files.cert), "client-key": str(files.key)}}
                for name, files in users.items()
            ],
        }
        self.kubeconfig.write_text(yaml.safe_dump(document), encoding="utf-8")

    def control_daemonsets(self) -> None:
        """Do what the DaemonSet controller and the garbage collector do between two requests."""
        if self.pods_outlive_by is None:
            return
        owners = {one["metadata"]["uid"]: path for path, one in self.objects.items() if "/daemonsets/" in path}
        for path, pod in list(self.objects.items()):
            if pod.get("owner") and pod["owner"] not in owners:
                pod["outlives_by"] -= 1
                if pod["outlives_by"] < 0:
                    del self.objects[path]
        for uid, path in owners.items():
            template: dict[str, Any] = (self.objects[path].get("spec") or {}).get("template") or {}
            namespace = path.split("/")[5]
            for node in ("a", "b") if template else ():
                name = f"{path.rpartition('/')[2]}-{node}-{uid}"
                owners_of_it = [{"kind": "DaemonSet", "name": path.rpartition("/")[2], "uid": uid}]
                metadata = {**template["metadata"], "name": name, "namespace": namespace, "uid": f"pod-{name}"}
                metadata["ownerReferences"] = owners_of_it
                pod = {"metadata": metadata, "owner": uid, "outlives_by": self.pods_outlive_by}
                self.objects.setdefault(f"/api/v1/namespaces/{namespace}/pods/{name}", pod)

    def answer(self, request: Request) -> Answer:
        """Answer as the cluster does now: with a failure, if one is meant for this request."""
        self.control_daemonsets()
        self.before_request(request)
        for failure in self._failures:
            is_meant = failure.method == request.method and request.path.startswith(failure.prefix)
            if is_meant and failure.times > 0 and failure.who in ("", (request.peer_name or "").removeprefix("user-")):
                failure.times -= 1
                if failure.after_the_write:
                    self.carry_out(request)
                if failure.lands_late and request.path != REVIEWS:
                    self.late.append(request)
                return failure.answer
        return self.carry_out(request)

    def carry_out(self, request: Request) -> Answer:
        """Do what the request asks, without any failure."""
        match request.method:
            case "POST":
                return self._create(request)
            case "DELETE":
                return self._delete(request)
            case "PATCH":
                return self._patch(request)
            case "HEAD":  # authorized as the read itself, and then not served
                return Answer(404 if self._read(request).status == 404 else 405)
        return self._read(request)

    def _create(self, request: Request) -> Answer:
        manifest = request.json()
        if request.path == REVIEWS:
            return json_answer({"status": {"allowed": self._allows(request)}}, 201)
        if request.path == WHO_AM_I:
            who = {"username": request.peer_name or "", "groups": ["system:authenticated"]}
            return json_answer({"status": {"userInfo": who}}, 201)
        path = f"{request.path}/{manifest['metadata']['name']}"
        containers = (((manifest.get("spec") or {}).get("template") or {}).get("spec") or {}).get("containers") or []
        if self.refused_images & {container["image"] for container in containers}:
            return _status(422, "this image is refused")
        if path in self.objects:
            return _status(409, "already exists")
        if "dryRun" not in request.query:
            self.on_create(path)
            manifest["metadata"]["uid"] = f"uid-{next(self._uids)}"
            manifest["metadata"]["resourceVersion"] = "1"
            if request.path.endswith("/pods"):
                manifest["status"] = copy.deepcopy(self.pod_status)
            self.objects[path] = manifest
        return json_answer(manifest, 201)

    def _allows(self, request: Request) -> bool:
        spec = request.json()["spec"]
        asked = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
        what = (asked["verb"], asked.get("resource") or asked["path"])
        who = (request.peer_name or "").removeprefix("user-")
        return not {what, (who, *what), (who, *what, asked.get("namespace", ""))} & self.denied

    def _delete(self, request: Request) -> Answer:
        found = self.objects.get(request.path)
        if found is None and "labelSelector" in request.query:
            return self._delete_collection(request)
        if found is None:
            return _status(404, "not found")
        wanted = (request.json() if request.body else {}).get("preconditions") or {}
        for key in ("uid", "resourceVersion"):
            if wanted.get(key) and wanted[key] != found["metadata"].get(key):
                return _status(409, f"the {key} in the precondition does not match")
        del self.objects[request.path]
        return json_answer({"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def _delete_collection(self, request: Request) -> Answer:
        wanted = [pair.partition("=") for pair in request.query["labelSelector"].split(",")]
        inside = [path for path in self.objects if request.path in _collections(path)]
        chosen = [path for path in inside if _has(self.objects[path], wanted)]
        for path in chosen[: int(request.query.get("limit", len(chosen)))]:
            del self.objects[path]
        return json_answer({"apiVersion": "v1", "kind": "Status", "status": "Success"})

    def _patch(self, request: Request) -> Answer:
        found = self.objects.get(request.path)
        if request.headers.get("content-type") == "application/apply-patch+yaml":
            applied = merged_with(found or {}, request.json())
            self.objects[request.path] = applied
            return json_answer(applied, 200 if found else 201)
        if found is None:
            return _status(404, "not found")
        try:
            if request.headers.get("content-type") == "application/merge-patch+json":
                patched = merged_with(found, request.json())
            else:
                patched = patched_by(found, request.body.decode())
        except (KeyError, ValueError, TypeError):
            return _status(422, "the server rejected our request due to an error in our request")
        patched["metadata"]["resourceVersion"] = str(int(found["metadata"].get("resourceVersion") or 0) + 1)
        if "dryRun" not in request.query:
            self.objects[request.path] = patched
        return json_answer(patched)

    def _read(self, request: Request) -> Answer:
        if request.path in self.objects:
            return json_answer(self.objects[request.path])
        if request.path in DISCOVERY:
            return json_answer(DISCOVERY[request.path])
        items = [found for path, found in self.objects.items() if request.path in _collections(path)]
        kind = request.path.rpartition("/")[2]
        if items or kind in LISTED:
            wanted = [pair.partition("=") for pair in request.query.get("labelSelector", "").split(",") if pair]
            fields = [pair.split("=") for pair in request.query.get("fieldSelector", "").split(",") if pair]
            chosen = [i for i in items if _has(i, wanted) and all(_field(i, key) == value for key, value in fields)]
            words = request.path.split("/")
            version = words[2] if words[1] == "api" else "/".join(words[2:4])
            facts = {"kind": f"{LISTED.get(kind, '')}List", "apiVersion": version}
            limit = int(request.query.get("limit", len(chosen)))
            more = {"continue": "more"} if len(chosen) > limit else {}
            return json_answer({**facts, "metadata": {"resourceVersion": "7", **more}, "items": chosen[:limit]})
        return _status(404, "not found")


def _collections(path: str) -> tuple[str, str]:
    """The lists an object is in: its namespace's, and that of all namespaces."""
    folder = path.rpartition("/")[0]
    return folder, re.sub(r"/namespaces/[^/]+/", "/", folder)


def _field(item: dict[str, Any], path: str) -> Any:
    """What a field selector looks at."""
    for key in path.split("."):
        item = item.get(key) or {}
    return item


def _has(item: dict[str, Any], wanted: list[tuple[str, str, str]]) -> bool:
    labels = item["metadata"].get("labels") or {}
    return all(labels.get(key) == value if equals else key in labels for key, equals, value in wanted)


def _status(code: int, message: str) -> Answer:
    return Answer(code, {}, json.dumps({"kind": "Status", "message": message}).encode())
