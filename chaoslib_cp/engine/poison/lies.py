"""The table of lies: what a poisoned DNS server says of one name, and how it is known again.

A lie is one server block of CoreDNS behind a gate, an expression of its plugin ``view``: only questions for that name
and those types, and only between two moments. Everything else falls back to the block that tells the truth. So a lie
ends by the clock of the DNS server itself, with the API server dead and nobody there.

Sources: CoreDNS, plugins view (functions of expressions), template and cache; RFC 2308 (negative answers need a SOA
record, whose TTL says how long they may be kept); RFC 5737 and RFC 3849 (addresses that nobody has).
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from chaoslib_cp.engine.poison.clients import gate
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

NOWHERE: Final = ("192.0.2.66", "2001:db8::66")
"""Addresses that nobody has: connections to them time out (RFC 5737, TEST-NET-1; RFC 3849)."""
MASTER: Final = "ns.cp.invalid."
"""Primary server in the SOA record of negative lies: a mark that stays in every cache."""
MAX_TTL_S: Final = 3600
"""CoreDNS keeps no answer for longer unless it is told to (source: plugin cache, maxTTL)."""
MAX_SERVFAIL_S: Final = 300
"""No failure may be kept for longer (RFC 2308 section 7.1; CoreDNS refuses more)."""

_NAME: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+")
_MOST_NAME: Final = 253


@dataclass(frozen=True)
class Lie:
    """One lie.

    Attributes:
        kind: Name of a row of ``LIES``.
        name: The name that is lied about, small letters, with a dot at its end; for ``search-hijack`` and ``zone`` the
            zone below which all names are.
        ttl_s: How long caches may keep it, seconds.
        addresses: Addresses that it answers with, where the kind has any.
        target: Name that it answers with, where the kind has one; with a dot at its end.
        port: Port that it answers with, for ``srv``.
        clients: Blocks of addresses of those who hear it; everybody does where there are none.
    """

    kind: str
    name: str
    ttl_s: int
    addresses: tuple[str, ...] = ()
    target: str = ""
    port: int = 0
    clients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be said."""
        if self.kind not in LIES:
            raise ProfileInvalid(f"lie is {self.kind!r}; nothing was changed; use one of {', '.join(LIES)}")
        kind = LIES[self.kind]
        for what, given in (("name", self.name), *((("target", self.target),) if kind.has_target else ())):
            if not _NAME.fullmatch(given) or len(given) > _MOST_NAME:
                raise ProfileInvalid(f"{what} is {given!r}; nothing was changed; use a DNS name in small letters")
        most_s = MAX_SERVFAIL_S if self.kind == "servfail" else MAX_TTL_S
        checked("ttl_s", self.ttl_s, 1, most_s, whole=True)
        if kind.has_addresses:
            self._refuse_addresses()
        if self.kind == "srv":
            checked("port", self.port, 1, 65535, whole=True)

    def _refuse_addresses(self) -> None:
        if not self.addresses:
            raise ProfileInvalid(f"lie {self.kind} has no address; nothing was changed; name one, or {NOWHERE[0]}")
        for address in self.addresses:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ProfileInvalid(
                    f"address {address!r} is none; nothing was changed; use IPv4 or IPv6 addresses"
                ) from None

    def heard_too_by(self, clients: tuple[str, ...]) -> "Lie":
        """The same lie for more clients; one that everybody hears stays as it is."""
        return replace(self, clients=tuple(dict.fromkeys((*self.clients, *clients)))) if self.clients else self

    @property
    def types(self) -> tuple[str, ...]:
        """Types of question that are lied to, all others about the same name hear the truth; none for every type."""
        return LIES[self.kind].types(self)

    @property
    def questions(self) -> tuple[tuple[str, str], ...]:
        """Name and type of questions that hear it, for whoever wants to see it: one name, where it is about many."""
        # an alias is the same for both families, and a name without IPv6 could not show it for that one
        types = self.types[:1] if self.kind == "cname" else self.types or ("A",)
        return tuple((LIES[self.kind].example(self), type_) for type_ in types)

    @property
    def answers(self) -> tuple[tuple[str, str], ...]:
        """What it says: type and data of each record; nothing for an answer without data."""
        return LIES[self.kind].answers(self)

    def block(self, port: int, view: str, begins_at_epoch_s: float, ends_at_epoch_s: float) -> str:
        """The server block that tells the lie between two moments.

        Args:
            port: On which it is told: that of the backend or, where only some clients hear it, that which clients ask.
            view: A name for its gate, its own among all blocks of this zone.
            begins_at_epoch_s: When the gate opens, seconds since 1970.
            ends_at_epoch_s: When the gate closes.
        """
        kind = LIES[self.kind]
        conditions = [
            f'now() >= date("{rfc3339(begins_at_epoch_s)}")',
            f'now() < date("{rfc3339(ends_at_epoch_s)}")',
            kind.names.expression(self),
            *([f"type() in [{', '.join(repr(one) for one in self.types)}]"] if self.types else []),
            *([gate(self.clients)] if self.clients else []),
        ]
        lines = [f"    view {view} {{", f"        expr {' && '.join(conditions)}", "    }", *self._templates()]
        return "\n".join([f"{self.name}:{port} {{", *lines, "}"]) + "\n"

    def is_about(self, name: str, type_: str) -> bool:
        """Whether a question for a name, in small letters with the dot at its end, and a type hears it."""
        return (not self.types or type_ in self.types) and LIES[self.kind].names.has(self, name)

    def said_to(self, type_: str) -> tuple[tuple[str, str], ...]:
        """Type and data of each record that a question of this type is answered with."""
        return tuple(one for one in self.answers if one[0] in (type_, "CNAME"))

    def _templates(self) -> list[str]:
        lines = []
        for type_ in self.types or ("ANY",):
            said = self.said_to(type_)
            lines.append(f"    template IN {type_} {{")
            lines += [f'        answer "{{{{ .Name }}}} {self.ttl_s} IN {one} {data}"' for one, data in said]
            if LIES[self.kind].rcode:
                lines.append(f"        rcode {LIES[self.kind].rcode}")
            if not said and LIES[self.kind].rcode != "SERVFAIL":
                lines.append(f'        authority "{self.soa}"')
            lines.append("    }")
        return lines

    @property
    def soa(self) -> str:
        """The SOA record of an answer without data; TTL and MINIMUM are the same, because resolvers differ."""
        zone = self.name.partition(".")[2] or self.name
        timers = " ".join([str(self.ttl_s)] * 4)
        return f"{zone} {self.ttl_s} IN SOA {MASTER} lie.cp.invalid. (1 {timers})"


