"""A row of the table of patterns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Cost = Literal["extreme", "high", "medium", "cheap", "refused"]
"""What a request costs an API server; ``refused`` is one that it does not know and answers with an error."""
HARMLESS: Final[tuple[Cost, ...]] = ("cheap", "refused")
COLLECTIONS: Final = {
    "configmaps": "/api/v1/configmaps",
    "daemonsets": "/apis/apps/v1/daemonsets",
    "deployments": "/apis/apps/v1/deployments",
    "endpoints": "/api/v1/endpoints",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "namespaces": "/api/v1/namespaces",
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "replicasets": "/apis/apps/v1/replicasets",
    "services": "/api/v1/services",
    "statefulsets": "/apis/apps/v1/statefulsets",
}
"""Collections that a row for pods can be played on, by the word that stands in its name for ``pods``.

Those that agents may be told to read (``cluster/gate/roles.py``), but for events, which no watch cache holds.
"""


@dataclass(frozen=True)
class Era:
    """What a pattern costs from a version of Kubernetes on, until the next era begins.

    Attributes:
        since: minor version, as in 1.31; 0 for the oldest.
        cost: one word.
        why: what the server does then.
    """

    since: int
    cost: Cost
    why: str


@dataclass(frozen=True)
class Pattern:
    """One kind of request.

    Attributes:
        name: what a profile calls it; ``pods`` in it may be another of ``COLLECTIONS`` where ``of_any`` is true.
        source: P1 to P19: one number for each kind of cost, which several rows may share.
        words: what a client of this kind does.
        driver: what the server's cost comes from.
        eras: from the oldest on.
        sets: keys of a request, as a profile has them, that this pattern is about; nobody may give them beside it.
        of_any: whether the same request of another collection is the same pattern.
        needs: keys that a profile must give beside it.
        instead: what to use on a version on which it does not bite.
        body: what it sends, as an object without the labels of a run; None for a read and for a delete.
    """

    name: str
    source: str
    words: str
    driver: str
    eras: tuple[Era, ...]
    sets: Mapping[str, Any]
    of_any: bool = False
    needs: tuple[str, ...] = ()
    instead: str = ""
    body: Mapping[str, Any] | None = None

    def era(self, minor: int) -> Era:
        """What it costs on version 1.``minor``; versions that are not out yet count as the newest that is known."""
        return next(era for era in reversed(self.eras) if era.since <= minor)
