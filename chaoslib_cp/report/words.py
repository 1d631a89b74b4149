"""How figures are said to a person: one place, so that terminal and page speak alike."""

from collections.abc import Mapping
from typing import Any

from chaoslib_cp.results.figures import unit_of

VERDICTS: Mapping[str, str] = {
    "held": "every claim of the hypothesis was true all the time",
    "broke": "a claim of the hypothesis was false",
    "inconclusive": "this run proved nothing either way",
}


def verdict_words(summary: Mapping[str, Any]) -> str:
    """What the verdict of a run means; a run that injected nothing has looked a few times, and not all the time."""
    word = str(summary["verdict"])
    if word == "held" and not was_injected(summary):
        return "every claim of the hypothesis was true when it was checked"
    return VERDICTS[word]


def value_of(name: str, value: Any) -> str:
    """A value for a person: seconds to a tenth, ratios in percent; a dash when it was not measured."""
    unit = unit_of(name)
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _plain(value, name.endswith("_s"))
    if unit == "%":
        return f"{value * 100:.1f}"
    if unit == "s":
        return f"{value:.2f}" if 0 < abs(value) < 1 else f"{value:.1f}"
    return f"{value:g}"


def seconds_of(since_s: float | None) -> str:
    """A moment for a person; empty where there is none."""
    return "" if since_s is None else f"{since_s:.1f} s"


def duration_of(lasted_s: float) -> str:
    """A duration for a person: in milliseconds below a second, for many lookups take less than one of these."""
    return f"{lasted_s * 1000:.1f} ms" if lasted_s < 1 else f"{lasted_s:.1f} s"


def was_injected(summary: Mapping[str, Any]) -> bool:
    """Whether anything was injected: if not, most of what a report tells has no meaning."""
    return summary["began_epoch_s"] is not None


def healed_words(summary: Mapping[str, Any]) -> str:
    """What healed means in this run: nobody is told that something works again which never broke."""
    nothing_left = "nothing of this run is left in the cluster"
    if not was_injected(summary):
        return f"nothing was injected, and {nothing_left}"
    return f"{nothing_left}, and what broke works again" if summary["recovered"] else nothing_left


def delivery_of(fault: Mapping[str, Any]) -> str:
    """What a fault of summary.json delivered, in one line."""
    told = fault["delivered"]
    if not told["what"]:
        return f"{fault['label']}: it counts nothing"
    wanted = "an unknown number" if told["wanted"] is None else told["wanted"]
    counts = told["counts"]
    words = f"{fault['label']}: {told['done']} of {wanted} {told['what']}"
    if "share_sent" in counts:
        words += f"; sent {counts['share_sent']:.0%} of what was asked for, {_requests_of(counts)}"
        if counts["held_back"]:
            words += f"; {counts['held_back']} held back by the agents' limit of requests in flight"
    return f"{words}; NOT DELIVERED: {told['shortfall']}" if told["shortfall"] else words


def _requests_of(counts: Mapping[str, Any]) -> str:
    """What agents sent, and what came back: requests, or lookups of several questions each."""
    if "queries" not in counts:
        return (
            f"{counts['sent']} requests: {counts['answered']} answered ({counts['refused']} with 429), "
            f"{counts['failed']} failed"
        )
    each = counts["queries"] / counts["sent"] if counts["sent"] else 0
    return (
        f"{counts['sent']} lookups of {each:.1f} questions each: {counts['answered']} answered ({counts['good']} with "
        f"an address), {counts['unwell']} unwell (no answer, SERVFAIL, or over 0.1 s)"
    )


def expectation_of(expected: Mapping[str, Any]) -> str:
    """What was expected of a fault's victim, and whether it came, in one line."""
    wanted = f"{expected['share']:.0%} of {expected['vantage']} {expected['outcome']} for {expected['window_s']:g} s"
    seen = f"it came ({expected['seen_share']:.0%} seen)" if expected["came"] else expected["doubt"]
    decides = "; it decides" if expected["decides"] else ""
    return f"{expected['label']} expected {wanted} within {expected['within_s']:g} s: {seen}{decides}"


def unrealistic_knobs(scale: Mapping[str, Any]) -> list[str]:
    """What of this cluster is not as in production, one line each.

    Args:
        scale: What the cluster said of itself: a sentence by knob; a list under ``unrealistic`` adds more.
    """
    lines = [f"{knob}: {words}" for knob, words in scale.items() if isinstance(words, str) and knob != "unknown"]
    more = scale.get("unrealistic")
    return [*lines, *(str(line) for line in more)] if isinstance(more, list) else lines


def _plain(value: Any, are_seconds: bool) -> str:
    if isinstance(value, Mapping) and are_seconds:
        return ", ".join(f"{key} {duration_of(inner)}" for key, inner in value.items()) or "none"
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
