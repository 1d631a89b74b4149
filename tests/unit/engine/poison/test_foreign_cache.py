"""Behind a cache that is not CoreDNS: an answer, true or not, stays there for its TTL and no longer."""

import time
from collections.abc import Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from chaoslib_cp.engine.poison.lies import Lie
from tests.scaffold import coredns, dnsmasq
from tests.scaffold.waiting import until

pytestmark = pytest.mark.programs

API, GONE, OTHER = (f"{name}.shop.svc.cluster.local." for name in ("api", "gone", "other"))
TRUTH, FORGED = "10.96.0.50", "192.0.2.66"
MASK_S, LIE_S, LASTS_S = 3, 6, 4
COREFILE = """.:{port} {{
    bind 127.0.0.1
    hosts {{
        {truth} api.shop.svc.cluster.local gone.shop.svc.cluster.local other.shop.svc.cluster.local
        ttl {ttl_s}
        no_reverse
    }}
}}
"""
LIES = (Lie("wrong-address", API, LIE_S, (FORGED,)), Lie("nxdomain", GONE, LIE_S))
IS_TRUE, SILENT = ("NOERROR", {TRUTH}), ("no answer", set[str]())
Said = tuple[str, set[str]]


def said(name: str, port: int) -> Said:
    """Code and data of an answer; dnsmasq is silent where the server behind it is gone."""
    try:
        answer = dns.query.udp(dns.message.make_query(name, "A"), coredns.ADDRESS, port=port, timeout=0.5)
    except dns.exception.Timeout:
        return SILENT
    code, records = coredns.said(answer)
    return code, set(records)


def ends_s(kept: Mapping[str, Said], port: int) -> dict[str, float]:
    """When the cache, which says this of each name now, first says something else, on the monotonic clock."""
    assert {name: said(name, port) for name in kept} == kept
    ended: dict[str, float] = {}

    def all_ended() -> bool:
        for name in kept.keys() - ended.keys():
            asked_s = time.monotonic()
            if said(name, port) != kept[name]:
                ended[name] = asked_s
        return ended.keys() == kept.keys()

    until(all_ended, "other answers", within_s=3 * LIE_S)
    return ended


def test_a_kept_answer_outlives_its_server_for_its_ttl(tmp_path: Path) -> None:
    """The mask of a failure is what is left of the TTL, behind whatever cache."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    corefile.write_text(COREFILE.format(port=port, truth=TRUTH, ttl_s=MASK_S))
    with dnsmasq.in_front_of(port, tmp_path) as cache:
        with coredns.running(corefile):
            asked_s = time.monotonic()
            assert said(API, cache) == IS_TRUE
        assert said(OTHER, cache) == SILENT
        ended_s = ends_s({API: IS_TRUE}, cache)[API]
        assert ended_s - asked_s == pytest.approx(MASK_S, abs=1.5)
        assert said(API, cache) == SILENT


def test_a_lie_outlives_its_end_for_its_ttl(tmp_path: Path) -> None:
    """The gate closes, the server tells the truth, the cache lies on; other names are never touched."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    closes_s = round(time.time()) + LASTS_S  # noqa: TID251 - the clock of the DNS server
    lies = [lie.block(port, f"lie-{number}", closes_s - 60, closes_s) for number, lie in enumerate(LIES)]
    stock = COREFILE.format(port=port, truth=TRUTH, ttl_s=MASK_S)
    corefile.write_text("".join([*(one.replace("{\n", "{\n    bind 127.0.0.1\n", 1) for one in lies), stock]))
    with coredns.running(corefile), dnsmasq.in_front_of(port, tmp_path) as cache:
        told = {API: ("NOERROR", {FORGED}), GONE: ("NXDOMAIN", set[str]())}
        asked_s = time.monotonic()
        assert {name: said(name, cache) for name in (*told, OTHER)} == {**told, OTHER: IS_TRUE}
        until(lambda: said(API, port) == said(GONE, port) == IS_TRUE, "the gate to close")
        for name, ended_s in ends_s(told, cache).items():
            assert ended_s - asked_s == pytest.approx(LIE_S, abs=1.5)
            assert said(name, cache) == said(OTHER, cache) == IS_TRUE
