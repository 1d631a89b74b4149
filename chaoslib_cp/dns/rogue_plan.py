"""What `start_dns_rogue` is asked for, checked before anything is changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chaoslib_cp.dns.corefile_source import CorefileSource
from chaoslib_cp.dns.poison_plan import LIE_KEYS, LONGEST_ARMING_S, LONGEST_S, completed, corefile_that_tells, read_lie
from chaoslib_cp.engine.poison.arming import TRUTH_PORT, USUAL_FAILURES_S, Poison
from chaoslib_cp.engine.poison.rogue import ROGUE_PORTS, RogueLie, RogueSettings
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.fault import Expects
from chaoslib_cp.limits import checked

OLDEST: Final = (1, 9, 3)
"""The oldest CoreDNS on which tests/unit/engine/poison/test_rogue.py was played, by hand: a Corefile that it cannot
read is ignored, and keeps it from its next start."""
KEEPS_FAILURES: Final = (1, 9, 4)
"""Since this version a cache can be told for how long it keeps failures (source: CoreDNS, notes of 1.9.4)."""
TRUTH: Final = "truth"
"""Not a lie: what is true is told, late or not always."""
HOW: Final[Mapping[str, float]] = {"lie_ratio": 1.0, "loss_ratio": 0.0, "delay_s": 0.0}
"""How a lie is told, where nobody says so."""
PATIENCE_S: Final = 2.0
"""CoreDNS waits so long for an upstream, and asks the next then (source: CoreDNS, plugin/pkg/proxy, readTimeout)."""
_NEAR_S: Final = 0.5  # an answer that is held back nearly so long may come too late
_EXAMPLE: Final = "192.0.2.1"


@dataclass(frozen=True)
class RoguePlan:
    """Arguments of ``start_dns_rogue``, checked.

    Attributes:
        lies: What is told, and how.
        duration_s: For how long.
        arm_within_s: After how long the rogue must run and every DNS server must be armed: then the lies begin.
        zone: Where lies stay; empty for the cluster's domain.
        seed: Of the probabilities.
        touch_pods: The DNS pods get an annotation, so that their kubelets hand the Corefile on at once.
        expects: What users of DNS are expected to suffer; None where nobody said so and nothing false is told.
    """

    lies: tuple[RogueLie, ...]
    duration_s: float
    arm_within_s: float
    zone: str
    seed: int
    touch_pods: bool
    expects: Expects | None

    def __post_init__(self) -> None:
        """Refuse what needs no look at the cluster."""
        checked("duration_s", self.duration_s, 1, LONGEST_S)
        checked("arm_within_s", self.arm_within_s, 1, LONGEST_ARMING_S)
        checked("seed", self.seed, 0, 2**32, whole=True)

    @property
    def slow_s(self) -> float | None:
        """From which latency on an answer is one of the rogue's, seconds; None where only false ones are."""
        held_back = [one.delay_s for one in self.lies]
        return min(held_back) if all(held_back) else None

    @property
    def is_false(self) -> bool:
        """Whether anything is told that is not true, or not told at all: answers that come too late are lost."""
        return any(one.lie_ratio or one.loss_ratio or one.delay_s > PATIENCE_S - _NEAR_S for one in self.lies)

    def poison(self, revision: str, now_epoch_s: float, address: str = _EXAMPLE) -> Poison:
        """The lies with their times, told by the rogue at this address."""
        begins_s = int(now_epoch_s + self.arm_within_s) + 1
        lies = tuple(one.lie for one in self.lies)
        return Poison(lies, begins_s, begins_s + int(self.duration_s), revision, rogue=self.upstreams(address))

    def upstreams(self, address: str) -> tuple[str, ...]:
        """The rogue as DNS servers ask it: once, or so often that a question that is lost to it is lost for good."""
        is_lossy = any(one.loss_ratio or one.delay_s > PATIENCE_S - _NEAR_S for one in self.lies)
        host = f"[{address}]" if ":" in address else address
        return tuple(f"{host}:{port}" for port in (ROGUE_PORTS if is_lossy else ROGUE_PORTS[:1]))

    def settings(self, poison: Poison) -> RogueSettings:
        """What the rogue is told."""
        lasts_s = self.arm_within_s + self.duration_s + 1
        return RogueSettings(
            self.lies, poison.begins_at_epoch_s, poison.ends_at_epoch_s, lasts_s, TRUTH_PORT, self.seed
        )

    def corefile(self, source: CorefileSource, poison: Poison) -> str:
        """The Corefile whose servers ask the rogue.

        Raises:
            TargetRefused: This CoreDNS cannot be armed; nothing was changed.
            ProfileInvalid: A lie is about what must stay true, or would be over before anybody heard it; nothing was
                changed.
        """
        _refuse_version(source, poison)
        return corefile_that_tells(source, poison, self.zone, self.duration_s)

    def effective(self) -> dict[str, Any]:
        """What is really done, in under 2 KB: lies beyond the eighth are counted, not listed."""
        told = [
            {
                "lie": {key: value for key, value in asdict(one.lie).items() if value},
                **{key: getattr(one, key) for key in HOW},
            }
            for one in self.lies[:8]
        ]
        others = ("duration_s", "arm_within_s", "zone", "seed", "touch_pods")
        return {"lies": told, "lie_count": len(self.lies), **{key: getattr(self, key) for key in others}}


def _refuse_version(source: CorefileSource, poison: Poison) -> None:
    """Refuse a CoreDNS that could not read its new Corefile, or of which nobody knows.

    Raises:
        TargetRefused: It is one; nothing was changed.
    """
    if source.version is None:
        raise TargetRefused(
            f"image {source.image} tells no version of CoreDNS, and not each can read an armed Corefile; nothing was "
            "changed; give the image a tag with its version"
        )
    version = ".".join(map(str, source.version))
    if source.version < OLDEST:
        raise TargetRefused(
            f"CoreDNS {version} is too old to be armed; nothing was changed; use {'.'.join(map(str, OLDEST))} or later"
        )
    if source.version < KEEPS_FAILURES and poison.failures_kept_s > USUAL_FAILURES_S:
        raise TargetRefused(
            f"CoreDNS {version} keeps a SERVFAIL for {USUAL_FAILURES_S} s and no longer; nothing was changed; use a "
            f"ttl_s of {USUAL_FAILURES_S} for servfail"
        )


def rogue_lies_of(given: Mapping[str, Any]) -> tuple[RogueLie, ...]:
    """The lies that arguments ask for.

    Args:
        given: ``name``, ``lie``, ``ttl_s``, ``addresses``, ``target``, ``port``, ``lie_ratio``, ``loss_ratio``,
            ``delay_s`` and ``also``, as ``start_dns_rogue`` tells them.

    Raises:
        ProfileInvalid: One could not be said, or ``also`` is no list of such mappings; nothing was changed.
    """
    first = {key: given[key] for key in (*LIE_KEYS, *HOW) if key != "clients"}  # it is asked by DNS servers alone
    each = [completed(first, one, tuple(first), ("lie", "ttl_s", *HOW)) for one in (first, *(given["also"] or ()))]
    return tuple(_rogue_lie(one) for one in each)


def _rogue_lie(told: Mapping[str, Any]) -> RogueLie:
    how = {key: told[key] for key in HOW}
    if told["lie"] != TRUTH:
        return RogueLie(read_lie(told, (TRUTH,)), **how)
    # its questions are those of a lie about every type of a name, of which none is told
    return RogueLie(read_lie({**told, "lie": "nxdomain"}), **{**how, "lie_ratio": 0.0})
