"""Virtual nodes: their names, and whom each of them stands for. Their schedules follow from their names.

Priority and fairness chooses the flow after impersonation (kubernetes/apiserver: pkg/server/config.go, order of
handlers), so one credential that may impersonate is as many flows as it has virtual nodes.
"""

from typing import Final

NODE: Final = "node"
"""Each is a node of its own: priority level ``system``, a flow for each node."""
SERVICE_ACCOUNT: Final = "serviceaccount"
"""Each is a ServiceAccount of its own: ``workload-low`` with a flow for each, or ``workload-high`` in kube-system."""
SCHEMES: Final = ("", NODE, SERVICE_ACCOUNT)


def node_name(number: int) -> str:
    """Name of the virtual node with that number, from 0."""
    return f"chaoslib-cp-{number + 1:04}"


def place_of(number: int, namespace: str) -> dict[str, str]:
    """Where a virtual node's agent is: what paths and queries of a profile may leave open (``head.PLACES``)."""
    return {"node": node_name(number), "namespace": namespace, "pod": node_name(number)}


def stands_for(scheme: str, number: int, namespace: str) -> tuple[tuple[str, str], ...]:
    """The headers by which a virtual node stands for somebody; none without a scheme.

    Args:
        scheme: One of ``SCHEMES``.
        number: Of the virtual node, from 0.
        namespace: Of the ServiceAccounts. A server gives a ServiceAccount that is stood for its groups by itself
            (kubernetes/apiserver: pkg/endpoints/filters/impersonation.go); of a node it does not know them.
    """
    if scheme == NODE:
        return (("Impersonate-User", f"system:node:{node_name(number)}"), ("Impersonate-Group", "system:nodes"))
    if scheme == SERVICE_ACCOUNT:
        return (("Impersonate-User", f"system:serviceaccount:{namespace}:{node_name(number)}"),)
    return ()
