"""What in a cluster's configuration of DNS makes the day of an outage worse: a look that changes nothing."""

import functools
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.cluster_dns import ClusterDns, find_cluster_dns
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.live_pods import live_pods
from chaoslib_cp.cluster.door.prober import configured_pages, find_prober, nameservers_of_pods
from chaoslib_cp.dns.corefile_source import CorefileSource, read_corefile
from chaoslib_cp.dns.node_cache import SELECTORS
from chaoslib_cp.dns.placement import no_node_cache, placement_weaknesses
from chaoslib_cp.engine.poison.weaknesses.served import Served, Version, read_served
from chaoslib_cp.engine.poison.weaknesses.table import corefile_weaknesses
from chaoslib_cp.engine.poison.weaknesses.weakness import LEVELS, Weakness, gravest_first
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid
from chaoslib_cp.settings import Settings

NEVER: Final = "never"
_NODE_CACHES: Final = tuple(ClusterDns("kube-system", one) for one in SELECTORS)
_FAIL_AT: Final[tuple[str, ...]] = (*LEVELS, NEVER)
_CALL_S: Final = 5.0
_NODES: Final = "/api/v1/nodes"
_CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
_MOST_BYTES: Final = 2800  # of the findings, in a result of 4 KB
_MOST_CHARACTERS: Final = 300  # of what an error says
# It has versions of its own: up to this one it is CoreDNS 1.13.2 or older (source: kubernetes/dns, go.mod).
_NODE_CACHE: Final = "node-cache"
_LAST_KNOWN: Final = (1, 26, 7)
_ITS_COREDNS: Final = (1, 13, 2)

_LOGGER = logging.getLogger("chaostoolkit")


@dataclass
class _Look:
    """One look at a cluster: what was found, and what could not be looked at."""

    clock: Clock
    deadline_s: float
    found: list[Weakness] = field(default_factory=list)
    not_seen: list[str] = field(default_factory=list)

    @property
    def call_s(self) -> float:
        """Limit of the next call."""
        return max(0.1, min(_CALL_S, self.deadline_s - self.clock.monotonic_s()))

    @contextmanager
    def at_a_part(self) -> Iterator[None]:
        """What one part cannot tell keeps no other from being looked at; an API that does not answer ends the look."""
        try:
            yield
        except CallFailed:
            raise
        except ControlPlaneError as error:
            self.not_seen.append(str(error)[:_MOST_CHARACTERS])


def known_level(fail_at: str, **_others: object) -> None:
    """Refuse a level that there is not.

    Raises:
        ProfileInvalid: There is no such level; nothing was asked.
    """
    if fail_at not in _FAIL_AT:
        raise ProfileInvalid(f"fail_at is {fail_at!r}; nothing was asked; use one of {', '.join(_FAIL_AT)}")


