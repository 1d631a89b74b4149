"""Every figure of a run, by name, with its unit in the name and a reason where there is no value."""

from collections.abc import Callable
from functools import partial
from typing import Any

from chaoslib_cp.results import api, dns, green, lockout, observer, recovery
from chaoslib_cp.results.fault import Fault
from chaoslib_cp.results.figure import Figure
from chaoslib_cp.results.recording import Recording
from chaoslib_cp.vantage import DNS_CACHED, DNS_UNCACHED

OfFault = Callable[[Recording, Fault], Figure]
OfRecording = Callable[[Recording], Figure]

_OF_FAULT: dict[str, OfFault] = {
    "detect_s": recovery.detect_s,
    "detected_by": recovery.detected_by,
    "rollout_share_at_first_signal": recovery.rollout_share_at_first_signal,
    "mask_s": dns.mask_s,
    "predicted_mask_s": dns.predicted_mask_s,
    "dns_lost_s": dns.dns_lost_s,
    "dns_success_ratio_cached": partial(dns.success_ratio, vantage=DNS_CACHED.name),
    "dns_success_ratio_uncached": partial(dns.success_ratio, vantage=DNS_UNCACHED.name),
    "lockout_s": lockout.lockout_s,
    "lockout_total_s": lockout.lockout_total_s,
    "lockout_ended_by": lockout.lockout_ended_by,
    "break_glass_s": lockout.break_glass_s,
    "break_glass_latency_p50_s": lockout.break_glass_latency_p50_s,
    "break_glass_success_ratio": lockout.break_glass_success_ratio,
    "api_error_ratio": api.api_error_ratio,
    "api_error_ratio_by_class": api.api_error_ratio_by_class,
    "amplification": api.amplification,
    "mitigate_s": recovery.mitigate_s,
    "mitigated_by": recovery.mitigated_by,
    "recover_first_s": recovery.recover_first_s,
    "recover_full_s": recovery.recover_full_s,
    "misleading_green": green.misleading_green,
}
"""In the order of the chain, which is the order of the report."""

_OF_RECORDING: dict[str, OfRecording] = {
    "observer_samples": observer.observer_samples,
    "observer_void_samples": observer.observer_void_samples,
    "observer_lag_p99_s": observer.observer_lag_p99_s,
}


def compute(recording: Recording, fault: Fault | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Compute every figure.

    Args:
        recording: The timeline of the run.
        fault: The injection, or None when there was none.

    Returns:
        The values by name (None where not measured), and the reasons by name: why a value is missing, or what to know
        when reading it.
    """
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, of_fault in _OF_FAULT.items():
        found = of_fault(recording, fault) if fault else Figure(None, "nothing was injected")
        _keep(name, found, values, reasons)
    for name, of_recording in _OF_RECORDING.items():
        _keep(name, of_recording(recording), values, reasons)
    return values, reasons


def _keep(name: str, found: Figure, values: dict[str, Any], reasons: dict[str, str]) -> None:
    values[name] = found.value
    if found.reason is not None:
        reasons[name] = found.reason
