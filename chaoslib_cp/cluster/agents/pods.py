"""The objects of agents: what they are told, and one pod on every node, or a number of pods.

Shape agreed with the agents (``chaoslib_cp/agent``): the profile is a ConfigMap key ``profile.json``, an agent's state
an emptyDir, and it ends by itself at the profile's absolute deadline, whatever becomes of the API.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.door.labels import ENDS_AT, FAULT_LABEL, OWNER_LABELS, ROLE_LABEL, RUN_LABEL
from chaoslib_cp.cluster.door.nodes import LINUX, OS_LABEL
from chaoslib_cp.cluster.gate.roles import object_name
from chaoslib_cp.cluster.injection import Injection
from chaoslib_cp.cluster.undo.kinds.delete_object import of_manifest
from chaoslib_cp.cluster.undo.kinds.kind import Right
from chaoslib_cp.cluster.undo.objects import group_and_resource
from chaoslib_cp.cluster.undo.rights import require_right, require_undo_rights

_PROFILE_FOLDER: Final = "/etc/chaoslib-cp"
_STATE_FOLDER: Final = "/var/lib/chaoslib-cp"
_TOLD: Final = ("--profile", f"{_PROFILE_FOLDER}/profile.json", "--state", _STATE_FOLDER)
_KEPT_S: Final = 600
"""How long a Job that is over stays with its pods' logs, where nobody takes it back; seconds."""


@dataclass(frozen=True)
class JobShape:
    """Pods of a Job, numbered from 0.

    Attributes:
        pods: How many there are, all at once.
        deadline_s: After so many seconds the kubelet ends each without the API, and the Job's controller all of them:
            longer than they take by themselves.
        arguments: What each is told on its command line beside what all agents are.
    """

    pods: int
    deadline_s: int
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgentPods:
    """The agents of one fault.

    Attributes:
        fault: Id of the fault, for the labels.
        run: Run id, for the labels.
        namespace: Where they live.
        role: What they are called: the value of a label, and the container's name.
        ends_at_epoch_s: When each ends by itself, seconds since 1970.
        image: What they run.
    """

    fault: str
    run: str
    namespace: str
    role: str
    ends_at_epoch_s: float
    image: AgentImage

    @property
    def name(self) -> str:
        """Name of all objects but the ServiceAccount: one that the runner's roles name (``roles.py``)."""
        return object_name(self.fault)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every object and pod."""
        return {**OWNER_LABELS, ROLE_LABEL: self.role, RUN_LABEL: self.run, FAULT_LABEL: self.fault}

    def object(self, version: str, kind: str, name: str, namespaced: bool = False) -> dict[str, Any]:
        """An object without a content, known as ours, with its end."""
        metadata: dict[str, Any] = {"name": name, "labels": self.labels, "annotations": self._ends_at}
        if namespaced:
            metadata["namespace"] = self.namespace
        return {"apiVersion": version, "kind": kind, "metadata": metadata}

    def config_map(self, profile: Mapping[str, Any]) -> dict[str, Any]:
        """What agents are told."""
        told = {"profile.json": json.dumps(profile, sort_keys=True)}
        return {**self.object("v1", "ConfigMap", self.name, namespaced=True), "data": told}

    def daemonset(self, program: str, pod: Mapping[str, Any], resources: Mapping[str, Any]) -> dict[str, Any]:
        """One pod on every node that takes it.

        Args:
            program: What of ``python -m chaoslib_cp.agent`` it runs.
            pod: What else its pods' spec has.
            resources: Requests and limits of the container.
        """
        selector = {ROLE_LABEL: self.role, RUN_LABEL: self.run, FAULT_LABEL: self.fault}
        # the pods outlive the DaemonSet while the garbage collector starves: they carry their end themselves
        metadata = {"labels": self.labels, "annotations": self._ends_at}
        spec = {
            "selector": {"matchLabels": selector},
            # A change would reach all nodes at once, as the rollout itself does.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": metadata, "spec": {**self._pod(program, resources), **pod}},
        }
        return {**self.object("apps/v1", "DaemonSet", self.name, namespaced=True), "spec": spec}

    def job(
        self, program: str, pod: Mapping[str, Any], resources: Mapping[str, Any], shape: JobShape
    ) -> dict[str, Any]:
        """A number of pods that play once, spread over the nodes that take them.

        None is made anew: one that fails ends the Job, and so all of them.

        Args:
            program: What of ``python -m chaoslib_cp.agent`` it runs.
            pod: What else its pods' spec has.
            resources: Requests and limits of the container.
            shape: How many, and for how long at most.
        """
        selector = {RUN_LABEL: self.run, FAULT_LABEL: self.fault}
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector},
        }
        once = {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": shape.deadline_s,
            "terminationGracePeriodSeconds": 10,  # they tell their result when they are deleted
            "topologySpreadConstraints": [spread],
        }
        spec = {
            "completionMode": "Indexed",
            "completions": shape.pods,
            "parallelism": shape.pods,
            "backoffLimit": 0,
            "activeDeadlineSeconds": shape.deadline_s,
            "ttlSecondsAfterFinished": _KEPT_S,
            "template": {
                "metadata": {"labels": self.labels, "annotations": self._ends_at},
                "spec": {**self._pod(program, resources, shape.arguments), **once, **pod},
            },
        }
        return {**self.object("batch/v1", "Job", self.name, namespaced=True), "spec": spec}

    @property
    def _ends_at(self) -> dict[str, str]:
        return {ENDS_AT: f"{self.ends_at_epoch_s:.0f}"}

    def _pod(self, program: str, resources: Mapping[str, Any], arguments: Iterable[str] = ()) -> dict[str, Any]:
        secret = self.image.pull_secret
        return {
            **({"imagePullSecrets": [{"name": secret}]} if secret else {}),
            "nodeSelector": {OS_LABEL: LINUX},
            "terminationGracePeriodSeconds": 5,
            # The image names its user (65532); naming it here would make a rootless kubelet change owners, and fail.
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [self._container([program, *_TOLD, *arguments], resources)],
            "volumes": [
                {"name": "profile", "configMap": {"name": self.name}},
                {"name": "state", "emptyDir": {}},
            ],
        }

    def _container(self, arguments: list[str], resources: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": self.role,
            "image": self.image.name,
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "args": arguments,
            "resources": dict(resources),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "profile", "mountPath": _PROFILE_FOLDER, "readOnly": True},
                {"name": "state", "mountPath": _STATE_FOLDER},
            ],
        }


def make(injection: Injection, manifests: Iterable[Mapping[str, Any]], namespace: str) -> list[str]:
    """Create objects of agents, each on record first; the one that starts them comes last.

    Returns:
        The objects made, as people write them.

    Raises:
        TargetRefused: The runner may not make one of them, or take it back, or not see why agents do not start; nothing
            was made.
        ControlPlaneError: One could not be made, or noted.
    """
    listed = list(manifests)
    entries = [of_manifest(manifest) for manifest in listed]
    require_undo_rights(injection.cluster, entries)
    for manifest in listed:
        kind, where = manifest["kind"], manifest["metadata"].get("namespace", "")
        made = Right("create", *group_and_resource(kind), kind, where)
        require_right(injection.cluster, made, "so there would be no agents")
    read_events = Right("list", "", "events", "Event", namespace)
    require_right(injection.cluster, read_events, "so nobody could tell why agents do not start")
    for manifest in listed:
        injection.create(manifest)
    return [str(entry) for entry in entries]
