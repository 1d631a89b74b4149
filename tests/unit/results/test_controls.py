"""Control names: those that no experiment may lie about."""

from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from tests.unit.made_timeline import Line, incident, recorded, rollout, series


def wrong_in(*lines: Line) -> object:
    """The figure, or its reason."""
    recording = recorded(*lines)
    values, reasons = compute(recording, find_faults(recording))
    return reasons.get("control_wrong_count", values["control_wrong_count"])


def test_a_wrong_answer_about_a_control_name_is_counted_at_every_layer() -> None:
    """Failures are none, nor is what was wrong before the fault, nor a name that was lied about on purpose."""
    lied: dict[tuple[float, float], str] = {(-3, -2): "wrong", (10, 12): "wrong", (20, 30): "servfail"}
    points = ("dns_pod", "dns_uncached", "dns_cached", "dns_lookup", "dns_connect", "dns_never_asked")
    assert wrong_in(*rollout(), *(line for point in points for line in series(point, 40, lied))) == 2 * len(points)
    assert wrong_in(*rollout(), *series("dns_cached", 40), *series("dns_watched_cached", 40, lied)) == 0
    assert wrong_in(*incident()) == 0


def test_nobody_who_was_not_asked_is_counted_as_right() -> None:
    """Without samples there is no number."""
    assert wrong_in(*rollout(), *series("dns_watched_cached", 40)) == "no control name was asked since the fault began"
