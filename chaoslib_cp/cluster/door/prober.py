"""Where the pages of the workload probers are: addresses and ports that need no DNS and no API once they are known."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.live_pods import is_dying, is_over, live_pods
from chaoslib_cp.errors import ProfileInvalid, TargetUnreachable
from chaoslib_cp.outcome import of_socket_error
from chaoslib_cp.settings import Settings

PROBER_SERVICE = "workload-prober"
_CONTAINER: Final = "prober"
_DNS_ARGUMENT: Final = "--cluster-dns="
MOST_PAGES: Final = 10
"""How many probers a run reads; those that nobody reads ask nothing. Each takes some fifteen samples a second: those of
ten are 40 kB of timeline a second, and 150 questions to cluster DNS."""
_PAGE_S: Final = 2.0
_MOST_BYTES: Final = 4_000_000
_NOTHING_OLD: Final = "/?after=999999999999999999"


@dataclass(frozen=True)
class ProberFacts:
    """What the API says of the prober.

    Attributes:
        pages: ``ip:port`` of its NodePort on the node of each of its living pods, ten at most, IPv6 addresses in
            brackets.
        image: The image that it runs, empty when it has no pod.
        image_pull_secret: The first secret with which that image is pulled, empty when none is named.
    """

    pages: tuple[str, ...] = ()
    image: str = ""
    image_pull_secret: str = ""


@dataclass(frozen=True)
class ProberObjects:
    """The prober as the API shows it.

    Attributes:
        service: The Service of its page; None when there is none.
        pods: Its pods that have not ended and were not deleted.
    """

    service: Mapping[str, Any] | None = None
    pods: tuple[Mapping[str, Any], ...] = ()

    @property
    def node_port(self) -> int:
        """The port of its page on every node; 0 when the Service has none."""
        return _node_port(self.service or {})

    @property
    def facts(self) -> ProberFacts:
        """What follows from these pods."""
        pages = tuple(dict.fromkeys(self.nodes))[:MOST_PAGES]
        return ProberFacts(pages, *_image(self.pods[0] if self.pods else {}))

    @property
    def nodes(self) -> dict[str, str]:
        """The node of each page; empty where the pod names none."""
        port = self.node_port
        places = [
            ((pod.get("status") or {}).get("hostIP"), (pod.get("spec") or {}).get("nodeName")) for pod in self.pods
        ]
        return {f"{_bracketed(str(host))}:{port}": str(node or "") for host, node in places if host and port}

    @property
    def crowded(self) -> list[str]:
        """Addresses of the nodes with several of its pods: their page shows one of them now and another one then."""
        hosts = [str((pod.get("status") or {}).get("hostIP") or "") for pod in self.pods]
        return sorted({host for host in hosts if host and hosts.count(host) > 1})

    @property
    def told_dns(self) -> str:
        """The address of cluster DNS that its manifest names; empty when it takes that of its resolv.conf."""
        containers = [one for pod in self.pods for one in _probers(pod)]
        words = [str(word) for one in containers for word in one.get("args") or []]
        return next((word.removeprefix(_DNS_ARGUMENT) for word in words if word.startswith(_DNS_ARGUMENT)), "")


@dataclass(frozen=True)
class ProberPage:
    """What the prober's page says of itself.

    Attributes:
        nameservers: What pods have in their resolv.conf.
        ahead_s: Seconds that the prober's clock is ahead of ours; None where the page does not tell.
        node: The node that it runs on; empty where the page does not tell.
    """

    nameservers: tuple[str, ...] = ()
    ahead_s: float | None = None
    node: str = ""


def read_prober(cluster: Cluster, namespace: str = LIBRARY_NAMESPACE, timeout_s: float = 5.0) -> ProberObjects:
    """Read the prober's Service and pods.

    Args:
        cluster: As the runner.
        namespace: Where the prober lives.
        timeout_s: Limit of each of the two reads.

    Raises:
        TargetRefused: The runner may not read Services or Pods.
        CallFailed: The API does not answer.
    """
    where = f"/api/v1/namespaces/{namespace}"
    service = cluster.get(f"{where}/services/{PROBER_SERVICE}", timeout_s=timeout_s)
    if service is None:
        return ProberObjects()
    selector = ",".join(f"{key}={value}" for key, value in (service["spec"].get("selector") or {}).items())
    listed = cluster.get(f"{where}/pods", timeout_s=timeout_s, labelSelector=selector) or {}
    pods = [pod for pod in listed.get("items") or [] if not is_over(pod) and not is_dying(pod)]
    return ProberObjects(service, tuple(pods))


def find_prober(cluster: Cluster, namespace: str = LIBRARY_NAMESPACE, timeout_s: float = 5.0) -> ProberFacts:
    """Look the prober up: its pods on nodes that are alive.

    Args:
        cluster: As the runner.
        namespace: Where the prober lives.
        timeout_s: Limit of each of the two reads.

    Returns:
        What is known of it; nothing if there is no prober.

    Raises:
        TargetRefused: The runner may not read Services or Pods.
        CallFailed: The API does not answer.
    """
    found = read_prober(cluster, namespace, timeout_s)
    alive = live_pods(cluster, {"items": found.pods}, timeout_s) if found.node_port else []
    return ProberObjects(found.service, tuple(alive)).facts


def configured_pages(settings: Settings) -> tuple[str, ...]:
    """The pages that the configuration names; none when the prober is to be looked up.

    Raises:
        ProfileInvalid: ``prober_pages`` is no list of texts; nothing was changed.
    """
    given = settings.prober_pages
    pages = [] if given is None or given == "" else given
    if not isinstance(pages, list | tuple) or not all(isinstance(page, str) for page in pages):
        raise ProfileInvalid(
            f"{settings.said('prober_pages')} is {given!r}; nothing was changed; use a list of ip:port, or leave it out"
        )
    return tuple(pages)


def nameservers_of_pods(pages: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that the probers have in their resolv.conf, as the first page tells; none when none answers."""
    read = (one.nameservers for one in read_pages(pages).values() if isinstance(one, ProberPage))
    return next(filter(None, read), ())


