"""Servers on real sockets that behave as each kind of sick server does, asked at the same time and judged."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from chaoslib_cp.apiserver.saturated.asking import Seen, Way, look_at
from chaoslib_cp.apiserver.saturated.evidence import Evidence, Waits, evidence_of
from chaoslib_cp.apiserver.saturated.judgement import judge
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.sample.https import HttpsTarget
from chaoslib_cp.engine.sample.pace import StallMeter
from tests.fakes.api_server import RESET, Answer, FakeApiServer, Request, Script
from tests.fakes.certificates import Authority
from tests.fakes.metrics_page import page_text

OBJECT: Final = "/api/v1/namespaces/chaoslib-cp"
METRICS: Final = "/metrics"
FAIR: Final = Answer(429, {"Retry-After": "1"}, b"Too many requests, please try again later.\n")
NOT_READY: Final = Answer(429, {"Retry-After": "1"}, b'{"kind":"Status","message":"storage is (re)initializing"}')
SLOWLY: Final = Answer(delay_s=0.7)
QUEUES: Final = page_text(waiting={"workload-low": 30}, executing={"workload-low": (37, 37)})


def page(text: str) -> Answer:
    """A page of metrics."""
    return Answer(headers={"Content-Type": "text/plain"}, body=text.encode())


def from_etcd(request: Request) -> Answer:
    """A server whose etcd is slow: what it has in memory comes at once."""
    return Answer() if "resourceVersion" in request.query else SLOWLY


WAYS: Final = ("/livez", "/version", OBJECT)
SLOW_S: Final = 0.6
TRIES: Final = 5
APART_S: Final = 0.15  # handshakes of all servers at once would be what is measured


def median_s(waits: Waits | None) -> float:
    """The median of a question that was answered."""
    assert waits is not None
    return waits.median_s


# What this server answers where a well one does otherwise, and what must be seen of it. Numbers are compared with each
# other: this machine may be slow, too. Which word follows from them is a matter of test_judgement.py.
KINDS: Final[dict[str, tuple[dict[str, Script], Callable[[Evidence], bool]]]] = {
    "well": ({}, lambda seen: not seen.told_off and seen.metrics is not None),
    "well, without metrics": ({METRICS: Answer(403)}, lambda seen: seen.metrics_trouble == "not let in"),
    "starved": (dict.fromkeys(WAYS, SLOWLY), lambda seen: min(one.median_s for one in seen.waits) >= SLOW_S),
    "queued": (
        dict.fromkeys(WAYS[1:], SLOWLY),
        lambda seen: min(median_s(seen.version), median_s(seen.cached)) >= SLOW_S > median_s(seen.livez),
    ),
    "rejecting": (
        dict.fromkeys((*WAYS[1:], METRICS), FAIR),
        lambda seen: seen.failures == {"429 fair queueing": 3} and seen.metrics_trouble == "429 fair queueing",
    ),
    "queues of others": (
        {METRICS: page(QUEUES)},
        lambda seen: seen.metrics is not None and [one.waiting for one in seen.metrics.levels] == [30],
    ),
    "slow etcd": ({OBJECT: from_etcd}, lambda seen: median_s(seen.stored) >= SLOW_S > median_s(seen.cached)),
    "not initialised": ({OBJECT: NOT_READY}, lambda seen: seen.failures == {"429 not initialised": 2}),
    "failing": (
        {OBJECT: Answer(504), "/version": Answer(500), METRICS: Answer(500)},
        lambda seen: seen.failures == {"504": 2, "5xx": 1} and seen.metrics_trouble == "5xx",
    ),
    "hanging up": (dict.fromkeys(WAYS, RESET), lambda seen: seen.failures == {"reset": 5} and not seen.waits),
    "leaving": (
        {"/version": Answer(headers={"Connection": "close"})},
        lambda seen: seen.failures == {"asked to leave": 1} and not seen.told_off,
    ),
    "somebody else": ({METRICS: page("<html>")}, lambda seen: seen.metrics_trouble == "no metrics of an API server"),
}


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    """The evidence of every kind: all are asked side by side, so that it takes little longer than one."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with ExitStack() as stack:
        targets: dict[str, HttpsTarget] = {}
        for kind, (answers, _) in KINDS.items():
            server = stack.enter_context(FakeApiServer(authority.server_context()))
            for path in WAYS:
                server.on("GET", path, answers.get(path, Answer()))
            server.on("GET", METRICS, answers.get(METRICS, page(page_text())))
            targets[kind] = HttpsTarget("127.0.0.1", server.port, "127.0.0.1", authority.client_context())
        found: dict[str, Evidence] = {}
        for _ in range(TRIES):  # what is seen while this machine is too busy does not count
            again = {kind: target for kind, target in targets.items() if kind not in found}
            seen = {kind: evidence_of(one) for kind, one in asyncio.run(ask_all(again, window_s=1.0)).items()}
            found |= {kind: one for kind, one in seen.items() if not one.void}
        return found


