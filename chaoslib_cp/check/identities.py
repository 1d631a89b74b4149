"""The four identities: has each a context, does it open, who is it, and do all lead to one cluster?"""

from collections.abc import Iterator, Mapping
from typing import Final

from chaoslib_cp.check.finding import Finding, refusal
from chaoslib_cp.check.scene import CALL_S, Caller, Scene
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.cluster.gate.identities import refuse_elsewhere
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.settings import IDENTITIES, Settings, context_key

EXEMPT_GROUP: Final = "system:masters"
"""Its requests never wait and are always allowed (source: Kubernetes documentation, priority and fairness; RBAC)."""

_MUST_WAIT: Final = ("runner", "admin")


def missing_contexts(settings: Settings) -> list[Finding]:
    """Say which identities have no context, and so are not asked; one finding for those with one reason.

    Args:
        settings: What the run is told; nothing is opened.
    """
    reasons: dict[str, list[str]] = {}
    for identity in IDENTITIES:
        try:
            choose(settings, identity)
        except TargetRefused as error:
            reasons.setdefault(_why_not(settings, identity) or str(error), []).append(identity)
    return [refusal(TargetRefused(reason), ", ".join(identities)) for reason, identities in reasons.items()]


def contexts(scene: Scene) -> Iterator[Finding]:
    """Has the kubeconfig a context for each identity?"""
    missing = missing_contexts(scene.settings)
    yield from missing
    if not missing:
        named = ", ".join(f"{identity} is {scene.settings.context(identity)!r}" for identity in IDENTITIES)
        yield Finding("ok", scene.settings.kubeconfig, named)


def identities(scene: Scene) -> Iterator[Finding]:
    """Does each open, who is it, and does it lead to the runner's cluster?"""
    answered = {}
    for identity in IDENTITIES:
        try:
            answered[identity] = scene.callers[identity].get()
        except ControlPlaneError as error:
            if scene.has_context(identity):
                yield refusal(error, identity)
        else:
            yield _who(identity, answered[identity])
    if "runner" in answered:
        yield from _elsewhere(scene, answered)


def _why_not(settings: Settings, identity: str) -> str:
    """What the kubeconfig has instead of an identity's context; empty where that is not what is wrong."""
    wanted = settings.context(identity)
    if not settings.kubeconfig:
        return ""
    try:
        known = [str(entry.get("name")) for entry in settings.kubeconfig_document["contexts"]]
    except TargetRefused:
        return ""
    unseen = "" if identity == "runner" else "; what it would be asked is not measured"
    fix = f"nothing was changed; name one as configuration.{context_key(identity)}, or make it: chaos cp kubeconfig"
    return "" if wanted in known else f"no context {wanted!r}, there are: {', '.join(known) or 'none'}{unseen}; {fix}"


def _who(identity: str, caller: Caller) -> Finding:
    flow = caller.flow
    if not flow.user:
        return Finding("warning", identity, "the API server does not say who it is (older than 1.28)", "look yourself")
    if EXEMPT_GROUP in flow.groups and identity in _MUST_WAIT:
        says = f"user {flow.user} is in {EXEMPT_GROUP}: never held up, never locked out, so a run would see neither"
        return Finding("wrong", identity, says, f"give context {caller.cluster.context} a user outside that group")
    if EXEMPT_GROUP in flow.groups and identity == "observer":
        says = f"user {flow.user} is in {EXEMPT_GROUP}, so its samples never wait as those of users do"
        return Finding("warning", identity, says, f"give context {caller.cluster.context} a user outside that group")
    return Finding("ok", identity, f"user {flow.user} at {caller.cluster.server}")


def _elsewhere(scene: Scene, answered: Mapping[str, Caller]) -> Iterator[Finding]:
    """Those that do not lead to the runner's cluster."""
    runner = answered["runner"].cluster
    try:
        uid = scene.uid.get()
    except ControlPlaneError as error:
        yield refusal(error, "runner")
        return
    for identity, caller in answered.items():
        try:
            if identity != "runner":
                refuse_elsewhere(caller.cluster, runner, uid, CALL_S)
        except ControlPlaneError as error:
            yield refusal(error, identity)
