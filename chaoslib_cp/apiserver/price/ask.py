"""What a price is asked of, checked while nothing has been sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.apiserver.overload.start import OverloadAsk
from chaoslib_cp.apiserver.overload.wanted import MAX_NODES
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

USUAL_LOAD_CORES: Final = 0.1
"""CPU that the largest of the small loads is to cost: well seen beside an idle server, harmless to any."""
USUAL_RUNG_S: Final = 15.0


@dataclass(frozen=True)
class PriceAsk:
    """Arguments of ``chaos cp price``.

    Attributes:
        profile: As ``start_api_overload`` takes it.
        context: Context of the kubeconfig as which is asked.
        impersonate: Scheme by which virtual nodes stand for users of their own; empty for none.
        namespace: Of the ServiceAccounts that are stood for.
        rung_s: Seconds that each load lasts, 1 to 600.
        load_cores: CPU of all API servers that the largest load is to cost, 0.01 to 16.
        is_fitted: Several loads are played, and a law is fitted to them; else one load.
    """

    profile: Mapping[str, Any] | str
    context: str = "agent"
    impersonate: str = ""
    namespace: str = "default"
    rung_s: float = USUAL_RUNG_S
    load_cores: float = USUAL_LOAD_CORES
    is_fitted: bool = True

    def __post_init__(self) -> None:
        """Refuse a wrong argument.

        Raises:
            ProfileInvalid: One is; nothing was sent.
        """
        checked("rung_s", self.rung_s, 1, 600)
        checked("load_cores", self.load_cores, 0.01, 16)
        self.load(self.profile, 1)

    def load(self, profile: Mapping[str, Any] | str, virtual_nodes: int) -> OverloadAsk:
        """One of the loads."""
        return OverloadAsk(profile, virtual_nodes, self.rung_s, self.context, self.impersonate, self.namespace)


@dataclass(frozen=True)
class Budget:
    """What may not be exceeded; None of what does not matter.

    Attributes:
        cpu_s_per_request: CPU seconds of the API servers for one request, in the mean of the profile.
        nodes: Size of cluster that a prediction is made for.
        cores: CPU of all API servers that its agents may cost there.
        objects_factor: How many times as many objects that cluster has as this one; None where they grow with the
            nodes.
    """

    cpu_s_per_request: float | None = None
    nodes: int | None = None
    cores: float | None = None
    objects_factor: float | None = None

    def __post_init__(self) -> None:
        """Refuse a wrong number.

        Raises:
            ProfileInvalid: One is wrong, or says nothing without another; nothing was sent.
        """
        for name, value, least, most in (
            ("max_cpu_s_per_request", self.cpu_s_per_request, 1e-6, 1e4),
            ("max_cores", self.cores, 1e-3, 1e6),
            ("objects_factor", self.objects_factor, 1e-6, 1e6),
        ):
            if value is not None:
                checked(name, value, least, most)
        if self.nodes is not None:
            checked("nodes", self.nodes, 1, MAX_NODES * 20, whole=True)
        elif self.cores is not None or self.objects_factor is not None:
            raise ProfileInvalid(
                "max_cores and objects_factor are about a cluster of another size; nothing was sent; say its nodes"
            )
