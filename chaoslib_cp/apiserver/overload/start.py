"""Starting an overload: everything is checked, and the process is ready, before the first request is sent."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chaoslib_cp.apiserver.fault import API_OVERLOAD, API_RAMP
from chaoslib_cp.apiserver.overload.plan import OverloadPlan
from chaoslib_cp.apiserver.overload.refusals import open_agent, refuse_identity, refuse_requests, standing_for
from chaoslib_cp.apiserver.overload.session import (
    READY_WITHIN_S,
    LoadFiles,
    end_process,
    load_files,
    prune_loads,
    start_process,
)
from chaoslib_cp.apiserver.overload.wanted import MAX_NODES, MAX_RATE_PER_S, offered_rate_per_s, wanted_profile
from chaoslib_cp.apiserver.overload.writes import refuse_writes
from chaoslib_cp.apiserver.ramp.ladder import Ladder, refuse_too_long
from chaoslib_cp.apiserver.ramp.servers import LEASES_AS, METRICS_AS
from chaoslib_cp.apiserver.saturated.servers import servers_to_ask
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.cluster.door.flow import flow_of
from chaoslib_cp.cluster.door.resource_version import OLD_VERSION, asks_for_old_version, resource_version_of
from chaoslib_cp.cluster.gate.bite import refuse_unknown_resources, refuse_what_does_not_bite
from chaoslib_cp.cluster.gate.protocol import refuse_protocol
from chaoslib_cp.cluster.injection import Injection, injecting
from chaoslib_cp.cluster.undo.kinds.process import process_of_ours
from chaoslib_cp.cluster.undo.kinds.written_by_load import WrittenByLoad
from chaoslib_cp.cluster.undo.rights import require_undo_rights
from chaoslib_cp.engine.load.head import filled
from chaoslib_cp.engine.load.presets import preset_of
from chaoslib_cp.engine.load.profile import LINEAR, LoadProfile
from chaoslib_cp.engine.load.virtual_nodes import SCHEMES, place_of
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.fault import Delivers, Expects, FaultKind, Injected
from chaoslib_cp.limits import checked
from chaoslib_cp.observe.recent import epoch_offset_s
from chaoslib_cp.observe.timeline import TIMELINE_FILE
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import AGENT_LOAD, API_READ

LEAST_REQUESTS: Final = 5
"""So many requests the first rung of a ladder must have in its dwell."""
USUAL: Final = Expects(API_READ.name)
"""What users of the API suffer from an overload that bites."""


@dataclass(frozen=True)
class OverloadAsk:
    """Arguments of ``start_api_overload``, or with a ladder of ``ramp_until_saturated``, checked.

    Attributes:
        profile: What each virtual node asks.
        nodes: How many there are, at most with a ladder.
        duration_s: It ends by itself after this, at the latest with a ladder.
        context: As whom is asked.
        impersonate: Scheme by which each stands for somebody.
        namespace: Of ServiceAccounts that are stood for.
        expects: What the victim is expected to suffer; nothing with a ladder, which stops where it begins to.
        ladder: How the load climbs; None where it is there in full from the begin on.
    """

    profile: Mapping[str, Any] | str
    nodes: int
    duration_s: float
    context: str
    impersonate: str = ""
    namespace: str = "default"
    expects: Expects = field(default=USUAL)
    ladder: Ladder | None = None

    def __post_init__(self) -> None:
        """Refuse a wrong argument while nothing has been changed."""
        if self.ladder is not None:
            refuse_too_long(self.ladder)
        checked("nodes", self.nodes, 1, MAX_NODES, whole=True)
        checked("duration_s", self.duration_s, 1, 3600)
        if self.impersonate not in SCHEMES:
            known = " or ".join(repr(one) for one in SCHEMES if one)
            raise ProfileInvalid(f"impersonate is {self.impersonate!r}; nothing was changed; use {known}, or leave it")
        if self.ladder is not None:
            self._refuse_too_few(self.ladder)
        offered = self.rate_per_s
        if offered > MAX_RATE_PER_S:
            raise ProfileInvalid(
                f"{self.nodes} virtual nodes ask for {offered:.0f} requests a second; nothing was changed; one process "
                f"offers at most {MAX_RATE_PER_S:.0f}: lower nodes, or lengthen period_s"
            )

    def _refuse_too_few(self, ladder: Ladder) -> None:
        """A percentile of a few requests is chance."""
        expected = offered_rate_per_s(self.load_profile, ladder.first_nodes) * ladder.dwell_s
        if expected < LEAST_REQUESTS:
            raise ProfileInvalid(
                f"{ladder.first_nodes} virtual nodes ask for {expected:.1f} requests in {ladder.dwell_s:g} s, too few "
                f"to judge (under {LEAST_REQUESTS}); nothing was changed; raise first_nodes or dwell_s, or shorten "
                "period_s"
            )

    @property
    def kind(self) -> FaultKind:
        """Which kind of fault it makes."""
        return API_OVERLOAD if self.ladder is None else API_RAMP

    @property
    def load_profile(self) -> LoadProfile:
        """What each virtual node is told to ask."""
        at_once = {"ramp": LINEAR, "ramp_s": 0.0, "ramp_steps": 1} if self.ladder else {}  # the ladder is the ramp
        return wanted_profile(self.profile, self.duration_s, at_once)

    @property
    def rate_per_s(self) -> float:
        """Requests a second that all virtual nodes offer together."""
        return offered_rate_per_s(self.load_profile, self.nodes)


def start(asked: OverloadAsk, settings: Settings, clock: Clock) -> Injected:
    """Overload as asked; what it returns is told by ``start_api_overload``."""
    with injecting(settings, asked.kind, clock) as injection:
        with open_agent(settings, asked.context) as agent:
            flow = refuse_identity(agent, injection)
            refuse_unknown_resources(agent, asked.load_profile)
            refuse_what_does_not_bite(agent, asked.load_profile, preset_of(asked.profile))
            written = _written(asked, injection)
            profile = _told(asked, injection, agent, written)
            with standing_for(agent, asked.impersonate, asked.namespace) as first:
                refuse_requests(first, profile, asked.namespace)
                refuse_writes(first, profile, asked.namespace)
                if asked.impersonate:
                    flow = flow_of(first)
            plan, files = _plan(asked, injection, agent, profile)
            refuse_protocol(agent, profile, plan.addresses)
            plan = replace(plan, flow_schema=flow.flow_schema)
        ends_at_s = _begin(plan, files, asked, injection, written)
    return Injected(
        fault=injection.fault,
        kind=asked.kind.name,
        label=asked.kind.label,
        delivers=Delivers(
            "virtual nodes", wanted=None if asked.ladder else asked.nodes, vantage=AGENT_LOAD.name, is_let_in=True
        ),
        expects=() if asked.ladder else (asked.expects,),
        deadline_epoch_s=ends_at_s,
        parameters=_effective(asked),
        details={"result": str(files.result), "addresses": list(plan.addresses)},
    )


def _written(asked: OverloadAsk, injection: Injection) -> WrittenByLoad | None:
    """What it will write, which the runner may take back; None for a load that only reads.

    Raises:
        TargetRefused: The runner may not take it back; nothing was changed.
    """
    if not any(request.is_write for request in asked.load_profile.requests):
        return None
    ends_at_s = math.ceil(injection.clock.epoch_s() + asked.duration_s + READY_WITHIN_S)
    written = WrittenByLoad(injection.log.run, injection.fault, ends_at_s)
    require_undo_rights(injection.cluster, [written.entry()])
    return written


def _told(asked: OverloadAsk, injection: Injection, agent: Cluster, written: WrittenByLoad | None) -> LoadProfile:
    """The profile with what this load alone knows."""
    profile = replace(asked.load_profile, fault=injection.fault, marks=written.marks if written else {})
    if asks_for_old_version(profile):
        first = next(one for one in profile.requests if OLD_VERSION in "".join(one.query.values()))
        path = filled(first.path, place_of(0, asked.namespace))
        profile = replace(profile, resource_version=resource_version_of(agent, path))
    return profile


def _begin(
    plan: OverloadPlan, files: LoadFiles, asked: OverloadAsk, injection: Injection, written: WrittenByLoad | None
) -> float:
    """Start the process, put it on record, and only then tell it to begin; returns when it ends by itself.

    What it will write is on record before the process is, so that the process is ended first.
    """
    child = start_process(plan, files)
    try:
        ends_at_s = injection.clock.epoch_s() + asked.duration_s
        if written is not None:
            injection.log.intend(written.entry())
        process = process_of_ours(child.pid, ends_at_s)
        injection.log.intend(process.entry(injection.fault, f"load of {asked.nodes} virtual nodes"))
        child.tell({"deadline_epoch_s": ends_at_s})
    except BaseException:  # a signal to this process, too: no load may begin that nobody knows of
        end_process(files)
        raise
    return ends_at_s


def _plan(
    asked: OverloadAsk, injection: Injection, agent: Cluster, profile: LoadProfile
) -> tuple[OverloadPlan, LoadFiles]:
    settings = injection.settings
    files = load_files(settings, injection.log.run, injection.fault)
    prune_loads(injection.clock)
    is_same_server = agent.server == injection.cluster.server
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
    if asked.ladder is not None:
        plan = _with_ladder(plan, asked.ladder, settings, injection)
    run_dir = settings.run_dir
    if run_dir is None or not (run_dir / TIMELINE_FILE).exists():
        return plan, files
    return replace(plan, timeline=str(run_dir), epoch_offset_s=epoch_offset_s(run_dir)), files


def _with_ladder(plan: OverloadPlan, ladder: Ladder, settings: Settings, injection: Injection) -> OverloadPlan:
    """With what a ladder needs: where each server is, and as whom it may be read."""
    observers: dict[str, str] = {}
    for identity in (METRICS_AS, LEASES_AS):
        with suppress(TargetRefused):
            observers[identity] = choose(settings, identity).context
    servers = servers_to_ask(settings, plan.addresses, injection.clock).addresses if ladder.reads_metrics else ()
    return replace(plan, ladder=ladder.as_dict(), servers=servers, observers=observers)


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
        **(asked.ladder.as_dict() if asked.ladder else {}),
    }
