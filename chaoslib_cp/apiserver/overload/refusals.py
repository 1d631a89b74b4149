"""What refuses a load before any of it is sent: another cluster, an exempt identity, a request that it may not make."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.flow import Flow, flow_of
from chaoslib_cp.cluster.door.review import Access, may
from chaoslib_cp.cluster.gate.allowed import refuse_context
from chaoslib_cp.cluster.gate.guard import refuse_unverified
from chaoslib_cp.cluster.gate.identities import refuse_elsewhere
from chaoslib_cp.cluster.injection import Injection
from chaoslib_cp.engine.load.head import filled, words_of
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.virtual_nodes import place_of, stands_for
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import Settings

EXEMPT_GROUP: Final = "system:masters"
"""Its requests never wait (source: Kubernetes documentation, priority and fairness), so a load as it shows nothing."""
_CALL_S: Final = 5.0
_RESOURCE: Final = re.compile(r"/api/[^/]+/.+|/apis/[^/]+/[^/]+/.+")


def open_agent(settings: Settings, context: str) -> Cluster:
    """Open the cluster as the identity that the load has.

    Args:
        settings: What the run was told.
        context: A context of its kubeconfig.

    Raises:
        TargetRefused: There is no such context, it is on no list of allowed ones, or it cannot be used; nothing was
            sent.
    """
    names = [str(one.get("name")) for one in settings.kubeconfig_document["contexts"]] if settings.kubeconfig else []
    if context not in names:
        raise TargetRefused(
            f"kubeconfig {settings.kubeconfig or '(none)'} has no context {context!r} for the load (it has: "
            f"{', '.join(names)}); nothing was sent; name one of an ordinary user, or make one (docs/howto-load.md)"
        )
    refuse_context(context, "the load", settings)
    return open_cluster(settings.reached_by("", {"agent": context}), "agent")


def refuse_identity(agent: Cluster, injection: Injection) -> Flow:
    """Refuse an identity that leads to another cluster, or that no queue holds up; returns who it is.

    Raises:
        TargetRefused: It is such, or nobody says who it is; nothing was sent.
        TargetUnreachable: The API does not answer.
    """
    refuse_unverified(agent)
    refuse_elsewhere(agent, injection.cluster, injection.permit.cluster_uid, _CALL_S)
    flow = flow_of(agent, timeout_s=_CALL_S)
    where = f"context {agent.context!r}"
    if not flow.user:
        raise TargetRefused(
            f"{where}: the API server does not say who that is, so it may be {EXEMPT_GROUP}; nothing was sent; let it "
            "ask (ClusterRole system:basic-user), on Kubernetes 1.28 or later"
        )
    if EXEMPT_GROUP in flow.groups:
        raise TargetRefused(
            f"{where} is user {flow.user} of group {EXEMPT_GROUP}, whose requests never wait and drown everybody's; "
            "nothing was sent; name a context of an ordinary user"
        )
    return flow


def standing_for(agent: Cluster, scheme: str, namespace: str) -> Cluster:
    """The same credentials as the first virtual node has them; with a scheme it stands for somebody.

    Raises:
        TargetRefused: The context stands for somebody already; nothing was sent.
    """
    headers = stands_for(scheme, 0, namespace)
    if not headers:
        return agent
    if agent.connection.impersonation:
        raise TargetRefused(
            f"context {agent.context!r} stands for somebody already (`as` in the kubeconfig), and impersonate is "
            f"{scheme!r}; nothing was sent; leave one of the two out"
        )
    return Cluster(replace(agent.connection, impersonation=headers))


def refuse_requests(agent: Cluster, profile: LoadProfile, namespace: str) -> None:
    """Refuse a profile one of whose reads the server would not let in, or knows nothing of.

    Each of a resource is asked once by HEAD: it is authorized as the read itself, selectors included, and then not
    served (405, seen on 1.36). A path that is no resource has the method as its verb, so about those a review is asked
    (source: kubernetes/apiserver, pkg/endpoints/request/requestinfo.go).

    Raises:
        TargetRefused: 401 or 403; it names the request.
        ProfileInvalid: 404: there is no such path.
        TargetUnreachable: The API is unwell: no load begins then.
    """
    place = {**place_of(0, namespace), **words_of(profile)}
    for spec in (_placed(one, place) for one in profile.requests if not one.is_write):
        try:
            status = _status(agent, spec)
        except CallFailed as error:
            raise TargetUnreachable(f"{_asked(spec)} got no answer: {error}") from error
        if status in (401, 403):
            raise TargetRefused(
                f"{_asked(spec)} is refused with {status} to context {agent.context!r}: {_reason(agent, spec)}; "
                "nothing else was sent; give it that right, or name another context"
            )
        if status == 404:
            raise ProfileInvalid(
                f"{_asked(spec)}: the server has no such path (404); nothing else was sent; correct the profile"
            )
        if status == 429 or status >= 500:
            raise TargetUnreachable(
                f"{_asked(spec)} is answered with {status}: the API is unwell; nothing else was sent; wait until it is "
                "well"
            )


def _status(agent: Cluster, spec: RequestSpec) -> int:
    """The status that the request would have, as far as it can be known without making it."""
    if _RESOURCE.fullmatch(spec.path):
        return agent.call("HEAD", spec.path, query=spec.query, timeout_s=_CALL_S).status
    return 200 if may(agent, Access("get", path=spec.path), _CALL_S) else 403


def _placed(spec: RequestSpec, place: Mapping[str, str]) -> RequestSpec:
    """The request as the first virtual node makes it."""
    query = {key: filled(value, place) for key, value in spec.query.items()}
    return replace(spec, path=filled(spec.path, place), query=query, pattern="")


def _asked(spec: RequestSpec) -> str:
    query = "&".join(f"{key}={value}" for key, value in spec.query.items())
    return f"{spec.method} {spec.path}{f'?{query}' if query else ''}"


def _reason(agent: Cluster, spec: RequestSpec) -> str:
    """In the server's words: an answer to HEAD has none. What is refused costs the server nothing."""
    try:
        return agent.call("GET", spec.path, query=spec.query, timeout_s=_CALL_S).reason()
    except CallFailed:
        return "no reason given"
