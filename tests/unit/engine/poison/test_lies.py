"""Each lie, told by a real CoreDNS behind a cache of its own: what is answered, for how long, and what is left true."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chaoslib_cp.engine.poison.lies import LIES, NOWHERE, Lie
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.waiting import until

API, OTHER, ZONE = "api.web-shop.svc.cluster.local.", "other.web-shop.svc.cluster.local.", "web-shop.svc.cluster.local."
TRUTH, TRUTH_6, TTL_S, LASTS_S = "10.96.0.50", "fd00::50", 40, 3.0
# A cache in front of whoever tells the truth, or lies: the shape that arming gives to cluster DNS.
COREFILE = """
.:{front} {{
    bind 127.0.0.1
    cache {{
        success 9984 3600
        denial 9984 3600
        servfail 5m
    }}
    forward . 127.0.0.1:{backend} {{
        max_fails 0
    }}
}}
.:{backend} {{
    bind 127.0.0.1
    hosts {{
        {truth} api.web-shop.svc.cluster.local other.web-shop.svc.cluster.local pg.web-shop.svc.cluster.local
        {truth} www.example.com example.com
        {truth_6} api.web-shop.svc.cluster.local
        ttl 30
        no_reverse
    }}
}}
"""


def lie(kind: str) -> Lie:
    """One of each kind."""
    names = {"zone": ZONE, "search-hijack": ZONE, "srv": f"_pg._tcp.{API}", "ptr": "50.0.96.10.in-addr.arpa."}
    row = LIES[kind]
    return Lie(
        kind,
        names.get(kind, API),
        TTL_S,
        addresses=NOWHERE if row.has_addresses else (),
        target=OTHER if row.has_target else "",
        port=5432 if kind == "srv" else 0,
    )


# What is asked, and what the lie makes of it: the code, and the data.
ASKED: dict[str, list[tuple[str, str, str, set[str]]]] = {
    "wrong-address": [(API, "A", "NOERROR", {NOWHERE[0]}), (API, "AAAA", "NOERROR", {NOWHERE[1]})],
    "zone": [(OTHER, "A", "NOERROR", {NOWHERE[0]}), (f"new.{ZONE}", "AAAA", "NOERROR", {NOWHERE[1]})],
    "search-hijack": [(f"www.example.com.{ZONE}", "A", "NOERROR", {NOWHERE[0]})],
    "nxdomain": [(API, "A", "NXDOMAIN", set()), (API, "AAAA", "NXDOMAIN", set())],
    "nodata-a": [(API, "A", "NOERROR", set())],
    "nodata-aaaa": [(API, "AAAA", "NOERROR", set())],
    "servfail": [(API, "A", "SERVFAIL", set()), (API, "AAAA", "SERVFAIL", set())],
    "cname": [(API, "A", "NOERROR", {OTHER})],
    "srv": [(f"_pg._tcp.{API}", "SRV", "NOERROR", {f"0 100 5432 {OTHER}"})],
    "ptr": [("50.0.96.10.in-addr.arpa.", "PTR", "NOERROR", {OTHER})],
}
# What nobody lied about: a name beside it, a name below it, and names of the world.
CONTROLS = {kind: [("pg.web-shop.svc.cluster.local.", "A"), ("example.com.", "A")] for kind in LIES} | {
    "zone": [("example.com.", "A"), ("www.example.com.", "A")],
    "nodata-a": [(OTHER, "A"), ("example.com.", "A")],
    "nodata-aaaa": [(API, "A"), (OTHER, "A")],
}


@dataclass(frozen=True)
class Poisoned:
    """A CoreDNS with every lie, each in a server of its own.

    Attributes:
        front: Port of the cache in front, by the kind of lie.
        backend: Port of who tells truth or lie, by the kind.
        ends_at_epoch_s: When the lies end.
    """

    front: dict[str, int]
    backend: dict[str, int]
    ends_at_epoch_s: float


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Poisoned]:
    """One process for all of them: what is waited for is waited for once."""
    ports = [coredns.free_port() for _ in range(2 * len(LIES))]
    front, backend = dict(zip(LIES, ports[::2], strict=True)), dict(zip(LIES, ports[1::2], strict=True))
    ends_s = round(time.time()) + LASTS_S  # noqa: TID251 - the clock of the DNS server
    text = ""
    for kind in LIES:
        text += COREFILE.format(front=front[kind], backend=backend[kind], truth=TRUTH, truth_6=TRUTH_6)
        block = lie(kind).block(backend[kind], "lie-1", ends_s - 60, ends_s)
        text += block.replace("{\n", "{\n    bind 127.0.0.1\n", 1)
    corefile = tmp_path_factory.mktemp("coredns") / "Corefile"
    corefile.write_text(text)
    with coredns.running(corefile):
        for kind, questions in ASKED.items():
            for name, type_, *_ in questions:
                coredns.ask(name, type_, front[kind])
        yield Poisoned(front, backend, ends_s)


def test_there_is_a_question_for_every_lie() -> None:
    """A row that is added is asked, or this fails."""
    assert ASKED.keys() == LIES.keys()


@pytest.mark.programs
@pytest.mark.parametrize("kind", LIES)
def test_a_lie_stays_in_caches_after_its_gate_has_closed_and_nothing_else_is_touched(
    poisoned: Poisoned, kind: str
) -> None:
    """The backend tells the truth at once; the cache in front lies on, with a TTL that counts down."""
    until(lambda: time.time() > poisoned.ends_at_epoch_s + 1, "the gate to close")  # noqa: TID251 - as above
    for name, type_, code, data in ASKED[kind]:
        asked = coredns.ask(name, type_, poisoned.front[kind])
        assert coredns.said(asked)[0] == code, asked
        records = coredns.said(asked)[1]
        assert data <= records.keys() if kind == "cname" else data == records.keys(), asked
        left_s = [rrset.ttl for rrset in [*asked.answer, *asked.authority]]
        assert all(0 < ttl_s < TTL_S for ttl_s in left_s if kind != "servfail"), asked
        truth = coredns.said(coredns.ask(name, type_, poisoned.backend[kind]))
        assert (truth[0], set(truth[1])) != (code, data), truth
    for name, type_ in CONTROLS[kind]:
        assert coredns.said(coredns.ask(name, type_, poisoned.front[kind]))[1].keys() == {TRUTH}, (name, type_)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "white"}, "lie is 'white'; nothing was changed; use one of wrong-address"),
        ({"name": "API.shop."}, "name is 'API.shop.'"),
        ({"name": "api.shop"}, "name is 'api.shop'"),
        ({"name": '" {\n}.'}, "name is"),
        ({"ttl_s": 0}, "ttl_s is 0"),
        ({"ttl_s": 3601}, "ttl_s is 3601; nothing was changed; use a whole number from 1 to 3600"),
        ({"kind": "servfail", "ttl_s": 301}, "ttl_s is 301; nothing was changed; use a whole number from 1 to 300"),
        ({"addresses": ()}, "lie wrong-address has no address"),
        ({"addresses": ("10.0.0",)}, "address '10.0.0' is none"),
        ({"kind": "srv", "target": OTHER, "port": 0}, "port is 0"),
        ({"kind": "cname", "target": "a b."}, "target is 'a b.'"),
    ],
)
def test_what_cannot_be_said_is_refused(wrong: dict[str, object], words: str) -> None:
    """In one line; nothing of it can reach a Corefile."""
    with pytest.raises(ProfileInvalid) as refused:
        Lie(**{"kind": "wrong-address", "name": API, "ttl_s": TTL_S, "addresses": NOWHERE, **wrong})  # type: ignore[arg-type]
    assert words in str(refused.value)
