"""What refuses a load that writes, before it writes: no namespace for it, or an identity that may not."""

import json
from typing import Final

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.review import Access, may
from chaoslib_cp.engine.load.head import words_of
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE, resource_of
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.virtual_nodes import place_of
from chaoslib_cp.engine.load.write import Write, writes_of
from chaoslib_cp.errors import TargetRefused, TargetUnreachable

_CALL_S: Final = 5.0
_VERBS: Final = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
# Server-side apply needs two (source: Kubernetes documentation, Server-Side Apply, "API access").
NEEDS: Final = {"POST": ("create",), "PATCH": ("create", "patch"), "DELETE": ("delete",)}
"""Verbs that each method is authorized as, where it may be the first of its object."""


def refuse_writes(agent: Cluster, profile: LoadProfile, namespace: str) -> None:
    """Refuse a profile one of whose writes the server would not take.

    A review of rights is asked for each; then what the first virtual node sends is sent once with ``dryRun``, which
    stores nothing.

    Args:
        agent: As the first virtual node.
        profile: What it is told, its ``marks`` included.
        namespace: Of that virtual node.

    Raises:
        TargetRefused: It may not, or there is no namespace for it; nothing was written.
        TargetUnreachable: The API is unwell: no load begins then.
    """
    bodies = writes_of(profile, {**place_of(0, namespace), **words_of(profile)})
    for spec, body in zip(profile.requests, bodies, strict=True):
        if spec.is_write:
            try:
                _refuse_write(agent, spec, body)
            except CallFailed as error:
                raise TargetUnreachable(f"{_said(spec)} cannot be asked for: {error}") from error


def _refuse_write(agent: Cluster, spec: RequestSpec, body: Write | None) -> None:
    group, resource, collection = resource_of(spec.path)
    for verb in NEEDS[spec.method]:
        if not may(agent, Access(verb, group, resource, WRITES_NAMESPACE), _CALL_S):
            raise TargetRefused(
                f"{_said(spec)}: context {agent.context!r} may not {verb} {resource} in {WRITES_NAMESPACE}; nothing "
                "was written; bind the Role chaoslib-cp-agent-writes of `chaos cp manifests` to it (docs/howto-load.md)"
            )
    if body is None:
        return
    answer = agent.call("POST", collection, json.loads(body.body(0.0)), query={"dryRun": "All"}, timeout_s=_CALL_S)
    if answer.status == 404:
        raise TargetRefused(
            f"{_said(spec)}: the cluster has no namespace {WRITES_NAMESPACE}, the only one that loads write to; "
            "nothing was written; apply the roles of `chaos cp manifests`"
        )
    agent.expect_success(answer, f"play {_said(spec)}, tried as a dry run")


def _said(spec: RequestSpec) -> str:
    return f"pattern {spec.pattern} ({_VERBS[spec.method]})"
