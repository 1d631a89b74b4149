"""Probes of the rollout."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.rollout import progress

__all__ = ["rollout_progress"]


@activity(between(timeout_s=(0.5, 60)))
def rollout_progress(
    timeout_s: float = 5.0,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say on how many nodes the agent of this run is ready, as the API tells it. Changes nothing.

    Args:
        timeout_s: Seconds the question may take, 0.5 to 60; in the storm the API may not answer in time.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok`` (every node that should have a ready agent has one), ``outcome``, ``desired``, ``scheduled``, ``ready``
        and ``ready_share`` (0..1); all 0 while nobody knows. A sick API is an outcome, not an error.

    Raises:
        ProfileInvalid: ``timeout_s`` is out of its range.
        TargetRefused: Nothing was rolled out in this run, no cluster is named, or the runner may not look.
        TargetUnreachable: The name of the API server does not resolve.
        UndoFailed: The undo log cannot be read.
    """
    return progress.rollout_progress(settings_of(configuration, secrets), timeout_s, SystemClock())
