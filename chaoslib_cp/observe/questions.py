"""What the observer asks the API: the rows of ``vantage.py``, with credentials and addresses in them.

Kept connections for the observer's reads: they tell what a well-behaved client with a warm connection sees, and cost
the server least. Fresh ones for the writes: every ``kubectl`` is a new process that must connect, shake hands and
authenticate, which is where a starved server fails first.
"""

import json
from collections.abc import Awaitable, Callable

from chaoslib_cp.cluster.door.access import ClusterAccess, credentials
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, HttpsTarget, KeptConnections
from chaoslib_cp.engine.sample.pace import Question
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.vantage import ASK_AS, Request, asked_by_observer


def target_of(access: ClusterAccess) -> HttpsTarget:
    """Make the target of HTTPS calls from an identity's credentials."""
    client_cert = access.client_cert_pem.encode() or None
    context = https.tls_context(access.ca_pem.encode(), client_cert, access.client_key_pem.encode() or None)
    return HttpsTarget(access.address, access.port, access.server_name, context, access.token or None)


def targets_of(plan: ObservePlan) -> dict[str, HttpsTarget]:
    """Read the credentials of every identity in the plan, now: in the storm there is no time for it.

    Raises:
        TargetRefused: The kubeconfig has no such context.
        TargetUnreachable: The server's name does not resolve.
    """
    settings = plan.settings()
    wanted = [identity for identity in ASK_AS if identity in plan.contexts]
    return {identity: target_of(credentials(settings, identity)) for identity in wanted}


def questions_of(plan: ObservePlan, targets: dict[str, HttpsTarget], kept: KeptConnections) -> list[Question]:
    """List what to ask the API, leaving out what the plan switches off and identities it does not have."""
    return [
        Question(
            vantage=point.name,
            target=f"{targets[point.identity].address}:{targets[point.identity].port}",
            period_s=plan.period_s(point.name),
            ask=_asker(targets[point.identity], point.request, plan, plan.deadline_s(point.name), kept),
            first_s=point.request.first_s,
        )
        for point in asked_by_observer().values()
        if point.request is not None and point.identity in targets and plan.period_s(point.name) > 0
    ]


def _asker(
    target: HttpsTarget, request: Request, plan: ObservePlan, deadline_s: float, kept: KeptConnections
) -> Callable[[], Awaitable[HttpsSample]]:
    wire = _on_the_wire(request, plan.namespace)
    return lambda: https.ask(target, wire, deadline_s, kept if request.kept else None)


def _on_the_wire(request: Request, namespace: str) -> HttpsRequest:
    path = request.path.replace("{namespace}", namespace)
    if request.body is None:
        return HttpsRequest(request.method, path)
    headers = (("Content-Type", "application/json"),)
    return HttpsRequest(request.method, path, json.dumps(request.body).encode(), headers)
