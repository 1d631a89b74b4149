"""The rogue DNS server as Kubernetes objects: what it is told, and one pod.

No Service and no Deployment: DNS servers ask the pod by its own address, so neither kube-proxy nor a controller, which
may starve, stands between them, and the rogue sees who asks. A pod alone may have ``activeDeadlineSeconds``, the fuse
that the kubelet burns without the API. It is never started again: a rogue that has died is passed over.
"""

from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import (
    ENDS_AT,
    FAULT_LABEL,
    LIBRARY_NAMESPACE,
    OWNER_LABELS,
    ROLE_LABEL,
    RUN_LABEL,
)
from chaoslib_cp.cluster.door.live_pods import complaints, is_dying, is_over, is_ready
from chaoslib_cp.cluster.door.nodes import LINUX, OS_LABEL
from chaoslib_cp.cluster.gate.roles import object_name
from chaoslib_cp.cluster.undo.objects import object_path
from chaoslib_cp.engine.poison.rogue import ROGUE_PORTS, RogueSettings
from chaoslib_cp.errors import TargetUnreachable
from chaoslib_cp.waits import waiting_for

ROLE: Final = "dns-rogue"
_FOLDER: Final = "/etc/chaoslib-cp"
_FILE: Final = "rogue.json"
_FUSE_S: Final = 600  # after its end it tells the truth; while the Corefile is armed it may as well
_CALL_S: Final = 5.0
_POLL_S: Final = 0.5


@dataclass(frozen=True)
class RoguePod:
    """What is made where.

    Attributes:
        settings: What the rogue is told.
        run: Run id, for the labels.
        fault: Id of the fault, for the labels.
        image: Image that holds chaoslib_cp.
        image_pull_secret: Secret of our namespace with which it is pulled; empty for none.
    """

    settings: RogueSettings
    run: str
    fault: str
    image: str
    image_pull_secret: str = ""

    @property
    def path(self) -> str:
        """API path of the pod."""
        return object_path("Pod", LIBRARY_NAMESPACE, object_name(self.fault))

    def manifests(self) -> list[dict[str, Any]]:
        """Both objects in the order in which they are made."""
        return [
            {**self._object("ConfigMap"), "data": {_FILE: self.settings.as_json()}},
            {**self._object("Pod"), "spec": self._spec()},
        ]

    def _object(self, kind: str) -> dict[str, Any]:
        labels = {**OWNER_LABELS, ROLE_LABEL: ROLE, RUN_LABEL: self.run, FAULT_LABEL: self.fault}
        ends_at = {ENDS_AT: f"{self.settings.ends_at_epoch_s:.0f}"}
        metadata = {"name": object_name(self.fault), "namespace": LIBRARY_NAMESPACE}
        return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "labels": labels, "annotations": ends_at}}

    def _spec(self) -> dict[str, Any]:
        stays = [
            {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
            for what in ("not-ready", "unreachable")
        ]
        return {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": int(self.settings.lasts_s) + _FUSE_S,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"imagePullSecrets": [{"name": self.image_pull_secret}]} if self.image_pull_secret else {}),
            "nodeSelector": {OS_LABEL: LINUX},
            "tolerations": stays,  # a node that cannot reach the API is no reason to end it early
            "dnsPolicy": "Default",  # it looks up nothing
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [self._container()],
            "volumes": [{"name": "settings", "configMap": {"name": object_name(self.fault)}}],
        }

    def _container(self) -> dict[str, Any]:
        return {
            "name": ROLE,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "args": [ROLE, "--settings", f"{_FOLDER}/{_FILE}"],
            "readinessProbe": {"tcpSocket": {"port": ROGUE_PORTS[-1]}, "periodSeconds": 1, "timeoutSeconds": 2},
            # No CPU limit: a throttled rogue is late where nobody asked for it.
            "resources": {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "settings", "mountPath": _FOLDER, "readOnly": True}],
        }


def wait_until_it_runs(cluster: Cluster, rogue: RoguePod, within_s: float, clock: Clock) -> str:
    """Wait until the rogue answers, and return its address.

    Raises:
        TargetUnreachable: It does not in time, or the API stopped answering.
    """
    end_s, pod = clock.monotonic_s() + within_s, None
    with waiting_for("the rogue DNS server to run", within_s):
        while True:
            pod = cluster.get(rogue.path, timeout_s=_CALL_S) or {}
            address = str((pod.get("status") or {}).get("podIP") or "")
            if address and is_ready(pod):
                return address
            if clock.monotonic_s() >= end_s or is_over(pod) or is_dying(pod):
                why = next(complaints(pod), "") or "nobody says why"
                raise TargetUnreachable(
                    f"the rogue DNS server, pod {LIBRARY_NAMESPACE}/{object_name(rogue.fault)} of image {rogue.image}, "
                    f"does not run within {within_s:g} s ({' '.join(why.split())[:200]}); it is taken back; see that "
                    "its nodes can pull that image, or name another one (agent_image)"
                )
            clock.sleep(_POLL_S)