def read_pages(pages: tuple[str, ...]) -> dict[str, ProberPage | TargetUnreachable]:
    """Ask pages what they say of themselves, all at the same time, within 2 s: each, or why it does not answer."""
    if not pages:
        return {}
    with ThreadPoolExecutor(max_workers=len(pages)) as threads:
        return dict(zip(pages, threads.map(_read_or_why, pages), strict=True))


def _read_or_why(page: str) -> ProberPage | TargetUnreachable:
    try:
        return read_page(page)
    except TargetUnreachable as error:
        return error


def read_page(page: str) -> ProberPage:
    """Ask a page what it says of itself, within 2 s.

    Args:
        page: ``ip:port``.

    Raises:
        TargetUnreachable: Nothing answers there, or what answers is no prober; its words are one outcome.
    """
    clock = SystemClock()
    try:
        connection = HTTPConnection(*_host_and_port(page), timeout=_PAGE_S)
        sent_s = clock.epoch_s()
        try:
            connection.request("GET", _NOTHING_OLD)
            told = json.loads(connection.getresponse().read(_MOST_BYTES))
        finally:
            connection.close()
        middle_s = (sent_s + clock.epoch_s()) / 2
        if not {"prober", "nameservers"} & told.keys():
            raise TargetUnreachable("not a prober's page")
        now_s = told.get("now_s")
        return ProberPage(
            nameservers=tuple(map(str, told.get("nameservers") or ())),
            ahead_s=float(now_s) - middle_s if now_s is not None else None,
            node=str(told.get("node") or ""),
        )
    except OSError as error:
        raise TargetUnreachable(of_socket_error(error)) from error
    except (HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TargetUnreachable("not a prober's page") from error


def _host_and_port(page: str) -> tuple[str, int]:
    host, _, port = page.rpartition(":")
    return host.strip("[]"), int(port)


def _bracketed(host: str) -> str:
    """An address as it stands before a port (source: RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def _node_port(service: Mapping[str, Any]) -> int:
    ports = (service.get("spec") or {}).get("ports") or []
    return next((int(port["nodePort"]) for port in ports if port.get("nodePort")), 0)


def _probers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prober's own containers; what an admission webhook put beside it is not meant."""
    return [one for one in (pod.get("spec") or {}).get("containers") or [] if one.get("name") == _CONTAINER]


def _image(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Image and pull secret."""
    images = [str(one.get("image") or "") for one in _probers(pod)]
    secrets = [str(one.get("name") or "") for one in (pod.get("spec") or {}).get("imagePullSecrets") or []]
    return next(iter(images), ""), next(iter(secrets), "")
