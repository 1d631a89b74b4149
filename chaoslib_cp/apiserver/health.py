"""What samples of the API server add up to, and waiting for it to change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.observe.evidence import NotLetIn, Samples, gather, number, summary, worst_latency_s
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import API_LIVEZ, API_READ, API_VERSION, all_points

_POLL_S: Final = 0.5
# Holds several admin writes at the observer's default beat, even when each takes its limit (both: ``vantage/api.py``).
_RECOVERY_WINDOW_S: Final = 30.0


@dataclass(frozen=True)
class Saturation:
    """When a server counts as saturated.

    Attributes:
        window_s: Seconds of samples judged at a time.
        max_ok_ratio: At or below this share of good answers it is.
        slow_s: A slower answer is not a good one, seconds.
    """

    window_s: float
    max_ok_ratio: float
    slow_s: float


def api_health(settings: Settings, window_s: float, min_ok_ratio: float) -> dict[str, Any]:
    """Judge the vantage points of the API server's health; keys are told by the probe of the same name."""
    names = [point.name for point in all_points() if point.is_health]
    samples = gather(settings, names, window_s)
    each = {name: summary(samples[name], min_ok_ratio) for name in names}
    return {
        "ok": all(one["ok"] for one in each.values()),
        "livez_ok_ratio": each[API_LIVEZ.name]["ok_ratio"],
        "version_ok_ratio": each[API_VERSION.name]["ok_ratio"],
        "read_ok_ratio": each[API_READ.name]["ok_ratio"],
        "worst_latency_s": worst_latency_s(one for name in names for one in samples[name]),
        "samples": sum(one["samples"] for one in each.values()),
        "diagnosis": _diagnosis(each),
    }


def wait_until_saturated(settings: Settings, limits: Saturation, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Poll until the server is saturated or time is up; keys are told by ``api_is_saturated``."""
    names = [point.name for point in all_points() if point.is_health and point.is_queued]

    def look() -> dict[str, Any]:
        samples = gather(settings, names, limits.window_s, clock)
        every = [sample for name in names for sample in samples[name]]
        served = sum(bool(one["ok"]) and number(one, "latency_s") <= limits.slow_s for one in every)
        ratio = served / len(every) if every else 1.0
        return {
            "ok": bool(every) and ratio <= limits.max_ok_ratio,
            "served_ratio": ratio,
            "samples": len(every),
            "worst_latency_s": worst_latency_s(every),
        }

    return _poll(look, timeout_s, clock)


def wait_until_recovered(settings: Settings, good_in_a_row: int, timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Poll until everything users need is good again or time is up; keys are told by the probe of the same name."""
    needed = {point.name: point for point in all_points() if point.users_need}
    names = list(needed)
    collected: dict[str, dict[float, Any]] = {name: {} for name in names}

    def look() -> dict[str, Any]:
        # Kept from poll to poll: without an observer each poll brings one sample, and several in a row are asked for.
        for vantage, samples in gather(settings, names, _RECOVERY_WINDOW_S, clock).items():
            collected[vantage].update({number(sample, "at_s"): sample for sample in samples})
        runs: Samples = {
            vantage: [found[at_s] for at_s in sorted(found)][-good_in_a_row:] for vantage, found in collected.items()
        }
        runs = {vantage: run for vantage, run in runs.items() if run or not needed[vantage].is_optional}
        late = [m for m, run in runs.items() if len(run) < good_in_a_row or not all(sample["ok"] for sample in run)]
        outcomes = {vantage: summary(run, 1.0)["last_outcome"] for vantage, run in runs.items()}
        return {"ok": not late, "not_recovered": late, **outcomes}

    return _poll(look, timeout_s, clock)


def _poll(look: Callable[[], dict[str, Any]], timeout_s: float, clock: Clock) -> dict[str, Any]:
    """Look again and again in short waits, so that a signal is handled soon.

    A server that just restarted answers 403 until it has read its roles, so that ends nothing before the time is up.
    """
    started_s = clock.monotonic_s()
    while True:
        refused: NotLetIn | None = None
        seen: dict[str, Any] = {"ok": False}
        try:
            seen = look()
        except NotLetIn as error:
            refused = error
        waited_s = clock.monotonic_s() - started_s
        if seen["ok"] or waited_s >= timeout_s:
            if refused is not None:
                raise refused
            return {**seen, "waited_s": waited_s}
        clock.sleep(min(_POLL_S, timeout_s - waited_s))


def _diagnosis(each: Mapping[str, Mapping[str, Any]]) -> str:
    if any(one["samples"] == 0 for one in each.values()):
        return "not measured"
    if all(one["ok"] for one in each.values()):
        return "healthy"
    return "queued" if each[API_LIVEZ.name]["ok"] else "starved"
