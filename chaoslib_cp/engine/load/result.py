"""What a load came to: told by one process, or added up from several. Nothing is rounded, so it adds up exactly."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from chaoslib_cp.engine.load.per_second import PerSecond
from chaoslib_cp.engine.load.profile import MAX_REQUEST_KINDS
from chaoslib_cp.engine.load.told import count_of, seconds_of
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.errors import ProfileInvalid

MAX_PACKED_BYTES: Final = 262_144
"""Of one process. Measured with 50 virtual nodes: 3 kB for a minute of one kind of request, 45 kB for an hour of
sixteen; outcomes of many kinds add to that."""
_MAX_BYTES: Final = 4_194_304
_LONGEST_TEXT: Final = 4096


@dataclass(frozen=True)
class LoadResult:
    """A load that is over.

    Attributes:
        profile: name of its profile.
        seed: of its schedule.
        reason: why it ended.
        nodes: how many virtual nodes played it.
        began_s: when it began, seconds since 1970, by the clock of its machine.
        elapsed_s: how long it took; of several processes the longest.
        cpu_s: CPU seconds of the process, user and system, all processes together.
        peak_rss_bytes: most memory that the process had at a time; of several the sum.
        kinds: each kind of request by ``pattern``, ``path`` and ``query``.
        totals: what became of each of these.
        per_second: what was offered and answered in each second from ``began_s`` on.
    """

    profile: str
    seed: int
    reason: str
    nodes: int
    began_s: float
    elapsed_s: float
    cpu_s: float
    peak_rss_bytes: int
    kinds: tuple[Mapping[str, Any], ...]
    totals: tuple[Totals, ...]
    per_second: PerSecond

    @property
    def total(self) -> Totals:
        """All kinds of request together."""
        return _sum(self.totals)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON for people and programs: percentiles and rates in place of bins."""
        each = zip(self.kinds, self.totals, strict=True)
        return {
            "phase": "over",
            "reason": self.reason,
            "nodes": self.nodes,
            "peak_rss_bytes": self.peak_rss_bytes,
            "account": self.total.account(),
            "profile": self.profile,
            "seed": self.seed,
            "elapsed_s": self.elapsed_s,
            "total": self.total.as_dict(self.elapsed_s),
            "requests": [{**kind, **one.as_dict(self.elapsed_s)} for kind, one in each],
            "cpu_s": self.cpu_s,
            "per_second": self.per_second.as_dict(),
        }

    def packed(self) -> bytes:
        """Return all of it in few bytes, as :func:`unpacked` reads it."""
        told = {
            **{name: getattr(self, name) for name in _PLAIN},
            "kinds": [dict(kind) for kind in self.kinds],
            "totals": [one.as_bins() for one in self.totals],
            "per_second": self.per_second.as_dict(),
        }
        return zlib.compress(json.dumps(told, separators=(",", ":")).encode())


_PLAIN: Final = ("profile", "reason", "seed", "nodes", "peak_rss_bytes", "began_s", "elapsed_s", "cpu_s")


def unpacked(packed: bytes) -> LoadResult:
    """Read a result that came over the network: anybody may have sent it.

    Raises:
        ProfileInvalid: It is none, or unpacks to more than 4 MiB.
    """
    try:
        reader = zlib.decompressobj()
        text = reader.decompress(packed, _MAX_BYTES)
        if reader.unconsumed_tail:
            raise ValueError(f"it unpacks to more than {_MAX_BYTES} bytes")
        return _read(json.loads(text))
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProfileInvalid(f"what was told is no result of a load ({error!s:.100}); it was left out") from error


def _read(told: Any) -> LoadResult:
    kinds, totals = told["kinds"], told["totals"]
    if not 0 < len(kinds) == len(totals) <= MAX_REQUEST_KINDS:
        raise ValueError("it has other kinds of request than totals")
    return LoadResult(
        kinds=tuple(_kind(one) for one in kinds),
        totals=tuple(Totals.of_bins(one) for one in totals),
        per_second=PerSecond.of_lists(told["per_second"]),
        profile=_text(told["profile"]),
        reason=_text(told["reason"]),
        seed=count_of(told["seed"], 2**63),
        nodes=count_of(told["nodes"]),
        peak_rss_bytes=count_of(told["peak_rss_bytes"]),
        began_s=seconds_of(told["began_s"]),
        elapsed_s=seconds_of(told["elapsed_s"]),
        cpu_s=seconds_of(told["cpu_s"]),
    )


def _kind(told: Any) -> dict[str, Any]:
    query = {_text(key): _text(value) for key, value in told["query"].items()}
    return {"pattern": _text(told["pattern"]), "path": _text(told["path"]), "query": query}


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > _LONGEST_TEXT or not told.isprintable():
        raise ValueError("it has a text that is none of a profile")
    return told


def merged(results: Sequence[LoadResult]) -> LoadResult:
    """Add up the results of processes that played one load together: counts and bins, so exactly.

    Args:
        results: at least one; those of another profile or of other kinds of request are no part of it.

    Raises:
        ProfileInvalid: they are of different loads.
    """
    first = min(results, key=lambda one: one.began_s)
    if any((one.profile, one.seed, one.kinds) != (first.profile, first.seed, first.kinds) for one in results):
        raise ProfileInvalid("the results are of different loads; nothing was added up; look at who tells the prober")
    per_second = PerSecond()
    for one in results:
        per_second.merge(one.per_second, round(one.began_s - first.began_s))
    return LoadResult(
        profile=first.profile,
        seed=first.seed,
        reason=", ".join(sorted({one.reason for one in results})),
        nodes=sum(one.nodes for one in results),
        began_s=first.began_s,
        elapsed_s=max(one.elapsed_s for one in results),
        cpu_s=sum(one.cpu_s for one in results),
        peak_rss_bytes=sum(one.peak_rss_bytes for one in results),
        kinds=first.kinds,
        totals=tuple(_sum(kind) for kind in zip(*(one.totals for one in results), strict=True)),
        per_second=per_second,
    )


def _sum(parts: Sequence[Totals]) -> Totals:
    def add(into: Totals, one: Totals) -> Totals:
        into.merge(one)
        return into

    return reduce(add, parts, Totals())
