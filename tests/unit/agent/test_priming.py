"""Probing changes no cache that workloads are served from: a real CoreDNS as cluster DNS, another as node cache."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.message
import dns.query
import pytest

from chaoslib_cp.agent.prober import Prober
from chaoslib_cp.agent.prober_settings import ProberSettings
from tests.scaffold import coredns
from tests.scaffold.waiting import until_async

SENTINEL, API, PODS = "sentinel.chaoslib-cp.svc.cluster.local.", "api.shop.svc.cluster.local.", "pods.test."
TRUTH, TTL_S = "10.96.0.77", 60
SERVERS, NODE_CACHE, ELSEWHERE = "127.0.0.2", "127.0.0.1", "127.0.0.9"
# as an older kubeadm and NodeLocal DNSCache have them: both cache names of the cluster
CHAIN = {
    SERVERS: f"""cache 60
    template IN A {{
        match "^(sentinel[.]chaoslib-cp|api[.]shop)[.]svc[.]cluster[.]local[.]$"
        answer "{{{{ .Name }}}} {TTL_S} IN A {TRUTH}"
        fallthrough
    }}
    template IN A {PODS} {{
        answer "{{{{ .Name }}}} {TTL_S} IN A {SERVERS}"
    }}
    template IN ANY . {{
        rcode NXDOMAIN
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. (1 60 60 60 30)"
    }}""",
    NODE_CACHE: f"cache {{\n        success 9984 60\n        denial 9984 5\n    }}\n    forward . {SERVERS}:{{port}}",
}
UNCACHED = ("dns_uncached", "dns_pod")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The chain, fresh; the port of both."""
    number = coredns.free_port()
    with ExitStack() as stack:
        for address, body in CHAIN.items():
            corefile = tmp_path / f"{address}.Corefile"
            text = body.replace("{port}", str(number))
            corefile.write_text(f".:{number} {{\n    bind {address}\n    {text}\n}}\n")
            stack.enter_context(coredns.running(corefile))
        yield number


def ttl_s(server: str, name: str, port: int) -> int:
    """What a workload is told of an answer's age."""
    [rrset] = dns.query.udp(dns.message.make_query(name, "A"), server, port=port, timeout=3).answer
    return int(rrset.ttl)


def probe(port: int, nameserver: str, **at_least: int) -> set[str]:
    """Run a prober until it has that many samples of each vantage point; the outcomes of these."""

    async def run() -> set[str]:
        asker = Prober(ProberSettings(nameserver, SERVERS, SENTINEL, TRUTH, PODS, dns_port=port))
        asking = asyncio.ensure_future(asker.run())

        def seen() -> list[dict[str, str]]:
            return [one for one in json.loads(asker.page.document(0))["samples"] if one["vantage"] in at_least]

        def are_there() -> bool:
            vantages = [one["vantage"] for one in seen()]
            return all(vantages.count(vantage) >= count for vantage, count in at_least.items())

        await until_async(are_there, f"the page holds {at_least}")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return {one["outcome"] for one in seen()}

    return asyncio.run(run())


@pytest.mark.programs
def test_probing_changes_no_ttl_that_a_workload_sees(port: int) -> None:
    """Of the name that is probed and of another, in the node cache and in cluster DNS: all run out when they would."""
    watched = [(server, name) for name in (SENTINEL, API) for server in (NODE_CACHE, SERVERS)]
    filled_s = time.monotonic()
    assert {ttl_s(*one, port) for one in watched} == {TTL_S}
    assert probe(port, NODE_CACHE, dns_cached=6, dns_uncached=6, dns_pod=3, dns_never_asked=3) == {"ok"}
    for one in watched:
        age_s = time.monotonic() - filled_s
        assert ttl_s(*one, port) == pytest.approx(TTL_S - age_s, abs=1.1), one
    assert time.monotonic() - filled_s > 2.5, "long enough to see it"


@pytest.mark.programs
def test_what_is_asked_past_the_node_caches_is_no_ones_first_answer(port: int) -> None:
    """Servers and Service are asked for the sentinel all the while; a node cache that asks then gets a fresh answer."""
    assert probe(port, ELSEWHERE, **dict.fromkeys(UNCACHED, 4)) == {"ok"}
    assert ttl_s(NODE_CACHE, SENTINEL, port) == TTL_S
