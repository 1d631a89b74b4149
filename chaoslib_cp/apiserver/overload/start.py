"""Starting an overload: everything is checked, and the process is ready, before the first request is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaoslib_cp.apiserver.fault import API_OVERLOAD
from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.apiserver.overload.refusals import open_agent, refuse_identity, refuse_requests, standing_for
from chaoslib_cp.apiserver.overload.session import LoadFiles, end_process, load_files, start_process
from chaoslib_cp.apiserver.overload.wanted import MAX_NODES, MAX_RATE_PER_S, offered_rate_per_s, wanted_profile
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.gate.bite import refuse_unknown_resources, refuse_what_does_not_bite
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.cluster.undo.kinds.process import process_of_ours
from chaoslib_cp.engine.load.presets import preset_of
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.virtual_nodes import SCHEMES
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Delivers, Expects, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.observe.plan import PLAN_FILE, read_plan
from chaoslib_cp.observe.timeline import TIMELINE_FILE
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import AGENT_LOAD, API_READ

USUAL: Final = Expects(API_READ.name)
"""What users of the API suffer from an overload that bites."""


@dataclass(frozen=True)
class OverloadAsk:
    """Arguments of ``start_api_overload``, checked."""

    profile: Mapping[str, Any] | str
    nodes: int
    duration_s: float
    context: str
    impersonate: str = ""
    namespace: str = "default"
    expects: Expects = field(default=USUAL)

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        checked("nodes", self.nodes, 1, MAX_NODES, whole=True)
        checked("duration_s", self.duration_s, 1, 3600)
        if self.impersonate not in SCHEMES:
            known = " or ".join(repr(one) for one in SCHEMES if one)
            raise ProfileInvalid(f"impersonate is {self.impersonate!r}; nothing was changed; use {known}, or leave it")
        offered = self.rate_per_s
        if offered > MAX_RATE_PER_S:
            raise ProfileInvalid(
                f"{self.nodes} virtual nodes ask for {offered:.0f} requests a second; nothing was changed; one process "
                f"offers at most {MAX_RATE_PER_S:.0f}: lower nodes, or lengthen period_s"
            )

    @property
    def load_profile(self) -> LoadProfile:
        """What each virtual node is told to ask."""
        return wanted_profile(self.profile, self.duration_s)

    @property
    def rate_per_s(self) -> float:
        """Requests a second that all virtual nodes offer together."""
        return offered_rate_per_s(self.load_profile, self.nodes)


def start(asked: OverloadAsk, settings: Settings, clock: Clock) -> Injected:
    """Overload as asked; what it returns is told by ``start_api_overload``."""
    with injecting(settings, API_OVERLOAD, clock) as injection:
        with open_agent(settings, asked.context) as agent:
            refuse_identity(agent, injection)
            refuse_unknown_resources(agent, asked.load_profile)
            refuse_what_does_not_bite(agent, asked.load_profile, preset_of(asked.profile))
            with standing_for(agent, asked.impersonate, asked.namespace) as first:
                refuse_requests(first, asked.load_profile, asked.namespace)
            plan, files = _plan(asked, injection, agent)
        ends_at_s = _begin(plan, files, asked, injection)
    return Injected(
        fault=injection.fault,
        kind=API_OVERLOAD.name,
        label=API_OVERLOAD.label,
        delivers=Delivers("virtual nodes", wanted=asked.nodes, vantage=AGENT_LOAD.name),
        expects=(asked.expects,),
        deadline_epoch_s=ends_at_s,
        parameters=_effective(asked),
        details={"result": str(files.result), "addresses": list(plan.addresses)},
    )


def _begin(plan: OverloadPlan, files: LoadFiles, asked: OverloadAsk, injection: Injection) -> float:
    """Start the process, put it on record, and only then tell it to begin; returns when it ends by itself."""
    child = start_process(plan, files)
    try:
        ends_at_s = injection.clock.epoch_s() + asked.duration_s
        process = process_of_ours(child.pid, ends_at_s)
        injection.log.intend(process.entry(injection.fault, f"load of {asked.nodes} virtual nodes"))
        child.tell({"deadline_epoch_s": ends_at_s})
    except BaseException:  # a signal to this process, too: no load may begin that nobody knows of
        end_process(files)
        raise
    return ends_at_s


def _plan(asked: OverloadAsk, injection: Injection, agent: Cluster) -> tuple[OverloadPlan, LoadFiles]:
    settings = injection.settings
    files = load_files(settings, injection.log.run, injection.fault)
    is_same_server = agent.server == injection.cluster.server
    profile = replace(asked.load_profile, fault=injection.fault)
    plan = OverloadPlan(
        kubeconfig=agent.kubeconfig,
        context=agent.context,
        addresses=injection.permit.addresses if is_same_server else agent.addresses,
        profile=profile.as_dict(),
        nodes=asked.nodes,
        impersonate=asked.impersonate,
        namespace=asked.namespace,
        result=str(files.result),
    )
    run_dir = settings.run_dir
    if run_dir is None or not (run_dir / TIMELINE_FILE).exists():
        return plan, files
    return replace(plan, timeline=str(run_dir), epoch_offset_s=_epoch_offset_s(settings)), files


def _epoch_offset_s(settings: Settings) -> float | None:
    """So that the load and the observer write one steady time."""
    try:
        return read_plan(settings.run_dir / PLAN_FILE).epoch_offset_s if settings.run_dir else None
    except ProfileInvalid:
        return None


def _effective(asked: OverloadAsk) -> dict[str, Any]:
    """What is really done."""
    return {
        **asked.load_profile.in_short(),
        "nodes": asked.nodes,
        "offered_rate_per_s": asked.rate_per_s,
        "duration_s": asked.duration_s,
        "context": asked.context,
        "impersonate": asked.impersonate,
        "namespace": asked.namespace if asked.impersonate else "",
    }
