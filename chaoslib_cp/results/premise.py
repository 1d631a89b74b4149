"""Whether a vantage point measures what it says: an "uncached" question that a cache answers says nothing of servers.

A node-local cache may listen at the address of the DNS Service itself (NodeLocal DNSCache beside kube-proxy's iptables
mode). Its answers give it away: a cache counts the TTL of its record down, a server that makes its answers up afresh
always says the same.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import DNS_CACHED, DNS_POD, DNS_UNCACHED

MIN_STEPS: Final = 3
"""How often a TTL must be seen to go down as time goes on."""

_WHOLE_S: Final = 1.0  # a TTL is told in whole seconds (RFC 1035 section 3.2.1)
_LONGEST_S: Final = 10.0  # between answers further apart much may have happened


def false_premise(recording: Recording, vantage: str) -> str:
    """Say why the samples of a vantage point do not measure what it stands for; empty when they do.

    Args:
        recording: The timeline.
        vantage: Its name.
    """
    if vantage != DNS_UNCACHED.name or not _counts_down(recording, vantage):
        return ""
    if not _counts_down(recording, DNS_POD.name):
        return (
            f"a cache answers at {_targets(recording, vantage)}: the TTL of {vantage} counts down, so no question went "
            "past the caches"
        )
    if _asked(recording, vantage) & _asked(recording, DNS_CACHED.name):
        return (
            f"pods ask {_targets(recording, vantage)} themselves, and its TTL counts down: no question went past the "
            "caches"
        )
    return ""  # the servers themselves cache, as each of them shows when it is asked alone


def _counts_down(recording: Recording, vantage: str) -> bool:
    """Whether answers of one target aged as a cache's do, again and again."""
    return any(_steps(samples) >= MIN_STEPS for samples in recording.series(vantage))


def _steps(samples: Sequence[Sample]) -> int:
    """How often the TTL went down by what had passed since the answer before, in whole seconds."""
    answered = [sample for sample in samples if sample.ok and sample.ttl_s is not None]
    return sum(_is_older(earlier, later) for earlier, later in pairwise(answered))


def _is_older(earlier: Sample, later: Sample) -> bool:
    passed_s, aged_s = later.at_s - earlier.at_s, (earlier.ttl_s or 0.0) - (later.ttl_s or 0.0)
    return aged_s > 0 and passed_s <= _LONGEST_S and abs(aged_s - passed_s) <= _WHOLE_S


def _asked(recording: Recording, vantage: str) -> set[str]:
    return {sample.target for sample in recording.of(vantage)}


def _targets(recording: Recording, vantage: str) -> str:
    return " and ".join(sorted(_asked(recording, vantage)))