async def ask_all(targets: dict[str, HttpsTarget], window_s: float) -> dict[str, Seen]:
    """Ask all of them, one beginning shortly after the other."""
    clock = SteadyTime(SystemClock())

    async def look(number: int, target: HttpsTarget) -> Seen:
        await asyncio.sleep(number * APART_S)
        return await look_at(Way(target, "chaoslib-cp", window_s, clock, StallMeter(clock)))

    async with asyncio.timeout(20):
        looks = [look(number, target) for number, target in enumerate(targets.values())]
        return dict(zip(targets, await asyncio.gather(*looks), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_server_is_seen_for_what_it_is(staged: dict[str, Evidence], kind: str) -> None:
    """Each question waits, or fails in its class, as its server makes it."""
    _, is_seen = KINDS[kind]
    assert is_seen(staged[kind]), staged[kind]


def test_a_well_server_is_measured_phase_by_phase(staged: dict[str, Evidence]) -> None:
    """Connections, handshakes and each of the questions; its metrics where they may be read."""
    seen = staged["well"]
    assert None not in (seen.connect_s, seen.handshake_s, seen.livez, seen.version, seen.stored, seen.cached)
    assert (seen.sent_again, seen.asked) == (0.0, 5)


def test_nothing_listens(tmp_path: Path) -> None:
    """A process that is gone: its kernel refuses at once, and nobody can tell why."""
    with FakeApiServer() as server:
        port = server.port
    target = HttpsTarget("127.0.0.1", port, "127.0.0.1", Authority(tmp_path).client_context())
    seen = evidence_of(asyncio.run(ask_all({"gone": target}, window_s=1.0))["gone"])
    verdict = judge(seen)
    assert (verdict.resource, verdict.between) == ("unknown", ("memory",))
    assert seen.failures == {"refused": seen.asked}


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[FakeApiServer, HttpsTarget]]:
    """A server that answers nothing in time, but takes connections."""
    authority = Authority(tmp_path)
    with FakeApiServer(authority.server_context()) as server:
        for path in ("/livez", "/version", OBJECT, METRICS):
            server.on("GET", path, Answer(delay_s=1.6))
        yield server, HttpsTarget("127.0.0.1", server.port, "127.0.0.1", authority.client_context())


def test_a_slow_server_is_asked_no_more_often_and_its_missed_beats_count(
    slow: tuple[FakeApiServer, HttpsTarget],
) -> None:
    """A question waits for its answer; the beats that went by while it waited had to wait, too."""
    server, target = slow
    began_s = time.monotonic()
    seen = evidence_of(asyncio.run(ask_all({"slow": target}, window_s=2.0))["slow"])
    assert time.monotonic() - began_s < 6
    assert len([one for one in server.requests if one.path == "/version"]) == 1
    assert seen.version is not None
    assert seen.version.asked == 1
    assert 1.1 <= seen.version.median_s < 1.6
    assert len([one for one in server.requests if one.path == METRICS]) == 1


def test_a_page_that_was_turned_away_is_asked_for_again(tmp_path: Path) -> None:
    """A server that has just come back says 403 for a moment; it may be gone before the next page would be due."""
    authority = Authority(tmp_path)
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", METRICS, Answer(403), page(page_text()))
        target = HttpsTarget("127.0.0.1", server.port, "127.0.0.1", authority.client_context())
        seen = asyncio.run(ask_all({"just back": target}, window_s=2.0))["just back"]
    assert [one.sample.outcome for one in seen.pages] == ["http_403", "ok"]


CUT: Final = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n# HELP", closes=True)


def test_a_page_that_breaks_off_is_not_asked_for_at_once(tmp_path: Path) -> None:
    """The server has paid for it; behind a proxy that cuts long answers it would write one a second."""
    authority = Authority(tmp_path)
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", METRICS, CUT)
        target = HttpsTarget("127.0.0.1", server.port, "127.0.0.1", authority.client_context())
        seen = asyncio.run(ask_all({"cut": target}, window_s=2.0))["cut"]
    [page] = seen.pages
    assert (page.sample.failed_in, page.sample.outcome) == ("body", "reset")


def test_a_page_that_breaks_off_with_its_server_is_asked_for_anew(tmp_path: Path) -> None:
    """Nobody listens afterwards: that process is gone, and the next one may not live for long."""
    authority = Authority(tmp_path)

    asked = threading.Event()

    def cut(_: Request) -> Answer:
        asked.set()
        return CUT

    async def look_while_it_is_killed(server: FakeApiServer, kill: Callable[[], None]) -> Seen:
        target = HttpsTarget("127.0.0.1", server.port, "127.0.0.1", authority.client_context())
        looking = asyncio.create_task(ask_all({"killed": target}, window_s=3.0))
        assert await asyncio.to_thread(asked.wait, 10)
        await asyncio.to_thread(kill)
        return (await looking)["killed"]

    with ExitStack() as stack:
        server = stack.enter_context(FakeApiServer(authority.server_context()))
        server.on("GET", METRICS, cut)
        seen = asyncio.run(look_while_it_is_killed(server, stack.close))
    assert [one.sample.outcome for one in seen.pages[:2]] == ["reset", "refused"]
