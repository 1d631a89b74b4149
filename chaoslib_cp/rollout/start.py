"""Starting a rollout: everything is checked before the first object is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import require_permit
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.engine.load.profile import MAX_REPORT_TO, ROLLOUTS_OWN, LoadProfile, parse_profile
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked
from chaoslib_cp.rollout.agent_rollout import count_nodes, roll_out
from chaoslib_cp.rollout.daemonset import AgentRollout, rules_for
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import all_points

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE: Final = re.compile(r"[\w][\w./:@-]{0,254}")


@dataclass(frozen=True)
class StartPlan:
    """Arguments of ``start_agent_rollout``, checked."""

    profile: Mapping[str, Any]
    service_account: str
    namespace: str
    duration_s: float
    image: str
    effect_measure: str
    effect_within_s: float

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        for name in ("service_account", "namespace"):
            if not _NAME.fullmatch(str(getattr(self, name))):
                raise ProfileInvalid(f"{name} is {getattr(self, name)!r}, not a Kubernetes name; nothing was changed")
        if not _IMAGE.fullmatch(str(self.image)):
            raise ProfileInvalid(f"image is {self.image!r}, not an image name; nothing was changed")
        known = [point.name for point in all_points() if point.in_story]
        if self.effect_measure not in known:
            raise ProfileInvalid(
                f"effect_measure is {self.effect_measure!r}; nothing was changed; use one of {', '.join(known)}"
            )
        for own in ROLLOUTS_OWN:
            if own in self.profile:
                raise ProfileInvalid(f"load profile: {own} is set by the rollout; nothing was changed; take it out")
        checked("duration_s", self.duration_s, 1, 3600)
        checked("effect_within_s", self.effect_within_s, 1, 600)

    def effects(self) -> list[dict[str, Any]]:
        """What must be seen in the timeline for the rollout to count as a fault."""
        return [
            {
                "vantage": self.effect_measure,
                "outcome": "failing",
                "share": 0.5,
                "window_s": 10,
                "within_s": self.effect_within_s,
            }
        ]


def start(plan: StartPlan, settings: Settings, clock: Clock) -> dict[str, Any]:
    """Roll out as planned; keys are told by ``start_agent_rollout``."""
    profile = parse_profile({**plan.profile, "duration_s": plan.duration_s})
    rules_for(profile)
    with open_cluster(settings) as cluster:
        permit = require_permit(cluster, settings, clock)
        nodes = count_nodes(cluster)
        log = undo_log_for_change(settings, cluster, permit.cluster_uid, clock)
        profile = replace(
            profile,
            deadline_epoch_s=clock.epoch_s() + plan.duration_s,
            fault="agent_rollout-1",
            report_to=permit.prober_pages[:MAX_REPORT_TO],
        )
        rollout = AgentRollout(profile, plan.namespace, plan.service_account, log.run, plan.image)
        objects = roll_out(cluster, log, rollout, clock)
    return {
        "effects": plan.effects(),
        "parameters": _effective(plan, profile),
        "objects": objects,
        "nodes": nodes,
        "deadline_epoch_s": profile.deadline_epoch_s,
    }


def _effective(plan: StartPlan, profile: LoadProfile) -> dict[str, Any]:
    """What is really done, in under 2 KB: requests beyond the fourth are counted, not listed."""
    shown = [
        {"path": request.path, "period_s": request.period_s, "accept": request.accept, "gzip": request.gzip}
        for request in profile.requests[:4]
    ]
    return {
        "profile": profile.name,
        "requests": shown,
        "request_count": len(profile.requests),
        "ramp_s": profile.ramp_s,
        "retry": profile.retry,
        "max_in_flight_per_agent": profile.max_in_flight_per_agent,
        "request_timeout_s": profile.request_timeout_s,
        "seed": profile.seed,
        "duration_s": plan.duration_s,
        "namespace": plan.namespace,
        "service_account": plan.service_account,
        "image": plan.image,
    }
