"""Starting a rollout: everything is checked before the first object is made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.agents.pods import AgentPods, make
from chaoslib_cp.cluster.agents.reads import rules_for
from chaoslib_cp.cluster.door.nodes import NODES, count_nodes
from chaoslib_cp.cluster.door.resource_version import asks_for_old_version, resource_version_of
from chaoslib_cp.cluster.gate.bite import refuse_unknown_resources, refuse_what_does_not_bite
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.engine.load.budget import shared_out
from chaoslib_cp.engine.load.fields import MAX_REPORT_TO
from chaoslib_cp.engine.load.presets import preset_of, profile_document
from chaoslib_cp.engine.load.profile import ROLLOUTS_OWN, LoadProfile, parse_profile
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.rollout.daemonset import AGENT_ROLE, AgentRollout
from chaoslib_cp.rollout.fault import AGENT_ROLLOUT
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import AGENT_LOAD, API_READ

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

USUAL: Final = Expects(API_READ.name)
"""What users of the API suffer from a rollout that bites."""


@dataclass(frozen=True)
class StartPlan:
    """Arguments of ``start_agent_rollout``, checked; what an empty image or secret stands for, ``AgentImage`` tells."""

    profile: Mapping[str, Any] | str
    service_account: str
    namespace: str
    duration_s: float
    image: str = ""
    image_pull_secret: str = ""
    expects: Expects = USUAL

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        for name in ("service_account", "namespace"):
            if not _NAME.fullmatch(str(getattr(self, name))):
                raise ProfileInvalid(f"{name} is {getattr(self, name)!r}, not a Kubernetes name; nothing was changed")
        self.named_image.refuse_nonsense()
        for own in ROLLOUTS_OWN:
            if own in self._document:
                raise ProfileInvalid(f"load profile: {own} is set by the rollout; nothing was changed; take it out")
        checked("duration_s", self.duration_s, 1, 3600)
        rules_for(self.load_profile)

    @property
    def named_image(self) -> AgentImage:
        """The image that the arguments name."""
        return AgentImage(self.image, self.image_pull_secret)

    @property
    def load_profile(self) -> LoadProfile:
        """What each agent is told to ask, as the arguments have it."""
        return parse_profile({**self._document, "duration_s": self.duration_s})

    @property
    def _document(self) -> dict[str, Any]:
        return dict(profile_document(self.profile))


def start(plan: StartPlan, settings: Settings, clock: Clock) -> Injected:
    """Roll out as planned; what it returns is told by ``start_agent_rollout``."""
    image = plan.named_image.as_configured(settings)
    with injecting(settings, AGENT_ROLLOUT, clock) as injection:
        nodes = count_nodes(injection.cluster)
        image = image.as_the_prober(injection.permit)
        plan = replace(plan, image=image.name, image_pull_secret=image.pull_secret)
        refuse_unknown_resources(injection.cluster, plan.load_profile)
        refuse_what_does_not_bite(injection.cluster, plan.load_profile, preset_of(plan.profile))
        old = asks_for_old_version(plan.load_profile)  # agents may list pods, the runner nodes: of one etcd
        profile = replace(
            shared_out(plan.load_profile, nodes or 1),
            resource_version=resource_version_of(injection.cluster, NODES) if old else "",
            deadline_epoch_s=clock.epoch_s() + plan.duration_s,
            fault=injection.fault,
            report_to=injection.permit.prober_pages[:MAX_REPORT_TO],
        )
        objects = roll_out(injection, profile, plan)
    return Injected(
        fault=injection.fault,
        kind=AGENT_ROLLOUT.name,
        label=AGENT_ROLLOUT.label,
        delivers=Delivers("agents", wanted=nodes, vantage=AGENT_LOAD.name),
        expects=(plan.expects,),
        deadline_epoch_s=profile.deadline_epoch_s,
        parameters=_effective(plan, profile),
        details={"objects": objects, "nodes": nodes},
    )


def roll_out(injection: Injection, profile: LoadProfile, plan: StartPlan) -> list[str]:
    """Create the agent's objects, each on record first; the DaemonSet, which starts the load, comes last.

    Returns:
        The objects made, as people write them.

    Raises:
        TargetRefused: The runner may not take one of them back; nothing was made.
        ControlPlaneError: One could not be made, or noted.
    """
    run, fault = injection.log.run, injection.fault
    pods = AgentPods(fault, run, plan.namespace, AGENT_ROLE, profile.deadline_epoch_s or 0.0, plan.named_image)
    return make(injection, AgentRollout(profile, plan.service_account, pods).manifests(), plan.namespace)


def _effective(plan: StartPlan, profile: LoadProfile) -> dict[str, Any]:
    """What is really done."""
    return {
        **profile.in_short(),
        "duration_s": plan.duration_s,
        "namespace": plan.namespace,
        "service_account": plan.service_account,
        "image": plan.image,
        "image_pull_secret": plan.image_pull_secret,
    }
