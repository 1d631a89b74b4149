"""Whether the truth is back after a lie: when it was withdrawn, and what was answered since it may no longer be kept.

Armed DNS servers say themselves when their lies end (``engine/poison/revision.py``), so nothing else has to be known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.poison.revision import Revision, read_revision
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.observe.evidence import gather, number, summary
from chaoslib_cp.observe.recent import recent_samples, timeline_now_s
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import DNS_REVISION

NOT_MEASURED: Final = "not measured"
NOT_ARMED: Final = "not armed"
TOLD: Final = "told"
KEPT: Final = "may be kept"
DUE: Final = "due"
"""How a lie stands: nobody knows; there is none; servers tell it; caches may still keep it; it must be gone."""


@dataclass(frozen=True)
class Patience:
    """For how long a lie may be heard after its end.

    Attributes:
        ttl_s: Its TTL.
        grace_s: What caches may add to that.
        window_s: Seconds of samples judged at a time.
        min_ok_ratio: Share of right answers, 0 to 1, of each question at each server.
    """

    ttl_s: float
    grace_s: float
    window_s: float
    min_ok_ratio: float


def truth_is_back(settings: Settings, vantage: str, patience: Patience, clock: Clock) -> dict[str, Any]:
    """Judge one vantage point of watched names; keys are told by ``dns_truth_is_back``."""
    said = gather(settings, [DNS_REVISION.name], patience.window_s, clock)[DNS_REVISION.name]
    known = [one for one in said if one.get("rcode") is not None]
    lies = list(_lies(known))
    now_s = timeline_now_s(settings.run_dir, clock) if settings.run_dir else clock.epoch_s()
    if not lies:
        return _of_none(settings, vantage, patience, clock, is_known=bool(known))
    ends_s = max(lie.ends_at_epoch_s for lie in lies)
    due_s = ends_s + patience.ttl_s + patience.grace_s
    heard = gather(settings, [vantage], patience.window_s, clock)[vantage]
    worst = _worst((one for one in heard if number(one, "at_s") >= due_s), patience.min_ok_ratio)
    state = TOLD if now_s < ends_s else KEPT if now_s < due_s else DUE
    return {
        **worst,
        "ok": state != DUE or worst["ok"],
        "state": state,
        "withdrawn_ago_s": None if state == TOLD else round(now_s - ends_s, 1),
    }


def _of_none(settings: Settings, vantage: str, patience: Patience, clock: Clock, is_known: bool) -> dict[str, Any]:
    """No server is armed, so none watches: what was heard last decides, where the observer has it still."""
    run_dir = settings.run_dir
    heard = recent_samples(run_dir, vantage, patience.window_s, clock) if run_dir else []
    is_false = any(not found[-1]["ok"] for found in _by_target(heard).values())
    state = NOT_ARMED if is_known else NOT_MEASURED
    worst = _worst(heard, patience.min_ok_ratio)
    return {**worst, "ok": is_known and not is_false, "state": state, "withdrawn_ago_s": None}


def _lies(known: Iterable[Record]) -> Iterable[Revision]:
    """What each server says of itself now, where it is armed."""
    newest = {_asked(one): one for one in known}
    for one in newest.values():
        answers = one.get("answers")
        said = read_revision(map(str, answers)) if isinstance(answers, list) else None
        if said and said.ends_at_epoch_s:
            yield said


def _by_target(samples: Iterable[Record]) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for sample in samples:
        found.setdefault(_asked(sample), []).append(sample)
    return found


def _asked(sample: Record) -> str:
    """Question and server, and from where: a node's cache has one address on all nodes in many clusters."""
    node = sample.get("node")
    return f"{sample['target']} from {node}" if node else str(sample["target"])


def _worst(samples: Iterable[Record], min_ok_ratio: float) -> dict[str, Any]:
    """The question at a server whose answers were right least often: one cache that lies on is enough."""
    each = [{**summary(found, min_ok_ratio), "asked": asked} for asked, found in _by_target(samples).items()]
    return min(each, key=lambda one: float(one["ok_ratio"]), default={**summary([], min_ok_ratio), "asked": ""})
