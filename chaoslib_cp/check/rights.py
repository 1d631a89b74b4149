"""The rights of each identity: what the roles and faults say they need, asked of the API server itself."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from chaoslib_cp.check.finding import Finding, apply_manifests, refusal
from chaoslib_cp.check.plays import Plays
from chaoslib_cp.check.scene import CALL_S, Caller, NotKnown, Scene
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.door.review import Access, accesses, may
from chaoslib_cp.cluster.gate.marker import MARKER_NAME, MARKER_NAMESPACE
from chaoslib_cp.cluster.gate.roles import (
    AGENT_ACCOUNT,
    AGENT_READS,
    OF_AGENTS,
    ROLLOUTS,
    agent_object_rules,
    fault_roles,
    role_manifests,
)
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.vantage import asked_by_observer
from chaoslib_cp.vantage_point import Request

_SYSTEM: Final = "kube-system"
_SHOWN: Final = 6
_RESOURCE: Final = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?"
)
_NAMESPACE: Final = re.compile(r"/api/v1/namespaces/(?P<name>[^/]+)")
_VERBS: Final = {"GET": "get", "POST": "create", "DELETE": "delete", "PATCH": "patch"}
_METRICS: Final = Access("get", path="/metrics")
_EVERYTHING: Final = Access("*", "*", "*")


def rights(scene: Scene) -> Iterator[Finding]:
    """May each identity do what a run needs of it, and may the runner not mark its own cluster?"""
    looks = (_runner, _observer, _admin, _break_glass, _marker)
    not_known = 0
    for look in looks:
        try:
            yield from look(scene)
        except NotKnown:
            not_known += 1  # told by the checks of contexts and identities
        except ControlPlaneError as error:
            yield refusal(error, look.__name__.strip("_").replace("_", "-"))
    if not_known == len(looks):
        raise NotKnown("no identity can be asked")


def runner_needs(plays: Plays, dns_namespace: str) -> list[Access]:
    """What the library does itself, and what the faults need beyond that; agents only where they will live.

    Args:
        plays: What will be played.
        dns_namespace: Where the pods of cluster DNS are.
    """
    agents = agent_object_rules(plays.agent_accounts)
    found = []
    for manifest in [*role_manifests(dns_namespace, plays.agent_accounts), *fault_roles(plays.faults, dns_namespace)]:
        if manifest["metadata"]["name"] not in OF_AGENTS:
            namespace = str(manifest["metadata"].get("namespace") or "")
            rules = [rule for rule in manifest.get("rules") or [] if not namespace or rule not in agents]
            found += [access for rule in rules for access in accesses(rule, namespace)]
    for namespace in plays.agent_namespaces:
        found += [access for rule in agents for access in accesses(rule, namespace)]
    not_made = ROLLOUTS[len(plays.rollouts) :]
    return [access for access in dict.fromkeys(found) if access.name not in not_made]


def access_for(request: Request) -> Access:
    """What the API server must allow for a request of the observer."""
    path = request.path.format(namespace=LIBRARY_NAMESPACE).partition("?")[0]
    verb = _VERBS.get(request.method, request.method.lower())
    if named := _NAMESPACE.fullmatch(path):
        return Access(verb, "", "namespaces", named["name"], named["name"])
    found = _RESOURCE.fullmatch(path)
    if found is None:
        return Access(verb, path=path)
    is_list = verb == "get" and not found["name"]
    where = (found["group"] or "", found["resource"], found["namespace"] or "", found["name"] or "")
    return Access("list" if is_list else verb, *where)


def _runner(scene: Scene) -> Iterator[Finding]:
    caller = scene.callers["runner"].get()
    try:
        dns_namespace = scene.dns.get().namespace
    except NotKnown:
        dns_namespace = _SYSTEM
    except ControlPlaneError as error:
        yield refusal(error, "cluster DNS")
        dns_namespace = _SYSTEM
    yield from _needs("runner", caller, runner_needs(scene.plays, dns_namespace), _apply(scene))
    yield from _agents(scene, caller)


def _agents(scene: Scene, caller: Caller) -> Iterator[Finding]:
    """Nobody can grant agents what he does not hold himself."""
    if scene.plays.experiment is None:
        kind = ("ClusterRole", AGENT_READS)
        rules = [
            rule for one in role_manifests() if (one["kind"], one["metadata"]["name"]) == kind for rule in one["rules"]
        ]
    else:
        rules = scene.plays.agent_rules()
    lacking = _lacking(caller, [access for rule in rules for access in accesses(rule)])
    if lacking and scene.plays.experiment is None:
        yield Finding(
            "warning", "runner", f"cannot let agents {_listed(lacking)}; no profile may ask for it", _apply(scene)
        )
    elif lacking:
        yield Finding("wrong", "runner", f"cannot let agents {_listed(lacking)}, as their profile asks", _apply(scene))


def _observer(scene: Scene) -> Iterator[Finding]:
    caller = scene.callers["observer"].get()
    yield from _needs("observer", caller, _asked_as("observer"), _apply(scene))
    if _lacking(caller, [_METRICS]):
        says = "may not read the API server's metrics, so what_is_saturated cannot tell all resources apart"
        yield Finding("warning", "observer", says, _apply(scene))


def _admin(scene: Scene) -> Iterator[Finding]:
    caller = scene.callers["admin"].get()
    deletes = [Access("delete", "apps", "daemonsets", namespace) for namespace in scene.plays.agent_namespaces]
    yield from _needs("admin", caller, [*_asked_as("admin"), *deletes], _bind("admin", caller))


def _break_glass(scene: Scene) -> Iterator[Finding]:
    caller = scene.callers["break-glass"].get()
    fix = "give its context credentials in group system:masters"
    if _lacking(caller, [_EVERYTHING]):
        yield Finding("warning", "break-glass", "may not do everything, so it may not be able to heal", fix)
    yield from _needs("break-glass", caller, _asked_as("break-glass"), fix)


def _marker(scene: Scene) -> Iterator[Finding]:
    """Whoever plays a run must not be able to say that the cluster may be broken."""
    caller = scene.callers["runner"].get()
    wanted = [Access(verb, "", "configmaps", MARKER_NAMESPACE, MARKER_NAME) for verb in ("update", "patch", "delete")]
    wanted.insert(0, Access("create", "", "configmaps", MARKER_NAMESPACE))  # a create has no name to be judged by
    able = [access.verb for access in wanted if may(caller.cluster, access, CALL_S)]
    if able:
        says = f"may {', '.join(able)} the mark, so whoever plays a run can mark"
        fix = f"give its context a user that has the roles of `chaos cp manifests` alone, not {caller.flow.user}"
        yield Finding("warning", "runner", says, fix)


def _needs(identity: str, caller: Caller, wanted: Iterable[Access], fix: str) -> Iterator[Finding]:
    """One finding for each namespace in which something is missing."""
    wanted = list(wanted)
    lacking = _lacking(caller, wanted)
    for namespace in dict.fromkeys(access.namespace for access in lacking):
        what = _listed(access for access in lacking if access.namespace == namespace)
        where = f" in {namespace}" if namespace else ""
        yield Finding("wrong", identity, f"user {caller.flow.user or '?'} may not {what}{where}", fix)
    if not lacking:
        yield Finding("ok", identity, f"may do all that a run asks of it ({len(wanted)} rights)")


def _lacking(caller: Caller, wanted: Iterable[Access]) -> list[Access]:
    return [access for access in wanted if not may(caller.cluster, access, CALL_S)]


def _listed(lacking: Iterable[Access]) -> str:
    words = [str(access) for access in lacking]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more


def _asked_as(identity: str) -> list[Access]:
    # an owner may keep metrics to himself: what carries only numbers is missing then, and said to be
    points = [point for point in asked_by_observer().values() if point.identity == identity and point.is_check]
    return list(dict.fromkeys(access_for(point.request) for point in points if point.request))


def _apply(scene: Scene) -> str:
    """Roles come with the prober, whose image stays what it is."""
    image = ""
    with suppress(ControlPlaneError):
        image = scene.prober.get().facts.image
    others = [f"--agent-account {name}" for name in scene.plays.agent_accounts if name != AGENT_ACCOUNT]
    with suppress(ControlPlaneError):
        is_account = scene.callers["runner"].get().flow.user.startswith("system:serviceaccount:")
        others += ["--service-accounts"] if is_account else []  # the command would take their bindings away otherwise
    return apply_manifests(image, *others)


def _bind(identity: str, caller: Caller) -> str:
    user = caller.flow.user or "USER"
    return f"kubectl create clusterrolebinding chaoslib-cp-{identity} --clusterrole cluster-admin --user {user}"
