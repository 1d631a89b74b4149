"""Reading the prober's page: nothing is lost that the prober remembers, and its clock is not ours."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from chaoslib_cp.agent.prober_page import RING_SAMPLES, Page, serve
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.engine.sample.pace import Record
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.observe import prober_pull, pull_once
from chaoslib_cp.observe.prober_page import PULL_DEADLINE_S
from chaoslib_cp.observe.prober_pull import ProberPull
from chaoslib_cp.observe.pull_once import pull_samples
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import Answer, FakeApiServer

#: Longer (s) than the clocks can be off: they are known to half a round trip, and a pull has a deadline.
LONG_S = 10 * PULL_DEADLINE_S


class FakeProber:
    """A prober's page whose samples and clock are the test's."""

    def __init__(self, name: str = "p1", ahead_s: float = 0.0, node: str = "") -> None:
        clock = SystemClock()
        self.time = SteadyTime(clock, clock.epoch_s() - clock.monotonic_s() + ahead_s)
        self.page = Page(name, self.time, node=node)
        self.port = 0

    def sample(self, **more: object) -> None:
        """Put a good sample that began just now on the page."""
        self.page.add({
            "kind": "sample", "at_s": self.time.now_s(), "vantage": "dns_uncached", "target": "vip", "ok": True,
            "outcome": "ok", "latency_s": 0.001, "lag_s": 0.0, **more,
        })  # fmt: skip

    async def listen(self) -> None:
        """Serve, on the port of last time if there was one."""
        self._server = await serve(self.page, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        """Stop serving."""
        self._server.close()
        await self._server.wait_closed()


def run(story: Callable[[list[Record]], Awaitable[None]]) -> list[Record]:
    """Run a story that pulls into the list it is given; returns the list."""
    got: list[Record] = []
    asyncio.run(_as_coroutine(story(got)))
    return got


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def puller(prober: FakeProber, got: list[Record], *more_pages: str, time: SteadyTime | None = None) -> ProberPull:
    """A puller of this prober's page, in a run that has been on for a while."""
    pages = (*more_pages, f"127.0.0.1:{prober.port}")
    time = time or SteadyTime(SystemClock())
    return ProberPull(pages, time, got.append, since_s=time.now_s() - LONG_S)


def samples(got: list[Record]) -> list[int]:
    """The numbers of the samples."""
    return [int(str(record["seq"])) for record in got if record["kind"] == "sample"]


def events(got: list[Record], name: str) -> list[Record]:
    """The events of one name."""
    return [record for record in got if record.get("event") == name]


def test_outage_of_the_page_loses_no_sample() -> None:
    """Samples taken while the page could not be read are there as soon as it answers again, each once."""

    async def story(got: list[Record]) -> None:
        prober = FakeProber()
        await prober.listen()
        pull = puller(prober, got)
        prober.sample()
        assert await pull.pull_once()
        await prober.leave()
        for _ in range(50):
            prober.sample()
        assert not await pull.pull_once()
        assert not await pull.pull_once()
        await prober.listen()
        assert await pull.pull_once()
        assert await pull.pull_once()
        await prober.leave()

    assert samples(run(story)) == list(range(1, 52))


def test_each_account_of_agents_is_written_once_and_on_our_clock() -> None:
    """Those of before the run are left out; one that stays on the page is not taken for a new one."""

    def told(sent: int) -> Account:
        return account_of("agent_rollout-1", f"worker-{sent}", Totals(), 1, 1)

    async def story(got: list[Record]) -> None:
        prober = FakeProber(ahead_s=100.0)
        prober.page.hear(told(1))
        await prober.listen()
        time = SteadyTime(SystemClock())
        # the clocks are known to half a round trip only, so the run begins well after the first account
        pull = ProberPull((f"127.0.0.1:{prober.port}",), time, got.append, since_s=time.now_s() + 0.5)
        await asyncio.sleep(1.0)
        prober.page.hear(told(2))
        for _ in range(3):
            assert await pull.pull_once()
        prober.page.hear(told(2))
        prober.sample()
        for _ in range(3):
            assert await pull.pull_once()
        await prober.leave()

    began_s = SteadyTime(SystemClock()).now_s()
    accounts = [record for record in run(story) if record.get("vantage") == "agent_load"]
    assert [record["target"] for record in accounts] == ["worker-2", "worker-2"]
    assert all(began_s < float(str(record["at_s"])) < began_s + 50 for record in accounts)
    assert accounts[0]["counts"] == told(2).counts


