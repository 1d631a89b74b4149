"""What a key of a server block stands for: the zones it serves, the port, the transport.

The rules are those of CoreDNS (source: github.com/coredns/coredns, ``core/dnsserver/register.go`` and
``plugin/normalize.go``).
"""

import ipaddress
import re
from typing import Final, NamedTuple

from chaoslib_cp.engine.poison.tokens import shown, unfit

DNS: Final = "dns"
"""The transport of a key that names none: UDP and TCP."""
_PORTS: Final = {DNS: 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}
_KEY: Final = re.compile(rf"(?:({'|'.join(_PORTS)})://)?(.*?)(?::([+-]?[0-9]{{1,9}}))?", re.DOTALL)
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
_VARIABLE: Final = re.compile(r"\{\$.+?\}|\{%.+?%\}", re.DOTALL)
_HIGHEST_PORT: Final = 65535
_LONGEST_LABEL, _LONGEST_NAME = 63, 255  # bytes (source: RFC 1035, section 2.3.4)


class Address(NamedTuple):
    """One thing that a server block answers for.

    Attributes:
        transport: ``dns``, ``tls``, ``quic``, ``grpc``, ``https`` or ``https3``.
        zone: In small letters, with the dot at its end.
        port: 0 to 65535.
    """

    transport: str
    zone: str
    port: int


def has_variable(word: str) -> bool:
    """Whether CoreDNS puts a variable of its environment into a word: ``{$NAME}`` or ``{%NAME%}``."""
    return bool(_VARIABLE.search(word))


def fully_qualified(name: str) -> str:
    """A name as CoreDNS compares it: in small letters, with the dot at its end."""
    return name.lower() if name.endswith(".") else f"{name.lower()}."


def addresses_of(key: str, line: int) -> tuple[Address, ...]:
    """Read a key such as ``.:53``, ``dns://example.org:5353`` or ``10.0.0.0/15``.

    Args:
        key: As written.
        line: Where, for the message.

    Returns:
        Several for a network that ends inside a label of its reverse zone; none for a key with a variable, whose zone
        is not in the text.

    Raises:
        ProfileInvalid: CoreDNS would refuse it; nothing was changed.
    """
    if has_variable(key):
        return ()
    read = _KEY.fullmatch(key)
    if read is None or read[2].endswith(":"):
        raise unfit(line, f"the key {shown(key)} is no zone with a port")
    transport = read[1] or DNS
    port = int(read[3]) if read[3] else _PORTS[transport]
    if not 0 <= port <= _HIGHEST_PORT:
        raise unfit(line, f"the key {shown(key)} has a port outside of 0 to {_HIGHEST_PORT}")
    return tuple(Address(transport, zone, port) for zone in _zones(read[2], line))


def _zones(name: str, line: int) -> tuple[str, ...]:
    """A name as zones: itself, or the reverse zones of a network."""
    if not _is_domain_name(name):
        raise unfit(line, f"{shown(name)} is not the name of a zone")
    try:
        network = ipaddress.ip_network(name, strict=False) if _NETWORK.fullmatch(name) else None
    except ValueError:
        network = None
    if network is None:
        return (fully_qualified(name),)
    if name[0] == ":" or (name[0] == "0" and ":" in name):
        raise unfit(line, f"{shown(name)} is a network that CoreDNS refuses")
    return _reverse_zones(network)


def _reverse_zones(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[str, ...]:
    """The reverse zones that together are a network: a label stands for 8 bits of IPv4, 4 bits of IPv6."""
    bits, number = (8, "d") if network.version == 4 else (4, "x")
    length = -(-network.prefixlen // bits) * bits
    labels = network.network_address.reverse_pointer.split(".")[(network.max_prefixlen - length) // bits :]
    if length == network.prefixlen:
        return (f"{'.'.join(labels)}.",)
    first, rest = int(labels[0], 10 if number == "d" else 16), ".".join(labels[1:])
    return tuple(f"{first + step:{number}}.{rest}." for step in range(2 ** (length - network.prefixlen)))


def _is_domain_name(name: str) -> bool:
    """Whether CoreDNS takes it for a name of the DNS; one with an escape is not read here."""
    if name == ".":
        return True
    labels = name.removesuffix(".").encode(errors="replace").split(b".")
    fits = sum(len(label) + 1 for label in labels) <= _LONGEST_NAME and len(name) <= _LONGEST_NAME
    return fits and "\\" not in name and all(0 < len(label) <= _LONGEST_LABEL for label in labels)
