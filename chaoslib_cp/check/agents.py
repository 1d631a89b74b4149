"""Agents: their image, on how many nodes they will run, whether what they ask bites, and in which protocol."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from chaoslib_cp.check.finding import Finding, Level, apply_manifests, refusal
from chaoslib_cp.check.scene import CALL_S, Scene
from chaoslib_cp.cluster.agents.image import image_of_agents
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.nodes import count_nodes
from chaoslib_cp.cluster.door.prober import ProberFacts
from chaoslib_cp.cluster.gate.bite import does_nothing, harmless_in
from chaoslib_cp.cluster.gate.protocol import refuse_protocol
from chaoslib_cp.engine.load.presets import profile_document
from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused

FEW_NODES: Final = 5
MOST_IN_FLIGHT: Final = 64  # the limit of a load profile
# docs/howto-own-cluster.md, "Few nodes", has where these come from.
FOR_FEW_NODES: Final = (
    f"--var max_in_flight_per_agent={MOST_IN_FLIGHT} --var metrics_period_s=0.2 --var list_period_s=2 "
    "--var agent_ramp_s=5"
)


def image(scene: Scene) -> Iterator[Finding]:
    """Which image will agents run, and has the cluster shown that it can pull it?"""
    try:
        known = scene.prober.get().facts
    except ControlPlaneError:  # told by the check of the prober
        known = ProberFacts()
    for rollout in scene.plays.rollouts:
        yield from _image(scene, rollout, known)


def nodes(scene: Scene) -> Iterator[Finding]:
    """On how many nodes will agents run, and are these enough to drown an API server?"""
    if not scene.plays.rollouts:
        return
    count = count_nodes(scene.runner, CALL_S) or 0
    in_flight = [_in_flight(one) for one in scene.plays.rollouts]
    if not count:
        yield Finding("wrong", "nodes", "none is alive and runs Linux, so no agent would run", "kubectl get nodes")
    elif count <= FEW_NODES and any(number < MOST_IN_FLIGHT for number in in_flight):
        says = f"{count} live Linux nodes: few agents"
        yield Finding("warning", "nodes", says, FOR_FEW_NODES)
    else:
        yield Finding("ok", "nodes", f"{count} live Linux nodes, so {count} agents")


def load(scene: Scene) -> Iterator[Finding]:
    """Does what agents will ask cost an API server of this version anything?"""
    runner = scene.runner
    for profile in scene.plays.profiles():
        harmless = harmless_in(runner, profile, CALL_S)
        level: Level = "wrong" if does_nothing(profile, harmless) else "warning"
        for one in harmless:
            yield Finding(level, f"pattern {one.pattern}", one.why, f"use {one.instead}")
        if not harmless:
            yield Finding("ok", f"profile {profile.name}", "no pattern in it is harmless on this version")


def protocol(scene: Scene) -> Iterator[Finding]:
    """Does the API server, as it is reached from here, take the protocol in which agents will ask?"""
    runner = scene.runner
    for profile in scene.plays.profiles():
        try:
            refuse_protocol(runner, profile, runner.connection.addresses, CALL_S)
        except TargetRefused as error:
            # agents reach servers by another way: what stands in front of them here may not stand there
            yield replace(refusal(error, f"profile {profile.name}"), level="warning")
        else:
            yield Finding("ok", f"profile {profile.name}", f"the API server speaks its protocol ({profile.protocol})")


def _image(scene: Scene, rollout: Mapping[str, Any], prober: ProberFacts) -> Iterator[Finding]:
    named = str(rollout.get("image") or scene.settings.agent_image or "")
    given = image_of_agents(named, prober.image)
    if given == prober.image:
        yield Finding("ok", given, "agents run it, as the prober does")
    else:
        told = "named for agents" if named else "what agents run where neither a key nor a prober names one"
        says = f"{told}; nothing shows that nodes can pull it, for the prober runs {prober.image or 'nowhere'}"
        yield Finding("warning", given, says, apply_manifests(given))
    secret = str(rollout.get("image_pull_secret") or scene.settings.image_pull_secret or prober.image_pull_secret)
    namespace = str(rollout.get("namespace") or scene.plays.agent_namespaces[0])
    if secret and namespace != LIBRARY_NAMESPACE:
        says = f"agents are pulled with it, and it must be in {namespace}, where nobody here may look for Secrets"
        yield Finding("warning", f"Secret {secret}", says, f"kubectl --namespace {namespace} get secret {secret}")


def _in_flight(rollout: Mapping[str, Any]) -> int:
    """Requests that one agent has open at most, as its profile says; 0 where it does not."""
    profile: Any = None
    with suppress(ProfileInvalid):  # told by the look at the file
        profile = profile_document(rollout.get("profile"))
    given = profile.get("max_in_flight_per_agent") if isinstance(profile, Mapping) else 0
    return given if isinstance(given, int) else 0