def test_clock_of_the_prober_is_put_right() -> None:
    """A prober whose clock is 100 s ahead gives samples on our clock, as exact as the round trip."""

    async def story(got: list[Record]) -> None:
        prober = FakeProber(ahead_s=100.0)
        await prober.listen()
        time = SteadyTime(SystemClock())
        pull = puller(prober, got, time=time)
        before_s = time.now_s()
        prober.sample()
        after_s = time.now_s()
        await pull.pull_once()
        half_a_round_trip_s = (time.now_s() - after_s) / 2
        at_s = float(str(got[-1]["at_s"]))
        assert before_s - half_a_round_trip_s <= at_s <= after_s + half_a_round_trip_s
        await prober.leave()

    assert len(samples(run(story))) == 1


def test_samples_from_before_the_run_are_left_out() -> None:
    """A prober that has been at it for days gives this run only what began in it."""

    async def story(got: list[Record]) -> None:
        prober = FakeProber()
        await prober.listen()
        for _ in range(10):
            prober.sample(at_s=prober.time.now_s() - LONG_S)
        pull = ProberPull((f"127.0.0.1:{prober.port}",), SteadyTime(SystemClock()), got.append)
        await pull.pull_once()
        assert samples(got) == []
        prober.sample(at_s=prober.time.now_s() + LONG_S)
        await pull.pull_once()
        await prober.leave()

    assert samples(run(story)) == [11]


def test_new_prober_is_told_apart() -> None:
    """A restarted prober counts from one again: the timeline says so and its samples are taken from the first."""

    async def story(got: list[Record]) -> None:
        first = FakeProber("first")
        await first.listen()
        pull = puller(first, got)
        for _ in range(3):
            first.sample()
        await pull.pull_once()
        await first.leave()
        second = FakeProber("second")
        second.port = first.port
        await second.listen()
        second.sample()
        await pull.pull_once()
        await pull.pull_once()
        await second.leave()

    got = run(story)
    assert samples(got) == [1, 2, 3, 1]
    assert [event["reason"] for event in events(got, "prober_lost")] == ["restarted: its unread samples are gone"]
    assert [event["prober"] for event in events(got, "prober_found")] == ["first", "second"]


def test_silence_beyond_its_memory_is_said() -> None:
    """When the prober has forgotten what we did not read in time, the timeline says how much is missing."""

    async def story(got: list[Record]) -> None:
        prober = FakeProber()
        await prober.listen()
        pull = puller(prober, got)
        prober.sample()
        await pull.pull_once()
        for _ in range(RING_SAMPLES + 10):
            prober.sample()
        await pull.pull_once()
        await prober.leave()

    (event,) = events(run(story), "prober_lost")
    assert event["missing_samples"] == 10


def test_lost_and_found_are_each_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that stays silent is one event; so is its return."""
    monkeypatch.setattr(prober_pull, "LOST_AFTER_S", 0.0)

    async def story(got: list[Record]) -> None:
        prober = FakeProber()
        await prober.listen()
        pull = puller(prober, got)
        await pull.pull_once()
        await prober.leave()
        for _ in range(3):
            await pull.pull_once()
        await prober.listen()
        await pull.pull_once()
        await pull.pull_once()
        await prober.leave()

    got = run(story)
    assert [event["reason"] for event in events(got, "prober_lost")] == ["its page does not answer: refused"]
    assert len(events(got, "prober_found")) == 2  # at the start, and when it came back


def test_two_addresses_of_one_prober_bring_its_samples_once() -> None:
    """One that is dead costs nothing, is told once, and says where; the node of the prober stands on each sample."""

    async def story(got: list[Record]) -> None:
        prober = FakeProber(node="worker-1")
        await prober.listen()
        pull = puller(prober, got, "127.0.0.1:1", f"localhost:{prober.port}", f"127.0.0.1:{prober.port}")
        for _ in range(3):
            prober.sample()
            assert await pull.pull_once()
        await prober.leave()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober_pull, "LOST_AFTER_S", 0.0)
        got = run(story)
    assert samples(got) == [1, 2, 3]
    assert {record["node"] for record in got if record["kind"] == "sample"} == {"worker-1"}
    assert [(event["page"], event["reason"]) for event in events(got, "prober_lost")] == [
        ("127.0.0.1:1", "its page has never answered: refused")
    ]
    assert [event["node"] for event in events(got, "prober_found")] == ["worker-1"]


async def _probers(*nodes: str) -> list[FakeProber]:
    """One on each node, each of which counts its samples for itself; the clocks of their nodes are far apart."""
    made = [FakeProber(f"prober-of-{node}", 100.0 * number, node) for number, node in enumerate(nodes)]
    for one in made:
        await one.listen()
    return made


def _of_all(probers: list[FakeProber], got: list[Record]) -> ProberPull:
    time = SteadyTime(SystemClock())
    return ProberPull(tuple(f"127.0.0.1:{one.port}" for one in probers), time, got.append, time.now_s() - LONG_S)


def test_each_prober_has_a_clock_and_a_count_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outage of one page, and the restart of one prober, are told with their node and cost the others nothing."""
    monkeypatch.setattr(prober_pull, "LOST_AFTER_S", 0.0)

    async def story(got: list[Record]) -> None:
        first, second = probers = await _probers("worker-1", "worker-2")
        pull = _of_all(probers, got)
        for _ in range(3):
            first.sample()
        second.sample()
        assert await pull.pull_once()
        await second.leave()
        first.sample()
        assert await pull.pull_once()
        anew = FakeProber("anew", node="worker-2")
        anew.port = second.port
        await anew.listen()
        anew.sample()
        await pull.pull_once()
        await pull.pull_once()
        await first.leave()
        await anew.leave()

    began_s = SteadyTime(SystemClock()).now_s()
    got = run(story)
    taken = [(record["node"], record["seq"]) for record in got if record["kind"] == "sample"]
    assert sorted(map(str, taken)) == sorted(
        map(str, [("worker-1", 1), ("worker-1", 2), ("worker-1", 3), ("worker-1", 4), ("worker-2", 1), ("worker-2", 1)])
    )
    assert all(began_s - 1 < float(str(one["at_s"])) < began_s + 50 for one in got if one["kind"] == "sample")
    assert [(event["node"], event["reason"]) for event in events(got, "prober_lost")] == [
        ("worker-2", "its page does not answer: refused"),
        ("worker-2", "restarted: its unread samples are gone"),
    ]


