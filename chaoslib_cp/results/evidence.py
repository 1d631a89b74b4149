"""What is known of the faults of a run, apart from when they were on: what they delivered, and what was expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaoslib_cp.results.deliveries import Delivered, judge_deliveries
from chaoslib_cp.results.expectations import Expectation, judge_expectations
from chaoslib_cp.results.faults import Faults
from chaoslib_cp.results.recording import Recording


@dataclass(frozen=True)
class Evidence:
    """What each fault delivered, in the order of the faults, and what of their victims was expected."""

    deliveries: Sequence[Delivered] = ()
    expectations: Sequence[Expectation] = ()


def gather_evidence(recording: Recording, faults: Faults | None) -> Evidence:
    """Judge deliveries and expectations of all faults of a run."""
    return Evidence(judge_deliveries(recording, faults), judge_expectations(recording, faults))
