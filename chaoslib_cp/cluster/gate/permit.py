"""The local permit: what the gate found while the API was healthy, checked later without the API."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.cluster_dns import USUAL, ClusterDns
from chaoslib_cp.cluster.gate.allowed import PINS
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.settings import WITHOUT_CONTROL, Settings
from chaoslib_cp.state import state_root


@dataclass(frozen=True)
class Permit:
    """Leave to change one cluster in one run.

    Attributes:
        run: Run it was given to.
        cluster_uid: UID of kube-system.
        ca_sha256: Hash of the cluster's certificate authority.
        server: ``https://host:port/path`` as configured: one host with one authority may serve many clusters.
        context: The runner's context, empty when there is no kubeconfig.
        addresses: The API server's addresses as ``ip:port``.
        owner: Who marked the cluster.
        expires_epoch_s: When it ends, seconds since 1970.
        granted_boot_s: When it was given, on the clock that is never set (seconds since the machine's start).
        expires_boot_s: When it ends on that clock: setting the other one lengthens no permit.
        prober_pages: Where the workload prober's page is (``ip:port``), noted while the API could be asked.
        dns_pods: The DNS pods there were (name by UID), noted likewise.
        dns_namespace: Where those are.
        dns_selector: What labels they have, as a label selector.
        dns_addresses: Addresses of the Services in front of them; none where no Service was found.
        dns_doubt: Why nobody can tell which pods are meant; empty when somebody can.
        prober_image: The image that the prober ran, empty when there was no prober.
        prober_pull_secret: The secret with which that was pulled, empty for none.
        api_servers: Where each API server listens (``ip:port``), noted likewise; none where the cluster does not tell.
    """

    run: str
    cluster_uid: str
    ca_sha256: str
    server: str
    context: str
    addresses: tuple[str, ...]
    owner: str
    expires_epoch_s: float
    granted_boot_s: float
    expires_boot_s: float
    prober_pages: tuple[str, ...] = ()
    dns_pods: Mapping[str, str] = field(default_factory=dict)
    dns_namespace: str = USUAL.namespace
    dns_selector: str = USUAL.selector
    dns_addresses: tuple[str, ...] = ()
    dns_doubt: str = ""
    prober_image: str = ""
    prober_pull_secret: str = ""
    api_servers: tuple[str, ...] = ()

    @property
    def dns(self) -> ClusterDns:
        """Where the DNS servers are."""
        return ClusterDns(self.dns_namespace, self.dns_selector, addresses=self.dns_addresses)

    def refusal(self, cluster: Cluster, pinned_uid: str, clock: Clock) -> str:
        """Why it does not cover a change of this cluster now; empty when it does."""
        if clock.epoch_s() >= self.expires_epoch_s or clock.monotonic_s() >= self.expires_boot_s:
            return "the permit of this run has expired"
        if clock.monotonic_s() < self.granted_boot_s:
            return "the permit of this run was given before this machine was started"
        if cluster.ca_sha256 != self.ca_sha256:
            return "the permit is for another certificate authority"
        if (cluster.server, cluster.context) != (self.server, self.context):
            return (
                f"the permit is for {_place(self.server, self.context)}, not {_place(cluster.server, cluster.context)}"
            )
        if not set(cluster.addresses) & set(self.addresses):
            return f"the permit is for {', '.join(self.addresses)}, not {', '.join(cluster.addresses)}"
        if pinned_uid and pinned_uid != self.cluster_uid:
            return f"the permit is for cluster {self.cluster_uid}, this run is pinned to {pinned_uid} ({PINS})"
        return ""


def permit_path(run: str) -> Path:
    """Where the permit of a run lies."""
    return state_root() / "permits" / f"{run}.json"


def write_permit(permit: Permit) -> None:
    """Put a permit on disk, for this user alone, whole or not at all.

    Raises:
        TargetRefused: It cannot be written; nothing was changed.
    """
    path = permit_path(permit.run)
    half = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half.unlink(missing_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as writer:
            json.dump(asdict(permit), writer)
        half.replace(path)
    except OSError as error:
        raise TargetRefused(
            f"cannot write permit {path}: {error.strerror}; nothing was changed; check the disk"
        ) from error


def read_permit(run: str) -> Permit | None:
    """The permit of a run; None when there is none, or when it is not one we would trust."""
    path = permit_path(run)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, encoding="utf-8") as reader:
            facts = os.fstat(reader.fileno())
            content = json.load(reader)
    except (OSError, ValueError):
        return None
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077 or not isinstance(content, dict):
        return None
    return _parse(content)


def permit_for(settings: Settings, cluster: Cluster, pinned_uid: str, clock: Clock) -> Permit | None:
    """The permit of this run, whatever it covers; without a control the one that covers this cluster now, if any."""
    if not settings.is_without_control:
        return read_permit(settings.run)
    found = (
        read_permit(path.stem) for path in sorted(permit_path(settings.run).parent.glob(f"{WITHOUT_CONTROL}-*.json"))
    )
    return next((one for one in found if one and not one.refusal(cluster, pinned_uid, clock)), None)


def _parse(content: Mapping[str, Any]) -> Permit | None:
    match content:
        case {
            "run": str() as run,
            "cluster_uid": str() as uid,
            "ca_sha256": str() as ca,
            "server": str() as server,
            "context": str() as context,
            "addresses": [*addresses],
            "owner": str() as owner,
            "expires_epoch_s": int() | float() as expires,
            "granted_boot_s": int() | float() as granted_boot,
            "expires_boot_s": int() | float() as expires_boot,
            "prober_pages": [*pages],
            "dns_pods": dict() as pods,
            "dns_namespace": str() as dns_namespace,
            "dns_selector": str() as dns_selector,
            "dns_addresses": [*dns_addresses],
            "dns_doubt": str() as doubt,
            "prober_image": str() as image,
            "prober_pull_secret": str() as pull_secret,
            "api_servers": [*api_servers],
        } if math.isfinite(expires + granted_boot + expires_boot):
            named = {str(key): str(name) for key, name in pods.items()}
            ends = (float(expires), float(granted_boot), float(expires_boot))
            where = (uid, ca, server, context, tuple(map(str, addresses)))
            return Permit(
                run,
                *where,
                owner,
                *ends,
                prober_pages=tuple(map(str, pages)),
                dns_pods=named,
                dns_namespace=dns_namespace,
                dns_selector=dns_selector,
                dns_addresses=tuple(map(str, dns_addresses)),
                dns_doubt=doubt,
                prober_image=image,
                prober_pull_secret=pull_secret,
                api_servers=tuple(map(str, api_servers)),
            )
    return None


def _place(server: str, context: str) -> str:
    return f"{server} by context {context}" if context else server
