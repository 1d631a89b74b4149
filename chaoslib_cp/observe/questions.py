"""The vantage points at the API: what is asked, as whom, and over which kind of connection.

Kept connections for the observer's reads: they tell what a well-behaved client with a warm connection sees, and cost
the server least. Fresh ones for the writes: every ``kubectl`` is a new process that must connect, shake hands and
authenticate, which is where a starved server fails first.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaoslib_cp.cluster.door.access import ClusterAccess, credentials
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, HttpsTarget, KeptConnections
from chaoslib_cp.engine.sample.pace import Question
from chaoslib_cp.observe.plan import ObservePlan


@dataclass(frozen=True)
class _Call:
    vantage: str
    identity: str
    request: HttpsRequest
    kept: bool
    first_s: float  # close together, so that the server is woken once (plan.py has the figures), but one by one


def _calls(namespace: str) -> tuple[_Call, ...]:
    # The smallest right there is: one object, by name. A Role can grant the reading of its own Namespace (400 bytes),
    # so nothing has to be created for it; the prober's manifest brings that Role and its binding. Without a
    # resourceVersion the answer comes from etcd, not from the watch cache: the ordinary `kubectl get NAME`.
    read = HttpsRequest("GET", f"/api/v1/namespaces/{namespace}")
    return (
        _Call("api_livez", "observer", HttpsRequest("GET", "/livez"), kept=True, first_s=0.10),
        _Call("api_version", "observer", HttpsRequest("GET", "/version"), kept=True, first_s=0.11),
        _Call("api_read", "observer", read, kept=True, first_s=0.12),
        _Call("admin_write", "admin", _dry_run_write(namespace, "admin-write"), kept=False, first_s=0.13),
        _Call("break_glass_write", "break-glass", _dry_run_write(namespace, "break-glass-write"), False, first_s=0.16),
    )


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
    wanted = [identity for identity in ("observer", "admin", "break-glass") if identity in plan.contexts]
    return {identity: target_of(credentials(settings, identity)) for identity in wanted}


def questions_of(plan: ObservePlan, targets: dict[str, HttpsTarget], kept: KeptConnections) -> list[Question]:
    """List what to ask the API, leaving out what the plan switches off and identities it does not have."""
    return [
        Question(
            vantage=call.vantage,
            target=f"{targets[call.identity].address}:{targets[call.identity].port}",
            period_s=plan.period_s(call.vantage),
            ask=_asker(targets[call.identity], call, plan.deadline_s(call.vantage), kept if call.kept else None),
            first_s=call.first_s,
        )
        for call in _calls(plan.namespace)
        if call.identity in targets and plan.period_s(call.vantage) > 0
    ]


def _asker(
    target: HttpsTarget, call: _Call, deadline_s: float, kept: KeptConnections | None
) -> Callable[[], Awaitable[HttpsSample]]:
    return lambda: https.ask(target, call.request, deadline_s, kept)


def _dry_run_write(namespace: str, name: str) -> HttpsRequest:
    """A create that goes all the way (authentication, fair queueing, authorization, admission, etcd) but is not kept.

    Source: Kubernetes API concepts, dry-run.
    """
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"asked-by": "chaoslib-cp"}}
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All&fieldManager=chaoslib-cp-observe"
    return HttpsRequest("POST", path, json.dumps(body).encode(), (("Content-Type", "application/json"),))
