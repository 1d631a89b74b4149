"""Whether the API is well enough for a change that must not be half done."""

from typing import Final

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.errors import TargetUnreachable

_LOOKS: Final = 3
# The API service level objective for a single object is 1 s (source: kubernetes/community, sig-scalability, slos).
_QUICK_S: Final = 1.0


def refuse_unwell(
    cluster: Cluster, what: str, do: str = "wait until it is well, or begin with this before the load"
) -> None:
    """Refuse a change while the API is unwell: three small reads must each be answered within a second.

    Args:
        cluster: As the runner.
        what: What would come of the change then, as it stands in the refusal.
        do: What to do instead.

    Raises:
        TargetUnreachable: It is; nothing was changed.
        TargetRefused: This identity may not ask.
    """
    for _ in range(_LOOKS):
        try:
            cluster.expect_success(cluster.call("GET", "/readyz", timeout_s=_QUICK_S), "ask for its health")
            cluster.get("/api/v1/namespaces/kube-system", timeout_s=_QUICK_S)
        except CallFailed as error:
            raise TargetUnreachable(
                f"the API of {cluster.server} is unwell ({error.outcome}), and {what}; nothing was changed; {do}"
            ) from error
