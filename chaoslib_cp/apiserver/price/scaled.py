"""The profile as it is played for a price: spread evenly, in less time than its longest period, with fewer objects.

To an open model many slow agents are one quick one: a virtual node that asks ``speed`` times as often stands for
``speed`` nodes. So each kind of request comes at least once in a load of seconds, in its share of the whole.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.engine.capacity.agents import ReadKind
from chaoslib_cp.engine.load.fields import check
from chaoslib_cp.engine.load.profile import LINEAR, RETRY_NONE, ROLLOUTS_OWN, LoadProfile, RequestSpec

_LEAST_PERIOD_S: Final = 0.1
_MOST_IN_FLIGHT: Final = 64
_MOST_BYTES: Final = 68_719_476_736
_COUNT_S: Final = 5.0
_COLLECTION: Final = re.compile(r"/(?:api/[^/]+|apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/(?P<resource>[^/{}]+)")
# By these the watch cache finds objects without a look at the others (source: kubernetes/kubernetes, indexers of pods;
# metadata.name is the key itself), so what an answer costs does not grow with the collection.
_INDEXED: Final = ("spec.nodeName=", "metadata.name=")
_AS_IS: Final = ("limit", "continue", "watch", "labelSelector", "fieldSelector")
"""A query with one of these cannot be made to read fewer objects by a limit of ours."""
# With a version, a limit is ignored, or means another read.
_OF_A_VERSION: Final = ("resourceVersion", "resourceVersionMatch")


@dataclass(frozen=True)
class Scaled:
    """A profile that is played, and what one virtual node of it stands for.

    Attributes:
        profile: What a virtual node asks.
        speed: For how many nodes it stands.
    """

    profile: LoadProfile
    speed: float

    @property
    def rate_per_s(self) -> float:
        """Requests a second of one node as the profile has it."""
        return sum(1 / one.period_s for one in self.profile.requests) / self.speed

    def document(self) -> dict[str, Any]:
        """Its JSON form, as a file would have it."""
        return {key: value for key, value in self.profile.as_dict().items() if key not in ROLLOUTS_OWN}


def sped_up(profile: LoadProfile, rung_s: float) -> Scaled:
    """Play a profile so fast that its longest period fits into a load of ``rung_s`` seconds, where that can be.

    A pattern is played as what it stands for: the price of one that does not bite on this version is a price, too.

    Raises:
        ProfileInvalid: A request writes, so its cost grows with who watches and not with what there is to read; nothing
            was sent.
    """
    for number, one in enumerate(profile.requests):
        check(not one.is_write, f"requests[{number}].pattern", f"{one.pattern!r} writes, and a price is of reads alone")
    periods = [one.period_s for one in profile.requests]
    speed = max(1.0, min(max(periods) / rung_s, min(periods) / _LEAST_PERIOD_S))
    played = replace(
        profile,
        requests=tuple(replace(one, period_s=one.period_s / speed, pattern="") for one in profile.requests),
        ramp=LINEAR,
        ramp_s=0.0,
        ramp_steps=1,
        phase_ratio=1.0,
        jitter_ratio=0.0,  # the phase is drawn already; a request that is due after the end would be missing
        retry=RETRY_NONE,
        max_in_flight_per_agent=min(math.ceil(profile.max_in_flight_per_agent * speed), _MOST_IN_FLIGHT),
        max_bytes=_MOST_BYTES,
    )
    return Scaled(played, speed)


def with_fewer_objects(scaled: Scaled, kinds: Sequence[ReadKind], share: float) -> tuple[Scaled, list[ReadKind]] | None:
    """The same load, with lists that end after a share (0..1) of their objects; None where none can be made to.

    That reads fewer objects and makes none: ``limit`` (source: Kubernetes documentation, "Retrieving large results sets
    in chunks").
    """
    requests, fewer = [], []
    for spec, kind in zip(scaled.profile.requests, kinds, strict=True):
        limit = round(kind.objects * share)
        can = kind.grows and limit >= 1 and not any(key in spec.query for key in _AS_IS) and not spec.paged
        query = {key: value for key, value in spec.query.items() if key not in _OF_A_VERSION}
        requests.append(replace(spec, query={**query, "limit": str(limit)}) if can else spec)
        fewer.append(replace(kind, objects=limit) if can else kind)
    if fewer == list(kinds):
        return None
    return replace(scaled, profile=replace(scaled.profile, requests=tuple(requests))), fewer


def read_kinds(agent: Cluster, scaled: Scaled) -> list[ReadKind]:
    """Count what each request of a profile reads, by one small list of each collection."""
    counted: dict[str, int] = {}
    kinds = []
    for spec in scaled.profile.requests:
        rate_per_s = 1 / spec.period_s / scaled.speed
        grows = _reads_a_collection(spec)
        if grows and spec.path not in counted:
            counted[spec.path] = count_objects(agent, spec.path)
        kinds.append(ReadKind(rate_per_s, max(counted[spec.path], 1) if grows else 1, grows))
    return kinds


def count_objects(cluster: Cluster, path: str) -> int:
    """How many objects a collection has; 0 where nobody says."""
    try:
        answer = cluster.call("GET", path, query={"limit": "1"}, timeout_s=_COUNT_S)
    except CallFailed:
        return 0
    listed = answer.json()
    left = (listed.get("metadata") or {}).get("remainingItemCount") or 0
    return len(listed.get("items") or ()) + int(left)


def _reads_a_collection(spec: RequestSpec) -> bool:
    selector = spec.query.get("fieldSelector", "")
    return _COLLECTION.fullmatch(spec.path) is not None and not any(word in selector for word in _INDEXED)
