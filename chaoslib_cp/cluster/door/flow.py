"""Who the API server takes an identity for, and which queue its requests wait in when the server is overloaded.

Every answer of a server with priority and fairness names its FlowSchema and priority level by UID, in headers (source:
Kubernetes documentation, "Flow control"). Who may list these objects can turn the UIDs into names; the runner may not.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster

_REVIEW: Final = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_GROUP: Final = "/apis/flowcontrol.apiserver.k8s.io"
_VERSIONS: Final = ("v1", "v1beta3")  # the second before 1.29
_NOT_SAID: Final = (403, 404)  # system:basic-user was cut down, or a server older than 1.28


@dataclass(frozen=True)
class FlowNames:
    """The FlowSchemas and priority levels of one cluster.

    Attributes:
        schemas: Name of each FlowSchema, by UID.
        levels: Name of each priority level, by UID.
        exempt: UIDs of the priority levels whose requests never wait.
        by_user: UIDs of the FlowSchemas in which each user has a flow of its own.
    """

    schemas: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    exempt: frozenset[str] = frozenset()
    by_user: frozenset[str] = frozenset()


UNNAMED: Final = FlowNames()
"""What is known of them by somebody who may not list them."""


@dataclass(frozen=True)
class Flow:
    """One identity as the API server sees it.

    Attributes:
        user: Its user name; empty where the server does not say (older than 1.28).
        groups: Its groups.
        flow_schema: Name of the FlowSchema of its requests, the UID where the name is not known; empty where the server
            has no priority and fairness.
        priority_level: The same of the priority level.
        is_exempt: Its requests never wait; None where that is not known.
        is_by_user: Each user of that FlowSchema has a flow of its own; None where that is not known.
    """

    user: str
    groups: tuple[str, ...]
    flow_schema: str
    priority_level: str
    is_exempt: bool | None
    is_by_user: bool | None

    def waits_with(self, other: "Flow") -> bool:
        """Whether the requests of both wait in one queue: one FlowSchema, and no flow for each user there."""
        if not self.flow_schema or self.is_exempt or self.flow_schema != other.flow_schema:
            return False
        return self.is_by_user is False or (bool(self.user) and self.user == other.user)


def flow_names(cluster: Cluster, timeout_s: float = DEFAULT_TIMEOUT_S) -> FlowNames:
    """Read which FlowSchemas and priority levels there are.

    Args:
        cluster: As an identity that may list them, such as an administrator.
        timeout_s: Limit of each call.

    Raises:
        TargetRefused: This identity may not.
        TargetUnreachable: No answer, or the server is unwell.
    """
    schemas = _listed(cluster, "flowschemas", timeout_s)
    levels = _listed(cluster, "prioritylevelconfigurations", timeout_s)
    return FlowNames(
        schemas={uid: name for uid, (name, _) in schemas.items()},
        levels={uid: name for uid, (name, _) in levels.items()},
        exempt=frozenset(uid for uid, (_, spec) in levels.items() if spec.get("type") == "Exempt"),
        by_user=frozenset(
            uid for uid, (_, spec) in schemas.items() if (spec.get("distinguisherMethod") or {}).get("type") == "ByUser"
        ),
    )


def flow_of(cluster: Cluster, names: FlowNames = UNNAMED, timeout_s: float = DEFAULT_TIMEOUT_S) -> Flow:
    """Ask the API server who an identity is, and see how it treats the question. Nothing is changed.

    Args:
        cluster: As the identity.
        names: From :func:`flow_names`, perhaps as another identity; without it there are UIDs instead of names.
        timeout_s: Limit of the one call.

    Raises:
        TargetRefused: The server does not know this identity (401).
        TargetUnreachable: No answer, or the server is unwell.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = cluster.call("POST", _REVIEW, body=review, timeout_s=timeout_s)
    if answer.status not in _NOT_SAID:
        cluster.expect_success(answer, "ask who it is")
    who = (answer.json().get("status") or {}).get("userInfo") or {}
    schema, level = answer.flow_schema_uid, answer.priority_level_uid
    return Flow(
        user=str(who.get("username") or ""),
        groups=tuple(map(str, who.get("groups") or ())),
        flow_schema=names.schemas.get(schema, schema),
        priority_level=names.levels.get(level, level),
        is_exempt=level in names.exempt if level in names.levels else None,
        is_by_user=schema in names.by_user if schema in names.schemas else None,
    )


def flow_warnings(flows: Mapping[str, Flow]) -> list[str]:
    """Say what of the flows of a run's identities spoils what it measures; one line each.

    Args:
        flows: By identity; one that is missing is not spoken of.
    """
    warnings = []
    if not any(flow.flow_schema for flow in flows.values()):
        return ["the API server has no priority and fairness: everybody waits with everybody"] if flows else []
    for identity, flow in flows.items():
        if identity == "break-glass" and flow.is_exempt is False:
            warnings.append(
                f"break-glass is not exempt: its requests wait in priority level {flow.priority_level}, so it may be "
                "locked out, too; let it be a member of system:masters"
            )
        elif identity != "break-glass" and flow.is_exempt:
            warnings.append(
                f"{identity} is exempt from priority and fairness: what it meets is not what an ordinary user meets; "
                "let it be no member of system:masters"
            )
    for one, other in itertools.combinations(flows, 2):
        if flows[one].waits_with(flows[other]):
            warnings.append(
                f"{one} and {other} share a flow in priority level {flows[one].priority_level} (FlowSchema "
                f"{flows[one].flow_schema}): each waits for the other's requests; give each a user of its own"
            )
    return warnings


def _listed(cluster: Cluster, kind: str, timeout_s: float) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Name and spec of each object of a kind, by UID; none where the server does not have such objects."""
    for version in _VERSIONS:
        listed = cluster.get(f"{_GROUP}/{version}/{kind}", timeout_s=timeout_s)
        if listed is not None:
            items = listed.get("items") or ()
            return {str(one["metadata"]["uid"]): (str(one["metadata"]["name"]), one.get("spec") or {}) for one in items}
    return {}
