"""What a lookup costs the workload prober: a real CoreDNS answers from its cache, on loopback."""

import asyncio
import resource
import socket
import statistics
import tempfile
from pathlib import Path

from chaoslib_cp.agent.prober_page import Page
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import Query, query_for
from chaoslib_cp.engine.sample.pace import Question, Sampler, StallMeter
from chaoslib_cp.vantage import DNS_CACHED
from tests.bench import page
from tests.scaffold import coredns

RATE_PER_S = 1000
ROUNDS, ROUND_S = 5, 10
NAME = "sentinel.chaoslib-cp.svc.cluster.local."
COREFILE = """.:{port} {{
    cache 30
    hosts {{
        10.96.0.77 {name}
        ttl 30
    }}
}}
"""


def measure() -> None:
    """Play rounds of lookups and write what they cost."""
    port = coredns.free_port()
    with tempfile.TemporaryDirectory() as folder:
        corefile = Path(folder) / "Corefile"
        corefile.write_text(COREFILE.format(port=port, name=NAME))
        with coredns.running(corefile):
            rounds = [(*asyncio.run(_round(port)), _socket_alone_us(port)) for _ in range(ROUNDS)]
    cores = statistics.median(one[1] for one in rounds)
    rows = [
        [number + 1, round(per_s), f"{used:.3f}", f"{1e6 * used / per_s:.0f}", f"{alone_us:.0f}"]
        for number, (per_s, used, alone_us) in enumerate(rounds)
    ]
    body = (
        f"{RATE_PER_S:,} lookups/s cost the prober {cores:.2f} core (median of {ROUNDS} rounds of {ROUND_S} s): "
        "pacing, a fresh socket for each question, reading the answer, the sample on the page. The last column "
        "is what the kernel takes for such a socket alone, in a plain loop: it tells how busy the machine was.\n\n"
    ) + page.table(["round", "lookups/s", "cores", "µs of CPU a lookup", "µs of the socket alone"], rows)
    page.write_section("lookups", "What a lookup costs the workload prober", body)


async def _round(port: int) -> tuple[float, float]:
    """Lookups each second, and cores used for them."""
    time = SteadyTime(SystemClock())
    stalls, shown = StallMeter(time), Page("bench", time)
    good = 0

    def take(record: dict[str, object]) -> None:
        nonlocal good
        good += record["ok"] is True
        shown.add(record)

    sampler = Sampler(time, stalls, take)
    stalls.start()
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(sampler.keep_asking(one)) for one in _questions(port)]
        await asyncio.sleep(1)
        good, began_s, before_s = 0, time.now_s(), _cpu_s()
        await asyncio.sleep(ROUND_S)
        lasted_s, used_s = time.now_s() - began_s, _cpu_s() - before_s
        for task in asking:
            task.cancel()
    stalls.stop()
    return good / lasted_s, used_s / lasted_s


def _questions(port: int) -> list[Question]:
    count = round(RATE_PER_S * DNS_CACHED.period_s)
    return [
        Question(
            DNS_CACHED.name,
            coredns.ADDRESS,
            DNS_CACHED.period_s,
            lambda: dns.ask(coredns.ADDRESS, query_for(NAME, "A"), DNS_CACHED.deadline_s, port=port),
            first_s=number / RATE_PER_S,
        )
        for number in range(count)
    ]


def _socket_alone_us(port: int, count: int = 3000) -> float:
    wire, before_s = Query(NAME, "A").wire(b"id"), _cpu_s()
    for _ in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.connect((coredns.ADDRESS, port))
            own.send(wire)
            own.recv(512)
    return 1e6 * (_cpu_s() - before_s) / count


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
