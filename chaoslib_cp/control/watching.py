"""Starting the observer with the orders that follow from the experiment's configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.connect import IDENTITIES, choose
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.observe.plan import ObservePlan

DEFAULT_OBSERVE_S = 1800.0
"""Longer than any shipped run; the observer ends by itself after it, whatever becomes of the control."""


def observe_plan(run_dir: Path, configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None) -> ObservePlan:
    """Make the observer's orders: who asks, where, for how long at most.

    Configuration keys: ``observe_s`` (at most 6 h), ``observe_periods_s`` and ``observe_deadlines_s`` (by measure),
    ``prober_pages`` (list of ip:port). An identity without a context takes its vantage points with it.

    Raises:
        ProfileInvalid: One of those keys is wrong; nothing was changed.
        TargetRefused: There is no kubeconfig; nothing was changed.
    """
    chosen = {}
    for identity in IDENTITIES:
        try:
            chosen[identity] = choose(configuration, secrets, identity)
        except TargetRefused:
            if identity == "runner":
                raise
    try:
        duration_s = float(configuration.get("observe_s") or DEFAULT_OBSERVE_S)
    except (TypeError, ValueError):
        raise ProfileInvalid(
            f"configuration.observe_s is {configuration.get('observe_s')!r}, not a number of seconds; "
            "nothing was changed"
        ) from None
    return ObservePlan(
        run_dir=str(run_dir),
        kubeconfig=chosen["runner"].kubeconfig,
        duration_s=duration_s,
        contexts={identity: choice.context for identity, choice in chosen.items()},
        prober_pages=tuple(configuration.get("prober_pages") or ()),
        periods_s=dict(configuration.get("observe_periods_s") or {}),
        deadlines_s=dict(configuration.get("observe_deadlines_s") or {}),
    )