def look_at_configuration(settings: Settings, fail_at: str, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Look at the configuration of DNS; keys are told by ``dns_configuration_risks``."""
    look = _Look(clock, clock.monotonic_s() + timeout_s)
    pages = configured_pages(settings)
    try:
        with open_cluster(settings) as cluster:
            _look_at_all(look, cluster, pages)
    except ControlPlaneError as error:
        look.not_seen.append(str(error)[:_MOST_CHARACTERS])
    found = gravest_first(look.found)
    failing = sum(_FAIL_AT.index(one.level) >= _FAIL_AT.index(fail_at) for one in found)
    if settings.run_dir is not None:
        _say(str(settings.run_dir), tuple(found), failing, tuple(look.not_seen))
    shown = list(_that_fit(found))
    counted = Counter(one.level for one in found)
    return {
        "ok": not failing and not look.not_seen,
        **{level: counted[level] for level in reversed(LEVELS)},
        "findings": shown,
        "left_off": len(found) - len(shown),
        "not_seen": look.not_seen,
    }


def _look_at_all(look: _Look, cluster: Cluster, pages: tuple[str, ...]) -> None:
    asked = _asked_by_pods(look, cluster, pages)
    where = find_cluster_dns(cluster, look.call_s, lambda: asked)
    pods = _pods(look, cluster, where)
    with look.at_a_part():
        look.found += placement_weaknesses(str(where), pods, *_nodes(look, cluster))
    served: Served | None = None
    with look.at_a_part():
        source = read_corefile(cluster, where, pods, look.call_s)
        served = read_served(source.text, "", source.port, source.version)
        look.found += corefile_weaknesses(served, _named(source))
    with look.at_a_part():
        _look_at_node_caches(look, cluster, served, set(asked) - set(where.addresses) if where.addresses else set())


def _look_at_node_caches(look: _Look, cluster: Cluster, behind: Served | None, others: set[str]) -> None:
    """Look at the caches on the nodes.

    Args:
        look: To which this belongs.
        cluster: As the runner.
        behind: What the DNS servers answer; None where nobody knows.
        others: Addresses that pods ask and that are not of cluster DNS.
    """
    found = ((one, _pods(look, cluster, one)) for one in _NODE_CACHES)
    where, caches = next(((one, pods) for one, pods in found if pods), (_NODE_CACHES[0], []))
    if not caches:
        look.found.append(no_node_cache(sorted(others)))
        return
    source = read_corefile(cluster, where, caches, look.call_s)
    zone, arriving_s = (behind.zone, behind.ttl_s) if behind else ("", None)
    served = read_served(source.text, zone, source.port, _coredns_version(source), arriving_s)
    look.found += corefile_weaknesses(served, _named(source), "node caches")


def _asked_by_pods(look: _Look, cluster: Cluster, pages: tuple[str, ...]) -> Sequence[str]:
    """What pods have in their resolv.conf, as the prober tells; nothing where there is none."""
    try:
        return nameservers_of_pods(pages or find_prober(cluster, timeout_s=look.call_s).pages)
    except CallFailed:
        raise
    except ControlPlaneError:
        return ()


def _pods(look: _Look, cluster: Cluster, where: ClusterDns) -> list[dict[str, Any]]:
    listed = cluster.get(where.pods_path, timeout_s=look.call_s, labelSelector=where.selector)
    return live_pods(cluster, listed, look.call_s)


def _nodes(look: _Look, cluster: Cluster) -> tuple[set[str], int]:
    """Names of the nodes of the control plane, and how many nodes there are: thousands are counted, not read."""
    leading = cluster.get(_NODES, timeout_s=look.call_s, labelSelector=_CONTROL_PLANE) or {}
    first = cluster.get(_NODES, timeout_s=look.call_s, limit="1") or {}
    left = int((first.get("metadata") or {}).get("remainingItemCount") or 0)
    return {str(node["metadata"]["name"]) for node in leading.get("items") or []}, len(first.get("items") or []) + left


def _named(source: CorefileSource) -> str:
    return f"ConfigMap {source.namespace}/{source.config_map}"


def _coredns_version(source: CorefileSource) -> Version | None:
    """Which CoreDNS is in the image of a node cache."""
    if _NODE_CACHE not in source.image:
        return source.version
    return _ITS_COREDNS if source.version and source.version <= _LAST_KNOWN else None


def _that_fit(found: Sequence[Weakness]) -> Iterator[Mapping[str, str]]:
    """The gravest, as many as a result has room for."""
    room = _MOST_BYTES
    for one in found:
        room -= len(json.dumps(asdict(one)))
        if room < 0:
            return
        yield asdict(one)


@functools.lru_cache(maxsize=1)
def _say(_run: str, found: tuple[Weakness, ...], failing: int, not_seen: tuple[str, ...]) -> None:
    """Say it on the terminal; the rounds of a hypothesis repeat the look, and what has not changed is not said again.

    Args:
        _run: In which run; another one is told anew.
        found: The gravest first.
        failing: How many of them fail.
        not_seen: What could not be looked at.
    """
    for number, one in enumerate(found):
        _LOGGER.log(logging.WARNING if number < failing else logging.INFO, "DNS, %s", one.sentence())
    for words in not_seen:
        _LOGGER.warning("DNS, not looked at: %s", words)
