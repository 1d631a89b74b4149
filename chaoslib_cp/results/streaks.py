"""Where a series of samples turns from good to bad and back.

One lost packet is not an outage and one lucky answer is not a recovery, so both ends of an episode want several
samples in a row. The begin and the end of an episode are the start of the first sample of such a row: what a user
who asked at that moment would have met.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chaoslib_cp.results.recording import Recording, Sample
from chaoslib_cp.vantage import all_points


@dataclass(frozen=True)
class Episode:
    """A stretch of bad samples.

    Attributes:
        began_s: Start of the first bad sample, epoch seconds.
        ended_s: Start of the first of the good samples that ended it; None when the series ends before that.
        node: The node that the series was asked from; empty where nobody told it.
    """

    began_s: float
    ended_s: float | None
    node: str = ""

    def length_s(self, until_s: float) -> float:
        """Length in seconds; of an episode without an end, up to ``until_s``: a lower bound."""
        return (until_s if self.ended_s is None else self.ended_s) - self.began_s


def good(sample: Sample) -> bool:
    """Tell whether a sample was answered right and in time."""
    return sample.ok


def episodes(
    samples: Sequence[Sample], bad_in_a_row: int, good_in_a_row: int, is_good: Callable[[Sample], bool] = good
) -> list[Episode]:
    """Find the stretches in which a series was bad.

    Args:
        samples: One series, in the order of time.
        bad_in_a_row: How many bad samples without a good one between them begin an episode.
        good_in_a_row: How many good samples without a bad one between them end it.
        is_good: What good means.

    Returns:
        The episodes in the order of time; only the last can be without an end.
    """
    found: list[Episode] = []
    node = samples[0].node if samples else ""
    began_s: float | None = None
    row_began_s = 0.0
    row = 0
    for sample in samples:
        bad_now = not is_good(sample)
        searching_for_bad = began_s is None
        if bad_now != searching_for_bad:
            row = 0
            continue
        row_began_s = sample.at_s if row == 0 else row_began_s
        row += 1
        if searching_for_bad and row == bad_in_a_row:
            began_s, row = row_began_s, 0
        elif began_s is not None and row == good_in_a_row:
            found.append(Episode(began_s, row_began_s, node))
            began_s, row = None, 0
    if began_s is not None:
        found.append(Episode(began_s, None, node))
    return found


def good_at(vantage: str) -> Callable[[Sample], bool]:
    """What good means at a vantage point: its row may set a limit. Without a row, a right answer is good."""
    point = next((point for point in all_points() if point.name == vantage), None)
    return good if point is None else lambda sample: point.is_good(sample.ok, sample.latency_s)


def episodes_of(recording: Recording, vantage: str, from_s: float) -> list[Episode]:
    """Find the failures of a vantage point after ``from_s``, of all its targets and nodes, in the order of their begin.

    Its row says when a series of samples is broken and when it is good again. What has no row, or whose samples are no
    checks, never breaks.
    """
    point = next((point for point in all_points() if point.name == vantage and point.is_check), None)
    if point is None:
        return []
    found = [
        episode
        for samples in recording.series(vantage, from_s)
        for episode in episodes(samples, point.bad_in_a_row, point.good_in_a_row, good_at(vantage))
    ]
    return sorted(found, key=lambda episode: episode.began_s)


def healed_s(failed: Iterable[Episode]) -> float | None:
    """When the last of some failures had ended; None while one of them goes on. The one that began last may end first.

    Args:
        failed: At least one.
    """
    ends_s = [episode.ended_s for episode in failed]
    return None if None in ends_s else max(end_s for end_s in ends_s if end_s is not None)


def bad_time_s(samples: Sequence[Sample]) -> float:
    """Add up the time in which the newest answer of a series was a bad one, in seconds.

    Each bad sample counts from its start to the start of the next sample; the last one counts for its own duration.
    """
    total_s = 0.0
    for index, sample in enumerate(samples):
        if sample.ok:
            continue
        following = samples[index + 1].at_s if index + 1 < len(samples) else sample.at_s + sample.latency_s
        total_s += following - sample.at_s
    return total_s
