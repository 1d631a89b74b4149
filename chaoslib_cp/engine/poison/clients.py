"""Who hears a lie that is not for everybody: clients, known by the addresses from which they ask a DNS server.

A DNS server knows nothing of a client but the address that its question came from. Behind the cache of a node that is
the node's; where somebody masquerades, it is that somebody's. CoreDNS compares it in the gate of a lie, with functions
of its plugin ``view`` (source: CoreDNS, plugin/view/README.md: ``incidr`` and ``client_ip``), which hold nothing back:
what is answered there is never kept by that server.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from chaoslib_cp.errors import ProfileInvalid

MOST_CLIENTS: Final = 16
"""Each is compared for each question about the name, and makes its gate longer."""
_INSIDE: Final = tuple(
    map(
        ipaddress.ip_network,
        # RFC 1918, RFC 6598 (clouds give it to pods), RFC 4193
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)


def read_clients(given: object) -> tuple[str, ...]:
    """Clients as a user names them: addresses, or blocks of addresses such as ``10.244.3.0/24``.

    Args:
        given: A list of texts, or nothing.

    Returns:
        Each as a block, as CoreDNS compares it; none where nobody is named, and everybody hears it.

    Raises:
        ProfileInvalid: It is no such list, or an empty or a long one; nothing was changed.
    """
    if given is None:
        return ()
    if not isinstance(given, list | tuple) or not 0 < len(given) <= MOST_CLIENTS:
        raise ProfileInvalid(
            f"clients is {str(given)[:100]}; nothing was changed; use a list of 1 to {MOST_CLIENTS} addresses, or "
            "leave it out for a lie that everybody hears"
        )
    return tuple(map(_block, given))


def gate(clients: Iterable[str]) -> str:
    """The part of a gate that lets these clients through, and nobody else."""
    each = [f"incidr(client_ip(), '{client}')" for client in clients]
    return f"({' || '.join(each)})"


def refuse_outsider(client: str) -> None:
    """Refuse a client that is no pod and no node of a cluster: addresses that belong to the world, or to one machine.

    Raises:
        ProfileInvalid: It is one; nothing was changed.
    """
    block = ipaddress.ip_network(client)
    if any(block.version == one.version and block.subnet_of(one) for one in _INSIDE):  # type: ignore[arg-type]
        return
    hint = "use the address of a pod, or of a node"
    if block.is_link_local:
        hint = "pods ask a cache of their node there, and DNS servers see the node's own address: use that one"
    raise ProfileInvalid(
        f"client {client} is not one of private addresses ({', '.join(map(str, _INSIDE))}); nothing was changed; {hint}"
    )


def _block(given: object) -> str:
    try:
        if isinstance(given, str) and "%" not in given:  # whatever stands behind one, Python takes for an interface
            return str(ipaddress.ip_network(given))
    except ValueError:
        pass
    raise ProfileInvalid(
        f"client {str(given)[:60]!r} is neither an address nor a block of them; nothing was changed; use one such as "
        "10.244.3.17, 10.244.3.0/24 or fd00::17"
    )
