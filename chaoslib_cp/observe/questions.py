"""What the observer asks the API: the rows of ``vantage/api.py``, with credentials and addresses in them.

Kept connections for the observer's reads: they tell what a well-behaved client with a warm connection sees, and cost
the server least. Fresh ones for the writes: every ``kubectl`` is a new process that must connect, shake hands and
authenticate, which is where a starved server fails first.
"""

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.engine.sample.counted import ask_and_count
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, KeptConnections
from chaoslib_cp.engine.sample.pace import Attempt, Question
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.way import Way
from chaoslib_cp.vantage import asked_by_observer
from chaoslib_cp.vantage_point import ASK_AS, Request


def ways_of(plan: ObservePlan) -> dict[str, Way]:
    """Read how each identity of the plan reaches the API, now: in the storm there is no time for it.

    Raises:
        TargetRefused: The kubeconfig has no such context.
        TargetUnreachable: The server's name does not resolve.
    """
    settings = plan.settings()
    return {identity: Way(describe(settings, identity)) for identity in ASK_AS if identity in plan.contexts}


Kept = defaultdict[str, KeptConnections]
"""Connections that are kept, by the server (``ip:port``) that they lead to; empty for the cluster's own address."""


def questions_of(plan: ObservePlan, ways: Mapping[str, Way], kept: Kept) -> list[Question]:
    """List what to ask the API, leaving out what the plan switches off and identities it does not have."""
    return [
        Question(
            vantage=point.name,
            target=server or ways[point.identity].address,
            period_s=plan.period_s(point.name),
            ask=_asker(ways[point.identity], point.request, plan, plan.deadline_s(point.name), kept, server),
            first_s=point.request.first_s,
        )
        for point in asked_by_observer().values()
        if point.request is not None and point.identity in ways and plan.period_s(point.name) > 0
        for server in ((plan.api_servers or ("",)) if point.request.each_server else ("",))
    ]


def _asker(
    way: Way, request: Request, plan: ObservePlan, deadline_s: float, kept: Kept, server: str
) -> Callable[[], Awaitable[Attempt]]:
    wire = _on_the_wire(request, plan.namespace)
    connections = kept[server] if request.kept else None

    def ask(asked: HttpsRequest) -> Awaitable[HttpsSample]:
        return way.ask(asked, deadline_s, connections, server)

    return (lambda: ask_and_count(ask, wire, request.metrics)) if request.metrics else (lambda: ask(wire))


def _on_the_wire(request: Request, namespace: str) -> HttpsRequest:
    path = request.path.replace("{namespace}", namespace)
    if request.body is None:
        return HttpsRequest(request.method, path)
    headers = (("Content-Type", "application/json"),)
    return HttpsRequest(request.method, path, json.dumps(request.body).encode(), headers)