@dataclass(frozen=True)
class Names:
    """Which names a lie is about.

    Attributes:
        expression: As the gate of a server block has it.
        has: Whether a name, in small letters with the dot at its end, is one of them.
    """

    expression: Callable[[Lie], str]
    has: Callable[[Lie, str], bool]


@dataclass(frozen=True)
class LieKind:
    """A row of the table.

    Attributes:
        what: What people who ask suffer, for a report.
        types: Types of question that one such lie is about.
        answers: Type and data of each record that one says.
        names: Which names it is about.
        example: One of those names.
        rcode: The code of the answer where that is not NOERROR.
        has_addresses: It answers with addresses.
        has_target: It answers with a name.
    """

    what: str
    types: Callable[[Lie], tuple[str, ...]]
    answers: Callable[[Lie], tuple[tuple[str, str], ...]]
    names: Names
    example: Callable[[Lie], str] = lambda lie: lie.name
    rcode: str = ""
    has_addresses: bool = False
    has_target: bool = False


_EXACTLY: Final = Names(lambda lie: f"name() == '{lie.name}'", lambda lie, name: name == lie.name)
_BELOW: Final = Names(lambda lie: f"name() endsWith '.{lie.name}'", lambda lie, name: name.endswith(f".{lie.name}"))


def _foreign(lie: Lie) -> str:
    """Names of the world with the search list's suffix behind them, as resolvers with ndots:5 ask them first."""
    # names have no other character that a regular expression takes for something else, and no backslash may stand here
    return f"[.](com|net|org|io)[.]{lie.name.replace('.', '[.]')}$"


_FOREIGN: Final = Names(
    lambda lie: f"name() matches '{_foreign(lie)}'", lambda lie, name: bool(re.search(_foreign(lie), name))
)


def _addresses(lie: Lie) -> tuple[tuple[str, str], ...]:
    return tuple((_family(address), address) for address in lie.addresses)


def _families(lie: Lie) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_family, lie.addresses)))


def _family(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _every_type(_lie: Lie) -> tuple[str, ...]:
    return ()


def _nothing(_lie: Lie) -> tuple[tuple[str, str], ...]:
    return ()


LIES: Final[Mapping[str, LieKind]] = {
    "wrong-address": LieKind(
        "the name has another address: a black hole, a port that refuses, another service",
        _families, _addresses, _EXACTLY, has_addresses=True,
    ),
    "zone": LieKind(
        "all names of a namespace have another address",
        _families, _addresses, _BELOW, lambda lie: f"cp-example.{lie.name}", has_addresses=True
    ),
    "search-hijack": LieKind(
        "names of the world are answered inside the cluster, through the search list",
        _families, _addresses, _FOREIGN, lambda lie: f"www.example.com.{lie.name}", has_addresses=True,
    ),
    "nxdomain": LieKind(
        "the name does not exist", _every_type, _nothing, _EXACTLY, rcode="NXDOMAIN"
    ),
    "nodata-a": LieKind("the name has no IPv4 address", lambda _: ("A",), _nothing, _EXACTLY),
    "nodata-aaaa": LieKind("the name has no IPv6 address", lambda _: ("AAAA",), _nothing, _EXACTLY),
    "servfail": LieKind(
        "the server fails on the name", _every_type, _nothing, _EXACTLY, rcode="SERVFAIL"
    ),
    "cname": LieKind(
        "the name is another name for something else",
        lambda _: ("A", "AAAA"), lambda lie: (("CNAME", lie.target),), _EXACTLY, has_target=True,
    ),
    "srv": LieKind(
        "the service is on another host and port",
        lambda _: ("SRV",), lambda lie: (("SRV", f"0 100 {lie.port} {lie.target}"),), _EXACTLY, has_target=True,
    ),
    "ptr": LieKind(
        "the address belongs to another name",
        lambda _: ("PTR",), lambda lie: (("PTR", lie.target),), _EXACTLY, has_target=True,
    ),
}  # fmt: skip
"""Every lie there is, by its name. A headless Service is a ``wrong-address`` with several addresses; an external name
is one whose zone is not the cluster's."""


def rfc3339(epoch_s: float) -> str:
    """A moment as gates have it (RFC 3339, UTC)."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