def test_an_account_that_several_probers_were_told_is_written_once() -> None:
    """A copy that comes late has less in it: it must not pass for an agent that was replaced and began anew."""

    def told(due: int, running: int = 1) -> Account:
        account = account_of("agent_rollout-1", "worker-9", Totals(), 1, running)
        return replace(account, counts={**account.counts, "due": due})

    async def story(got: list[Record]) -> None:
        first, second = probers = await _probers("worker-1", "worker-2")
        pull = _of_all(probers, got)
        for prober in probers:
            prober.page.hear(told(5))
        await pull.pull_once()
        first.page.hear(told(7))
        second.page.hear(told(6))
        await pull.pull_once()
        second.page.hear(told(7))
        await pull.pull_once()
        second.page.hear(told(7, running=0))
        await pull.pull_once()
        for prober in probers:
            await prober.leave()

    counts = [dict(one["counts"]) for one in run(story) if one.get("vantage") == "agent_load"]  # type: ignore[call-overload]
    assert [(one["due"], one["agents_running"]) for one in counts] == [(5, 1), (7, 1), (7, 0)]


async def _first_sample(prober: FakeProber) -> None:
    """As a prober asks: once its page has been read."""
    await prober.page.has_reader.wait()
    await asyncio.sleep(0.1)
    prober.sample()


def test_without_an_observer_the_page_that_the_configuration_names_is_read() -> None:
    """No kubeconfig and no permit are needed for it; a prober that begins only now is given the time to."""
    taken: list[Record] = []

    async def story(_: list[Record]) -> None:
        prober = FakeProber(node="worker-1")
        await prober.listen()
        asking = asyncio.ensure_future(_first_sample(prober))
        settings = read_settings({"prober_pages": [f"127.0.0.1:{prober.port}"], "kubeconfig": "/nowhere"})
        clock = SystemClock()
        taken.extend(await asyncio.to_thread(pull_samples, settings, SteadyTime(clock), clock))
        await asking
        await prober.leave()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pull_once, "_BEGUN_S", 0.5)
        run(story)
    assert [(one["vantage"], one["node"]) for one in taken] == [("dns_uncached", "worker-1")]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"prober":1}', b'{"prober":"x","now_s":1.0,"samples":[{"seq":"1"}]}'])
def test_somebody_else_on_that_port(body: bytes) -> None:
    """An answer that is not a prober's page is a silent prober, not a crash."""

    async def story(got: list[Record]) -> None:
        with FakeApiServer() as server:
            server.on("GET", "/", Answer(body=body))
            pull = ProberPull((f"127.0.0.1:{server.port}",), SteadyTime(SystemClock()), got.append)
            assert not await pull.pull_once()

    assert run(story) == []


def test_page_address_must_be_one() -> None:
    """A page without a port is refused before anything is asked."""
    with pytest.raises(ProfileInvalid, match="not ip:port"):
        ProberPull(("worker-1",), SteadyTime(SystemClock()), lambda _: None)
