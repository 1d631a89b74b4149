"""What a Corefile says of the truth: the cluster's domain, and for how long a cache may keep a true answer."""

from collections.abc import Iterator
from typing import Final

from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.corefile import Corefile, Directive
from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets

_USUAL_TTL_S: Final = 5
"""Of the plugin kubernetes (source: CoreDNS, plugin/kubernetes/README.md, ttl)."""
_LEAST_S: Final = 5
"""CoreDNS keeps every good answer for so long at least (source: CoreDNS, plugin/cache, minTTL)."""


def cluster_domain(corefile: Corefile, port: int) -> str:
    """The first domain for which a plugin kubernetes answers that is no reverse zone; empty when there is none.

    Args:
        corefile: As it is.
        port: On which CoreDNS is asked.
    """
    for block in corefile.blocks:
        if any(address.port == port for address in block.addresses):
            for directive in _kubernetes(corefile, block.zones[0][0], port):
                named = [one for one in directive.arguments if not fully_qualified(one).endswith(".arpa.")]
                return fully_qualified(named[0]) if named else block.zones[0][0]
    return ""


def truth_ttl_s(corefile: Corefile, domain: str, port: int) -> int:
    """For how long a cache in front of the plugin kubernetes may keep what it says, seconds.

    Args:
        corefile: As it is.
        domain: The cluster's.
        port: On which CoreDNS is asked.
    """
    for directive in _kubernetes(corefile, domain, port):
        given = [one.arguments[0] for one in directive.body if one.name == "ttl" and one.arguments]
        return max(_LEAST_S, int(given[0]) if given and given[0].isdecimal() else _USUAL_TTL_S)
    return _LEAST_S


def _kubernetes(corefile: Corefile, name: str, port: int) -> Iterator[Directive]:
    block = block_for(corefile, name, port)
    directives = resolve_snippets(corefile, block) if block else ()
    return (directive for directive in directives if directive.name == "kubernetes")
