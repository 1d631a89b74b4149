"""Which names a C library asks for when a workload looks one up: the search list of resolv.conf(5). Pure.

Only names of the cluster are ever asked for. Where a C library would ask outside of it (a short name as it stands, or
with the domain of the machine's own search list behind it), nothing is asked: a public resolver is nobody's victim.
"""

from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.load.lookup_profile import ABSOLUTE, FULL

NDOTS: Final = 5
"""What a kubelet writes for pods with dnsPolicy ClusterFirst (source: Kubernetes documentation, DNS for Services)."""


@dataclass(frozen=True)
class SearchList:
    """What a pod's resolv.conf says.

    Attributes:
        domain: The cluster's domain, without a final dot: ``cluster.local``.
        search: Domains of the search list, in order, without final dots.
        ndots: A name with at least so many dots is asked for as it stands first.
    """

    domain: str
    search: tuple[str, ...]
    ndots: int = NDOTS

    def written(self, name: str, way: str) -> str:
        """A name of the cluster (``api.shop.svc``) as a workload writes it.

        Args:
            name: Without the cluster's domain.
            way: ``short``, ``full`` or ``absolute``.
        """
        if way in (FULL, ABSOLUTE):
            return f"{name}.{self.domain}{'.' if way == ABSOLUTE else ''}"
        return name.removesuffix(".svc")

    def asked_for(self, written: str) -> tuple[tuple[str, ...], int]:
        """The names that are asked for, one after the other until one has an address.

        Args:
            written: The name as a workload writes it; a final dot leaves the search list out.

        Returns:
            The names, without final dots, and which of them is the name as it stands; -1 where that is outside of the
            cluster.
        """
        as_it_stands = written.rstrip(".")
        asked = [as_it_stands]
        if not written.endswith("."):
            searched = [f"{written}.{domain}" for domain in self.search]
            asked = [*asked, *searched] if written.count(".") >= self.ndots else [*searched, *asked]
        ours = tuple(name for name in asked if name == self.domain or name.endswith(f".{self.domain}"))
        return ours, ours.index(as_it_stands) if as_it_stands in ours else -1
