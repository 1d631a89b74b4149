"""The clock of an incident: when it could be seen, when the load ended, when things worked again."""

from dataclasses import dataclass

from chaoslib_cp.results import api
from chaoslib_cp.results.delivery import agents_began
from chaoslib_cp.results.faults import RUN_ENDED, Faults
from chaoslib_cp.results.figure import Figure, absent, seconds
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.results.streaks import Episode, episodes_of, healed_s
from chaoslib_cp.vantage import all_points, named


@dataclass(frozen=True)
class Signal:
    """The first sign of trouble a monitor on the API would have given."""

    at_s: float
    vantage: str


def first_signal(recording: Recording, faults: Faults) -> Signal | None:
    """Find the first of two failed API health checks in a row since the fault began."""
    signals = [
        Signal(episode.began_s, vantage)
        for vantage in api.health_checks()
        for episode in episodes_of(recording, vantage, faults.began_s)[:1]
    ]
    return min(signals, key=lambda signal: signal.at_s, default=None)


def broken_episodes(recording: Recording, from_s: float) -> dict[str, list[Episode]]:
    """Find what failed after ``from_s``: name of the vantage point to its failures, only those that have any."""
    found = {point.name: episodes_of(recording, point.name, from_s) for point in all_points() if point.in_story}
    return {vantage: failed for vantage, failed in found.items() if failed}


def still_broken(recording: Recording, faults: Faults | None) -> list[str]:
    """Name the vantage points that broke since fault or method began and had not recovered when the recording ended.

    A vantage point has recovered with several good samples in a row; one whose samples ceased has not. What never
    worked before, or in a run that played nothing, was not broken by the run.
    """
    played = [one.at_s for one in recording.named("activity_started") if one.details.get("phase") == "method"]
    from_s = faults.began_s if faults else min(played, default=None)
    if from_s is None:
        return []
    broken = [vantage for vantage, failed in broken_episodes(recording, from_s).items() if healed_s(failed) is None]
    return [vantage for vantage in broken if not _never_worked(recording, vantage, from_s)]


def not_recovered(recording: Recording, faults: Faults | None) -> list[str]:
    """Say the same for a person, one line each."""
    return [
        f"{named(vantage).label} had not recovered when the run ended" for vantage in still_broken(recording, faults)
    ]


def recovered(recording: Recording, faults: Faults | None) -> list[str]:
    """Labels of the vantage points that broke since the first injection and worked again when the recording ended."""
    if faults is None:
        return []
    broken = broken_episodes(recording, faults.began_s)
    return [named(vantage).label for vantage, failed in broken.items() if healed_s(failed) is not None]


def _never_worked(recording: Recording, vantage: str, until_s: float) -> bool:
    before = [sample.ok for sample in recording.before(vantage, until_s)]
    return bool(before) and not any(before)


def detect_s(recording: Recording, faults: Faults) -> Figure:
    """Begin of the fault to the first signal of a client-side API health check, in seconds."""
    if not any(recording.of(vantage) for vantage in api.health_checks()):
        return absent("API health was not sampled")
    signal = first_signal(recording, faults)
    if signal is None:
        return absent("no API health check failed twice in a row")
    return seconds(signal.at_s - faults.began_s)


def detected_by(recording: Recording, faults: Faults) -> Figure:
    """Which API health check gave the first signal."""
    signal = first_signal(recording, faults)
    return Figure(signal.vantage) if signal else absent("no API health check failed twice in a row")


MAX_SHARE_UNKNOWN = 0.25
"""How far apart the least and the most may be that had begun at a moment. Agents tell their account every 2 s; in the
quickest rollout measured 23 % of the nodes began between two accounts, and more than that is a gap in what was told."""


def rollout_share_at_first_signal(recording: Recording, faults: Faults) -> Figure:
    """Share (0..1) of the nodes whose agent had begun when the first signal came.

    From the accounts that agents gave all along: of each source the last before the signal and the first after it.
    """
    signal = first_signal(recording, faults)
    if signal is None:
        return absent("there was no signal")
    asked = [
        (fault, fault.delivers.vantage, fault.delivers.wanted)
        for fault in faults.each
        if fault.loads_api and fault.delivers and fault.delivers.wanted and fault.began_s <= signal.at_s
    ]
    found = [
        agents_began(recording.of(vantage), fault.id, wanted, fault.began_s, signal.at_s)
        for fault, vantage, wanted in asked
    ]
    if not any(one.sources for one in found):
        return absent("no agent told that it had begun")
    whole = sum(wanted for _, _, wanted in asked)
    least, likely, most = (sum(getattr(one, name) for one in found) / whole for name in ("least", "likely", "most"))
    between = f"between {least * 100:.1f} and {most * 100:.1f} %, as told before and after the signal"
    if most - least > MAX_SHARE_UNKNOWN:
        return absent(f"it cannot be told: {between}")
    return Figure(round(likely, 4), between if most > least else None)


def mitigate_s(recording: Recording, faults: Faults) -> Figure:  # noqa: ARG001 - all figures have one signature
    """Begin of the first fault to the end of the one that lasted longest (``mitigated_by``), in seconds."""
    if faults.ended_by == RUN_ENDED:
        return absent("nothing ended the fault before the recording did")
    return seconds(faults.ended_s - faults.began_s)


def mitigated_by(recording: Recording, faults: Faults) -> Figure:  # noqa: ARG001 - all figures have one signature
    """What ended the fault: "delete landed", "own deadline", "rollback", or what a mitigation says of itself."""
    if faults.ended_by == RUN_ENDED:
        return absent("nothing ended the fault before the recording did")
    return Figure(faults.ended_by)


def recover_first_s(recording: Recording, faults: Faults) -> Figure:
    """End of the fault to the first vantage point that worked again, in seconds.

    Working again: the first of three good samples in a row that ended its last failure; of several nodes, on the last
    of them. Only what was still failing when the fault ended counts; 0 when nothing was.
    """
    ends = [healed_s(failed) for failed in broken_episodes(recording, faults.began_s).values()]
    if not ends:
        return absent("nothing failed: nothing to recover from")
    later = [end_s for end_s in ends if end_s is None or end_s >= faults.ended_s]
    known = [end_s for end_s in later if end_s is not None]
    if later and not known:
        return absent("nothing had recovered when the recording ended")
    return seconds(min(known, default=faults.ended_s) - faults.ended_s)


def recover_full_s(recording: Recording, faults: Faults) -> Figure:
    """End of the fault to the last vantage point that worked again, in seconds; see ``recover_first_s``."""
    broken = broken_episodes(recording, faults.began_s)
    if not broken:
        return absent("nothing failed: nothing to recover from")
    ends_s = {vantage: healed_s(failed) for vantage, failed in broken.items()}
    open_ended = [vantage for vantage, end_s in ends_s.items() if end_s is None]
    if open_ended:
        return absent(f"{', '.join(sorted(open_ended))} had not recovered when the recording ended")
    last_s = max(end_s for end_s in ends_s.values() if end_s is not None)
    return seconds(max(0.0, last_s - faults.ended_s))
