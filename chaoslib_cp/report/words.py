"""How figures are said to a person: one place, so that terminal and page speak alike."""

from collections.abc import Mapping
from typing import Any

LABELS: Mapping[str, str] = {
    "detect_s": "first alarm of an API health check, since the rollout began",
    "detected_by": "which check gave the first alarm",
    "rollout_share_at_first_signal": "rollout done at the first alarm",
    "mask_s": "mask: caches hid the DNS failure for",
    "predicted_mask_s": "mask predicted from the remaining TTL",
    "dns_lost_s": "workload DNS lost for",
    "dns_success_ratio_cached": "lookups right while the fault was on: workload",
    "dns_success_ratio_uncached": "lookups right while the fault was on: past the cache",
    "lockout_s": "lock-out: ordinary admin could not write for",
    "lockout_total_s": "all lock-outs of the run together",
    "lockout_ended_by": "what ended the lock-out",
    "break_glass_s": "break-glass: first write done, since the lock-out began",
    "break_glass_latency_p50_s": "median duration of a break-glass write",
    "break_glass_success_ratio": "break-glass writes that worked",
    "api_error_ratio": "small API reads that failed while the fault was on",
    "api_error_ratio_by_class": "API failures by class",
    "amplification": "server CPU for each client CPU second",
    "mitigate_s": "fault ended, since the rollout began",
    "mitigated_by": "what ended the fault",
    "recover_first_s": "first thing worked again, since the fault ended",
    "recover_full_s": "everything worked again, since the fault ended",
    "misleading_green": "checks that stayed green while users suffered",
    "observer_samples": "samples taken",
    "observer_void_samples": "samples that started too late, left out",
    "observer_lag_p99_s": "99th percentile of how late samples started",
}

VERDICTS: Mapping[str, str] = {
    "held": "every claim of the hypothesis was true all the time",
    "broke": "a claim of the hypothesis was false",
    "inconclusive": "this run proved nothing either way",
}


def unit_of(name: str) -> str:
    """The unit a figure's name says: s, %, x or nothing."""
    if name == "amplification":
        return "x"
    if ("_ratio" in name and not name.endswith("_by_class")) or "_share" in name:
        return "%"
    return "s" if name.endswith("_s") else ""


def value_of(name: str, value: Any) -> str:
    """A value for a person: seconds to a tenth, ratios in percent; a dash when it was not measured."""
    unit = unit_of(name)
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(value)
    if unit == "%":
        return f"{value * 100:.1f}"
    if unit == "s":
        return f"{value:.2f}" if 0 < abs(value) < 1 else f"{value:.1f}"
    return f"{value:g}"


def unrealistic_knobs(scale: Mapping[str, Any]) -> list[str]:
    """What of this cluster is not as in production, one line each.

    Args:
        scale: What the cluster said of itself: a sentence by knob; a list under ``unrealistic`` adds more.
    """
    lines = [f"{knob}: {words}" for knob, words in scale.items() if isinstance(words, str) and knob != "unknown"]
    more = scale.get("unrealistic")
    return [*lines, *(str(line) for line in more)] if isinstance(more, list) else lines


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_classes(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_green(item) if isinstance(item, Mapping) else str(item) for item in value) or "none"
    return str(value)


def _classes(shares: Any) -> str:
    if not isinstance(shares, Mapping):
        return str(shares)
    return ", ".join(f"{name} {share * 100:.0f} %" for name, share in shares.items()) or "no failure"


def _green(item: Mapping[str, Any]) -> str:
    return f"{item.get('check')} at {item.get('target')} ({item.get('ok_ratio', 0) * 100:.0f} % good)"
