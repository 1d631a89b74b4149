"""What answers for the cluster's domain, and for how long its answers live."""

from dataclasses import dataclass
from functools import cached_property

from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.tokens import shown
from chaoslib_cp.engine.poison.weaknesses.caching import Limits, answer_ttl_s, is_cached, limits_of
from chaoslib_cp.errors import ProfileInvalid

Version = tuple[int, int, int]
_USUAL_ZONE = "cluster.local"


@dataclass(frozen=True)
class Served:
    """What answers for a zone.

    Attributes:
        corefile: All of it.
        block: The server block that answers.
        zone: The cluster's domain, without the dot at its end.
        version: Of CoreDNS; None where nobody knows.
        arriving_ttl_s: TTL of the answers that another server sends for that zone, seconds; None where that is not
            known, or where this server knows the answers itself.
    """

    corefile: Corefile
    block: ServerBlock
    zone: str
    version: Version | None
    arriving_ttl_s: int | None = None

    @cached_property
    def directives(self) -> tuple[Directive, ...]:
        """Its plugins, snippets put in."""
        return resolve_snippets(self.corefile, self.block)

    def plugins(self, name: str) -> list[Directive]:
        """Each use of a plugin."""
        return [one for one in self.directives if one.name == name]

    def options(self, plugin: str, name: str) -> list[Directive]:
        """Each use of an option of a plugin."""
        return [option for one in self.plugins(plugin) for option in one.body if option.name == name]

    @property
    def is_cached(self) -> bool:
        """Whether good answers for the zone are kept."""
        return any(is_cached(one, "success", self.zone) for one in self.plugins("cache"))

    @property
    def ttl_s(self) -> int | None:
        """The TTL that clients are told, seconds; None where nobody knows. The cache bends it though it keeps none."""
        if self._own_ttl_s is None or not self.plugins("cache"):
            return self._own_ttl_s
        return self._success.kept_s(self._own_ttl_s) if self._success else None

    @property
    def ttl_line(self) -> int:
        """The line that decides it."""
        if (self._success and self.ttl_s != self._own_ttl_s) or not self.plugins("kubernetes"):
            return self._success.line if self._success else self.block.line
        return [*self.options("kubernetes", "ttl"), *self.plugins("kubernetes")][0].line

    @property
    def _own_ttl_s(self) -> int | None:
        plugins = self.plugins("kubernetes")
        return answer_ttl_s(plugins[0]) if plugins else self.arriving_ttl_s

    @property
    def _success(self) -> Limits | None:
        caches = self.plugins("cache")
        return limits_of(caches[0], "success") if caches else None


def read_served(text: str, zone: str, port: int, version: Version | None, arriving_ttl_s: int | None = None) -> Served:
    """Find what answers for a zone.

    Args:
        text: A Corefile.
        zone: The cluster's domain; where it is empty, the one that the Corefile itself names.
        port: On which CoreDNS is asked.
        version: Of CoreDNS; None where nobody knows.
        arriving_ttl_s: TTL of the answers that another server sends for that zone, seconds.

    Raises:
        ProfileInvalid: The text is no Corefile, or nothing in it answers for that zone. Nothing was changed.
    """
    corefile = parse_corefile(text)
    wanted = zone.rstrip(".") or _zone_of(corefile)
    block = block_for(corefile, wanted, port)
    if block is None:
        raise ProfileInvalid(
            f"no server block without a view answers for {shown(wanted)} on port {port}; nothing was changed; look at "
            "that Corefile yourself"
        )
    return Served(corefile, block, wanted, version, arriving_ttl_s)


def _zone_of(corefile: Corefile) -> str:
    """The first zone of the first plugin ``kubernetes`` that is no reverse zone."""
    for block in corefile.blocks:
        for one in resolve_snippets(corefile, block):
            if one.name == "kubernetes":
                zones = [fully_qualified(word) for word in one.arguments] or [zone for zone, _ in block.zones]
                forward = (zone.rstrip(".") for zone in zones if not zone.endswith(".arpa."))
                return next(filter(None, forward), _USUAL_ZONE)
    return _USUAL_ZONE
