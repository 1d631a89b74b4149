"""What a load of lookups costs whoever asks, and which rate it reaches: a real CoreDNS answers from its cache."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.lookup_client import connector
from chaoslib_cp.engine.load.lookup_profile import ABSOLUTE, FULL, SHORT, LookupProfile
from chaoslib_cp.engine.load.lookups import LookupRunner
from chaoslib_cp.engine.load.process import loop_factory
from chaoslib_cp.engine.load.search_list import SearchList
from tests.bench import page
from tests.scaffold import coredns

ROUND_S = 10.0
ROUNDS = [(rate, way) for rate in (100, 1000, 5000) for way in (ABSOLUTE, SHORT, FULL)]
SERVICES = 100
# As in a cluster: an address for a name in its whole form, and no such name for what the search list makes of it.
COREFILE = """.:{port} {{
    cache 30
    template IN A {{
        match "^s[0-9]+[.]shop[.]svc[.]cluster[.]local[.]$"
        answer "{{{{ .Name }}}} 30 IN A 10.96.0.77"
        fallthrough
    }}
    template IN AAAA {{
        match "^s[0-9]+[.]shop[.]svc[.]cluster[.]local[.]$"
        rcode NOERROR
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. (1 30 30 30 30)"
        fallthrough
    }}
    template IN ANY {{
        rcode NXDOMAIN
        authority "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. (1 30 30 30 30)"
    }}
}}
"""
PODS = SearchList("cluster.local", ("a.svc.cluster.local", "svc.cluster.local", "cluster.local"))


def measure() -> None:
    """Play each rate and way of writing once, and write what they cost."""
    port = coredns.free_port()
    with tempfile.TemporaryDirectory() as folder:
        corefile = Path(folder) / "Corefile"
        corefile.write_text(COREFILE.format(port=port))
        with coredns.running(corefile):
            rows = [_row(rate, way, _played(port, rate, way)) for rate, way in ROUNDS]
    body = (
        f"{ROUND_S:.0f} s each; CoreDNS runs on the same machine and takes its share of it. A lookup that came due "
        "late for want of CPU is sent late, and counted; the lag tells how late.\n\n"
    ) + page.table(
        ["asked for, lookups/s", "written", "sent/s", "questions a lookup", "cores", "cores for 1,000 lookups/s",
         "p50 ms", "p99 ms", "lag p99 ms"], rows,
    )  # fmt: skip
    page.write_section("dns-load", "What a load of lookups costs whoever asks", body)


def _played(port: int, rate: int, way: str) -> dict[str, Any]:
    names = tuple(f"s{number}.shop.svc" for number in range(SERVICES))
    made = LookupProfile(
        names=names, hot_names=SERVICES, written=way, rate_per_s=rate, duration_s=ROUND_S, max_queries=20_000_000
    )

    async def play() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        runner = LookupRunner(made, "bench", PODS, connector(coredns.ADDRESS, port, loop), SystemClock(), loop)
        await runner.start()
        await runner.wait_until_over()
        return runner.snapshot()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(play())


def _row(rate: int, way: str, played: dict[str, Any]) -> list[object]:
    total, elapsed_s = played["total"], played["elapsed_s"]
    per_s, cores = total["sent"] / elapsed_s, played["cpu_s"] / elapsed_s
    took = total["latency_from_due"]["ok"]
    shown = [f"{1000 * one:.1f}" for one in (took["p50_s"], took["p99_s"], total["lag"]["p99_s"])]
    each = f"{total['queries_per_lookup']:.1f}"
    return [rate, way, f"{per_s:.0f}", each, f"{cores:.2f}", f"{1000 * cores / per_s:.2f}", *shown]
