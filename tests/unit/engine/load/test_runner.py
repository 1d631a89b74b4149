"""The runner on virtual time: open model, caps, retries, budgets, deadlines, agents that come and go."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoslib_cp.engine.load.channel import Credentials, IntoBuffer
from chaoslib_cp.engine.load.head import request_head
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec, parse_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.outcome import Outcome
from tests.fakes.memory_peer import HANG, HANG_UP, OK, MemoryAnswer, MemoryPeer, status_answer
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

Steps = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A runner, its peer and its time."""

    def __init__(self, loop: VirtualLoop, profile: LoadProfile, script: Callable[[int, bytes], MemoryAnswer]) -> None:
        self.peer = MemoryPeer(loop, script)
        self.clock = VirtualClock(loop)
        self.runner = LoadRunner(profile, "10.96.0.1", self.peer.connect, self.clock, loop)

    def add(self, count: int = 1) -> None:
        """Add agents."""
        for number in range(count):
            self.runner.add_agent(f"agent-{number}", Credentials(token=f"token-{number}"))

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """The outcomes so far."""
        return self.runner.totals().outcomes


def profile(*specs: RequestSpec, **changes: Any) -> LoadProfile:
    """Return a profile with one request per second unless told otherwise."""
    plain: dict[str, Any] = {"jitter_ratio": 0.0, "duration_s": 60.0, **changes}
    return LoadProfile(requests=specs or (RequestSpec("/metrics", period_s=1.0),), **plain)


def play(
    made: LoadProfile, steps: Steps, script: Callable[[int, bytes], MemoryAnswer] = lambda _number, _head: OK
) -> Stage:
    """Run steps on a stage with virtual time and return it."""
    loop = VirtualLoop()
    stages: list[Stage] = []

    async def run() -> None:
        stages.append(Stage(loop, made, script))
        await steps(stages[0])
        stages[0].runner.stop()

    run_virtual(loop, run())
    return stages[0]


async def to_the_end(stage: Stage) -> None:
    """Play three agents until they are over."""
    stage.add(3)
    await stage.runner.wait_until_over()


def test_the_offered_rate_does_not_depend_on_the_server() -> None:
    """An open model: a server that never answers is asked exactly as often as a fast one."""
    fast = play(profile(max_in_flight_per_agent=64), to_the_end)
    slow = play(profile(max_in_flight_per_agent=64, request_timeout_s=30), to_the_end, lambda _n, _h: HANG)
    assert fast.runner.totals().due == slow.runner.totals().due == 180
    assert [at_s for at_s, _ in fast.peer.heads] == pytest.approx([at_s for at_s, _ in slow.peer.heads], abs=0.002)


def test_a_request_over_the_cap_is_counted_as_held_back() -> None:
    """With two connections and answers that take 10 s, one agent sends 12 of 60 requests and owns up to the rest."""
    made = profile(max_in_flight_per_agent=2, request_timeout_s=30)
    stage = play(made, to_the_end, lambda _n, _h: MemoryAnswer(delay_s=9.5))
    totals = stage.runner.totals()
    assert totals.due == 180
    assert totals.tries == 36
    assert totals.held_back == 144
    assert stage.peer.connected == 6, "connections are kept and never exceed the cap"


def test_what_is_held_back_is_told_while_nothing_is_answered() -> None:
    """An agent sleeps while its cap is full; whoever asks how it goes gets the number of that moment all the same."""
    told: list[tuple[int, int]] = []

    async def steps(stage: Stage) -> None:
        stage.add(3)
        for _ in range(3):
            await asyncio.sleep(10)
            totals = stage.runner.totals()
            told.append((totals.due, totals.held_back))
        stage.runner.remove_agent("agent-0")
        await asyncio.sleep(10)
        told.append((stage.runner.totals().due, stage.runner.snapshot()["total"]["due"]))

    play(profile(max_in_flight_per_agent=1, request_timeout_s=100), steps, lambda _n, _h: HANG)
    assert told == [(30, 27), (60, 57), (90, 87), (110, 110)]


def test_nothing_is_held_back_after_the_end() -> None:
    """The end is seen at 20 s, since it is looked for 4 times a second; what comes due until then counts no more."""
    made = profile(RequestSpec("/metrics", period_s=0.1), duration_s=19.76, phase_ratio=0, max_in_flight_per_agent=1)
    stage = play(made, to_the_end, lambda _n, _h: HANG)
    assert stage.runner.totals().due == 3 * 198, "0 to 19.7 s"


def test_an_agent_keeps_one_connection_while_answers_are_quick() -> None:
    """New TLS connections are what hurts both sides, so a kept one is used."""
    stage = play(profile(), to_the_end)
    assert stage.outcomes == {"ok": 180}
    assert stage.peer.connected == 3


def test_a_time_out_closes_the_connection_and_is_an_outcome() -> None:
    """A request given up leaves no connection behind that could deliver its answer to the next one."""
    stage = play(profile(request_timeout_s=0.5), to_the_end, lambda number, _h: HANG if number % 2 else OK)
    assert stage.outcomes["timeout"] == pytest.approx(90, abs=2)
    assert stage.peer.open == 0
    assert stage.runner.totals().from_send["timeout"].min_s == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (OSError(113, "No route to host"), "unreachable"),
        (TimeoutError(), "timeout"),
    ],
)
def test_what_stops_a_connection_is_told_apart(error: OSError, outcome: str) -> None:
    """A dead server, a restarting one and a blocked network look different in the result."""

    async def steps(stage: Stage) -> None:
        stage.peer.connect_error = error
        await to_the_end(stage)

    assert play(profile(), steps).outcomes == {outcome: 180}


def test_retries_honour_retry_after_and_count_in_the_totals() -> None:
    """Two refusals with Retry-After make one request three tries, timed from when it was due."""

    def script(number: int, _head: bytes) -> MemoryAnswer:
        return status_answer(429, "Retry-After: 2\r\n") if number < 2 else OK

    spec = RequestSpec("/metrics", period_s=20)
    made = profile(spec, retry="client-go", duration_s=40, max_in_flight_per_agent=1)

    async def steps(stage: Stage) -> None:
        stage.add()
        await stage.runner.wait_until_over()

    stage = play(made, steps, script)
    totals = stage.runner.totals()
    assert totals.outcomes == {"http_429": 2, "ok": 2}
    assert (totals.due, totals.tries, totals.retries) == (2, 4, 2)
    times = [at_s for at_s, _ in stage.peer.heads]
    assert times[1] - times[0] == pytest.approx(2, abs=0.1)
    assert totals.from_due["ok"].max_s > 4
    assert totals.from_send["ok"].max_s < 0.1


def test_without_retries_a_refusal_is_final() -> None:
    """Raw agents know no Retry-After."""
    stage = play(profile(), to_the_end, lambda _n, _h: status_answer(429, "Retry-After: 1\r\n"))
    assert stage.outcomes == {"http_429": 180}
    assert stage.runner.totals().retries == 0


def test_a_waiting_retry_holds_its_place_under_the_cap() -> None:
    """A client that waits out Retry-After does not start its next request beside it."""
    made = profile(retry="client-go", max_in_flight_per_agent=1)
    stage = play(made, to_the_end, lambda _n, _h: status_answer(503, "Retry-After: 30\r\n"))
    assert stage.runner.totals().tries <= 9
    assert stage.runner.totals().held_back >= 170


def test_the_absolute_deadline_holds_although_the_clock_steps_back() -> None:
    """The deadline became a monotonic one at the start: setting the clock back an hour gains nothing."""

    async def steps(stage: Stage) -> None:
        stage.add(3)
        await asyncio.sleep(5)
        stage.clock.epoch_offset_s -= 3600
        await stage.runner.wait_until_over()

    stage = play(profile(duration_s=3600, deadline_epoch_s=1_700_000_000.0 + 20), steps)
    assert 19 <= stage.peer.heads[-1][0] < 20
    assert stage.runner.snapshot()["agents"] == {"running": 0, "ended": {"deadline": 3}}
    assert stage.runner.last_ended_s is not None
    assert stage.clock.monotonic_s() - stage.runner.last_ended_s < 1


def test_nothing_is_sent_over_a_connection_that_is_made_after_the_end() -> None:
    """Paused in mid-handshake, an agent wakes up past its end with a connection that is ready: that comes first."""
    loop = VirtualLoop()
    peer = MemoryPeer(loop, lambda _number, _head: OK)

    async def connect_and_be_paused(connection: IntoBuffer, credentials: Credentials) -> None:
        await peer.connect(connection, credentials)
        loop._jumping.now_s += 3600

    async def run() -> LoadRunner:
        runner = LoadRunner(profile(), "10.96.0.1", connect_and_be_paused, VirtualClock(loop), loop)
        runner.add_agent("agent-0", Credentials())
        await runner.wait_until_over()
        return runner

    runner = run_virtual(loop, run())
    assert peer.heads == []
    assert peer.open == 0
    assert runner.totals().outcomes == {"aborted": 1}
    assert runner.snapshot()["agents"] == {"running": 0, "ended": {"deadline": 1}}


def test_agents_that_wait_for_their_next_request_end_when_all_together_have_spent_theirs() -> None:
    """The last request of the total is another's: who would ask again in half a minute is over within a second."""
    stage = play(profile(RequestSpec("/metrics", period_s=30), max_total_requests=4), to_the_end)
    assert stage.runner.snapshot()["agents"] == {"running": 0, "ended": {"budget": 3}}
    assert stage.runner.last_ended_s is not None
    last_sent_at_s = stage.peer.heads[-1][0]
    assert stage.runner.last_ended_s - last_sent_at_s < 1


def test_an_agent_that_comes_after_the_deadline_is_not_started() -> None:
    """A pod created late by a slow rollout must not reopen a storm that is over."""

    async def steps(stage: Stage) -> None:
        stage.add(1)
        await stage.runner.wait_until_over()
        assert not stage.runner.add_agent("late", Credentials())
        await asyncio.sleep(30)

    stage = play(profile(deadline_epoch_s=1_700_000_000.0 + 20), steps)
    assert stage.runner.totals().due == 20


def test_nothing_is_sent_after_the_end_and_what_hangs_is_cut_off() -> None:
    """Within a second of its end an agent has no connection left, whatever the server does."""

    async def steps(stage: Stage) -> None:
        stage.add(3)
        await asyncio.sleep(60.5)
        assert stage.runner.running == 0
        assert stage.peer.open == 0
        sent = len(stage.peer.heads)
        await asyncio.sleep(60)
        assert len(stage.peer.heads) == sent

    stage = play(profile(request_timeout_s=50), steps, lambda _n, _h: HANG)
    assert stage.outcomes["aborted"] > 0


@pytest.mark.parametrize("limit", [{"max_requests": 10}, {"max_bytes": 900}])
def test_a_budget_ends_an_agent_early(limit: dict[str, int]) -> None:
    """Ten tries, or the bytes of little more than twenty answers, and the agent is over long before its time."""
    stage = play(profile(**limit), to_the_end)
    totals = stage.runner.totals()
    assert totals.tries <= 3 * 24
    assert stage.runner.snapshot()["agents"]["ended"] == {"budget": 3}


def test_agents_come_and_go_and_get_new_tokens() -> None:
    """A node that joins adds its load, a node that leaves takes it away, a renewed token is used at once."""

    async def steps(stage: Stage) -> None:
        stage.add(2)
        await asyncio.sleep(10)
        assert stage.runner.remove_agent("agent-0")
        assert not stage.runner.remove_agent("agent-0")
        assert stage.runner.replace_credentials("agent-1", Credentials(token="renewed"))
        await asyncio.sleep(10)
        assert stage.runner.running == 1

    stage = play(profile(), steps)
    late = [head for at_s, head in stage.peer.heads if at_s > 10]
    assert len(late) == 10
    assert all(b"Authorization: Bearer renewed\r\n" in head for head in late)
    assert stage.peer.open == 0


def test_a_dropped_connection_is_replaced() -> None:
    """A server that hangs up costs one request, not the agent."""
    stage = play(profile(), to_the_end, lambda number, _h: HANG_UP if number < 6 else OK)
    assert stage.outcomes == {"reset": 6, "ok": 174}


def test_a_garbled_answer_is_an_outcome() -> None:
    """Something that is no HTTP on the port does not stop the load."""
    stage = play(profile(), to_the_end, lambda _n, _h: MemoryAnswer(b"SSH-2.0-nonsense\r\n"))
    assert stage.outcomes == {"error": 180}


def test_request_and_headers_are_what_the_profile_says() -> None:
    """Encoding, compression, query and identity reach the server as written."""
    spec = RequestSpec("/api/v1/pods", query={"labelSelector": "a=b c"}, accept="application/yaml", gzip=False)
    stage = play(profile(spec), to_the_end)
    head = stage.peer.heads[0][1].decode()
    assert head.startswith("GET /api/v1/pods?labelSelector=a%3Db%20c HTTP/1.1\r\nHost: 10.96.0.1\r\n")
    assert "Accept: application/yaml\r\nAccept-Encoding: identity\r\n" in head
    assert "Authorization: Bearer token-" in head
    assert not head.lower().split("user-agent: ")[1].startswith(("curl", "wget", "mozilla/5.0"))


def test_a_virtual_node_may_stand_for_somebody_and_ask_below_a_path() -> None:
    """Each has a flow of its own by its headers, and a server behind a path is asked there."""
    spec = RequestSpec("/api/v1/pods")
    somebody = Credentials(headers=(("Impersonate-User", "system:node:a"), ("Impersonate-Group", "system:nodes")))
    head = request_head(spec, "10.96.0.1", somebody, "/k8s/clusters/c-1").decode()
    assert head.startswith("GET /k8s/clusters/c-1/api/v1/pods HTTP/1.1\r\n")
    assert head.endswith("Impersonate-User: system:node:a\r\nImpersonate-Group: system:nodes\r\n\r\n")
    assert "Authorization" not in head
    assert "system:node" not in repr(somebody)


def test_a_refusal_of_a_cache_that_is_not_ready_is_told_apart() -> None:
    """Both are 429: priority and fairness refuses in plain text, a watch cache that is not ready in a Status."""
    refusals = [
        status_answer(429, "Content-Type: text/plain; charset=utf-8\r\n"),
        status_answer(429, "Content-Type: application/json\r\n"),
        status_answer(429),
    ]
    totals = play(profile(), to_the_end, lambda number, _h: refusals[number % 3]).runner.totals()
    assert (totals.outcomes, totals.not_initialized) == ({"http_429": 180}, 60)


def test_each_second_tells_what_was_offered_and_answered() -> None:
    """A server that answers after 2 s is offered as much each second as a fast one, and answers later."""

    async def steps(stage: Stage) -> None:
        stage.add(20)
        await stage.runner.wait_until_over()

    made = profile(RequestSpec("/metrics", period_s=0.5), duration_s=10.0)
    stage = play(made, steps, lambda _n, _h: MemoryAnswer(delay_s=1.98))
    counts = stage.runner.per_second.as_dict()
    assert counts["begun"] == counts["due"] == [40] * 10
    assert counts["answered"][:2] == [0, 0]
    assert sum(counts["answered"]) == stage.outcomes["ok"]


def test_an_account_tells_apart_what_was_sent_and_what_came_of_it() -> None:
    """Sent is what was written to a connection; every answer counts, refusals and wrong tokens by name."""
    kinds = [OK, status_answer(429), status_answer(401), status_answer(403), status_answer(500), HANG, HANG_UP]
    made = profile(duration_s=7.0, request_timeout_s=0.5)

    async def steps(stage: Stage) -> None:
        stage.add()
        await stage.runner.wait_until_over()

    assert play(made, steps, lambda number, _head: kinds[number % 7]).runner.totals().account() == {
        "due": 7,
        "held_back": 0,
        "sent": 7,
        "resent": 0,
        "answered": 5,
        "refused": 1,
        "unauthorized": 2,
        "failed_timeout": 1,
        "failed_connect": 0,
        "failed_broken": 1,
        "received_bytes": 188,
    }


def test_what_found_no_connection_was_not_sent() -> None:
    """A server that nobody can connect to is asked nothing, however many requests came due."""

    async def steps(stage: Stage) -> None:
        stage.peer.connect_error = ConnectionRefusedError()
        await to_the_end(stage)

    account = play(profile(), steps).runner.totals().account()
    assert (account["due"], account["sent"], account["failed_connect"]) == (180, 0, 180)


def test_a_request_that_is_sent_again_is_told_apart() -> None:
    """Retries must not make up for requests that were never sent."""
    spec = RequestSpec("/metrics", period_s=20)
    made = profile(spec, retry="client-go", duration_s=40)
    stage = play(made, to_the_end, lambda number, _h: status_answer(429, "Retry-After: 2\r\n") if number < 3 else OK)
    account = stage.runner.totals().account()
    assert (account["due"], account["sent"], account["resent"], account["refused"]) == (6, 9, 3, 3)


def test_a_connection_per_request_is_closed_after_its_answer() -> None:
    """Each try pays for a handshake, as of a script that starts anew each time; none stays open."""
    stage = play(profile(RequestSpec("/version", period_s=1.0, connection="per-request")), to_the_end)
    assert stage.outcomes == {"ok": 180}
    assert (stage.peer.connected, stage.peer.open) == (180, 0)


def stream(*pieces: bytes) -> MemoryAnswer:
    """The head of an answer in chunks, and some of these; it does not end."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return MemoryAnswer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)


WATCH = RequestSpec("/api/v1/pods", query={"watch": "1"}, period_s=20.0, watch_s=15.0)


def test_a_watch_is_read_for_its_time_and_ends_well() -> None:
    """Its latency is the time to its first byte; the server is told how long; the next one begins on time."""
    made = profile(WATCH, request_timeout_s=2, max_in_flight_per_agent=1, phase_ratio=0.0)
    stage = play(made, to_the_end, lambda *_: stream(b"{}"))
    totals = stage.runner.totals()
    assert totals.outcomes == {"ok": 9}
    assert (totals.due, totals.held_back) == (9, 0)
    assert totals.from_send["ok"].max_s < 0.1
    assert b"GET /api/v1/pods?watch=1&timeoutSeconds=15 HTTP/1.1" in stage.peer.heads[0][1]
    assert stage.peer.open == 0


@pytest.mark.parametrize(("answer", "outcome"), [(HANG, "timeout"), (status_answer(429), "http_429")])
def test_a_watch_that_is_not_answered_is_no_good_end(answer: MemoryAnswer, outcome: str) -> None:
    """A server that sends no head, or refuses, is told apart from one that streams."""
    assert play(profile(WATCH, request_timeout_s=2), to_the_end, lambda *_: answer).outcomes == {outcome: 9}


def test_a_watch_that_the_server_ends_leaves_its_connection_for_the_next() -> None:
    """As real clients do; and no request of another kind is sent over it."""
    ended = MemoryAnswer(stream(b"{}").data + b"0\r\n\r\n", delay_s=0.01)  # type: ignore[operator]
    made = profile(WATCH, RequestSpec("/version", period_s=20.0))
    stage = play(made, to_the_end, lambda _n, head: ended if b"watch=1" in head else OK)
    assert stage.outcomes == {"ok": 18}
    assert stage.peer.connected == 6


LIST = RequestSpec("/api/v1/pods", query={"limit": "500"}, gzip=False, paged=True, period_s=20.0)
BUILT_IN = '{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"%s},"items":[%s]}'
CUSTOM = '{"apiVersion":"a/v1","items":[%s],"kind":"XList","metadata":{%s"resourceVersion":"7"}}'
TRAP = '{"metadata":{"name":"x","continue":"trap"}},' + '{"a":"%s"}' % ("b" * 5000)


def page(body: str, size: int = 700) -> MemoryAnswer:
    """An answer with this body, in chunks of ``size`` bytes."""
    data = body.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return MemoryAnswer(stream(*pieces).data + b"0\r\n\r\n")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("more", "last"),
    [
        (BUILT_IN % (',"continue":"abc=","remainingItemCount":9', TRAP), BUILT_IN % ("", TRAP)),
        (CUSTOM % (TRAP, '"continue":"abc=",'), CUSTOM % (TRAP, "")),
    ],
)
def test_a_list_in_pages_is_read_to_its_end(more: str, last: str) -> None:
    """Three pages are three tries of one request; what stands in an object is not mistaken for the way on."""

    async def steps(stage: Stage) -> None:
        stage.add()
        await stage.runner.wait_until_over()

    stage = play(profile(LIST), steps, lambda number, _head: page(last if number % 3 == 2 else more))
    totals = stage.runner.totals()
    assert totals.outcomes == {"ok": 9}
    assert (totals.due, totals.tries, totals.pages, totals.retries) == (3, 9, 6, 0)
    assert (totals.sent, totals.resent) == (9, 6), "a list that was sent whole counts once"
    assert totals.from_due["ok"].count == 3
    targets = [head.split(b" ")[1] for _, head in stage.peer.heads[:4]]
    first = b"/api/v1/pods?limit=500"
    assert targets == [first, first + b"&continue=abc%3D", first + b"&continue=abc%3D", first]
    assert stage.peer.connected == 1


def test_a_page_that_fails_is_tried_again_and_its_list_goes_on() -> None:
    """A refusal in the middle costs a retry, not the list."""

    def script(number: int, _head: bytes) -> MemoryAnswer:
        more, last = BUILT_IN % (',"continue":"abc"', ""), BUILT_IN % ("", "")
        return [page(more), status_answer(429, "Retry-After: 1\r\n"), page(last)][number]

    async def steps(stage: Stage) -> None:
        stage.add()
        await stage.runner.wait_until_over()

    totals = play(profile(LIST, retry="client-go", duration_s=19.0), steps, script).runner.totals()
    assert (totals.due, totals.tries, totals.pages, totals.retries) == (1, 3, 1, 1)
    assert totals.outcomes == {"http_429": 1, "ok": 2}


def test_a_client_that_hangs_up_early_sends_on_time_all_the_same() -> None:
    """What it broke off is an outcome of its own, never tried again and no failure of the server."""
    spec = RequestSpec("/api/v1/pods", period_s=1.0, abort_after_s=0.5)
    stage = play(profile(spec, retry="naive"), to_the_end, lambda _n, _h: HANG)
    totals = stage.runner.totals()
    assert totals.outcomes == {"aborted": 180}
    assert (totals.sent, totals.held_back, totals.from_send) == (180, 0, {})
    assert totals.as_dict(60)["error_ratio"] is None
    assert stage.peer.open == 0


def test_a_naive_client_makes_more_of_a_failure() -> None:
    """Refused with Retry-After 30, it asks ten times a second; never more at once than its cap."""
    spec = RequestSpec("/metrics", period_s=20)
    made = profile(spec, retry="naive", duration_s=20, max_in_flight_per_agent=1)
    totals = play(made, to_the_end, lambda _n, _h: status_answer(429, "Retry-After: 30\r\n")).runner.totals()
    assert 100 < totals.tries <= 3 * 20 * 10
    assert totals.due == totals.tries - totals.retries + totals.held_back == 3


@pytest.mark.parametrize("retry", ["none", "naive"])
def test_a_total_of_requests_is_never_exceeded(retry: str) -> None:
    """Three agents send exactly what they may together, then all are over."""
    made = profile(max_total_requests=50, retry=retry, request_timeout_s=0.3)
    stage = play(made, to_the_end, lambda number, _head: HANG if number % 2 else OK)
    assert len(stage.peer.heads) == stage.runner.totals().tries == 50
    assert stage.runner.snapshot()["agents"]["ended"] == {"budget": 3}


def test_a_total_of_bytes_ends_all_agents() -> None:
    """Also those that are in the middle of an answer, a quarter of a second later at most."""
    stage = play(profile(max_total_bytes=900), to_the_end)
    assert stage.runner.snapshot()["agents"]["ended"] == {"budget": 3}
    assert 900 < stage.runner.totals().received_bytes <= 900 + 3 * 50


@pytest.mark.parametrize("connection", ["kept", "per-request"])
def test_a_total_of_connections_holds_requests_back(connection: str) -> None:
    """Of three agents two get a connection; what the third would ask for is counted as held back."""
    spec = RequestSpec("/metrics", period_s=1.0, connection=connection)
    made = profile(spec, max_total_connections=2, phase_ratio=0.0, request_timeout_s=30)
    most_open = 0

    def script(_number: int, _head: bytes) -> MemoryAnswer:
        nonlocal most_open
        most_open = max(most_open, stages[0].peer.open)
        return MemoryAnswer(delay_s=0.5)

    stages: list[Stage] = []

    async def steps(stage: Stage) -> None:
        stages.append(stage)
        await to_the_end(stage)

    totals = play(made, steps, script).runner.totals()
    assert most_open == 2
    assert (totals.due, totals.held_back) == (180, 60)


def test_an_agent_asks_for_what_is_its_own() -> None:
    """Each for the object of its node and pod; one that does not know its node is not started."""
    made = profile(RequestSpec("/api/v1/nodes/{node}", query={"fieldSelector": "spec.nodeName={node}"}, period_s=9.0))

    async def steps(stage: Stage) -> None:
        for number in range(2):
            stage.runner.add_agent(f"agent-{number}", Credentials(), {"node": f"node-{number}"})
        with pytest.raises(ProfileInvalid, match="needs the agent's node, which nobody told"):
            stage.runner.add_agent("agent-2", Credentials(), {"pod": "x"})
        assert stage.runner.running == 2
        await stage.runner.wait_until_over()

    targets = {head.split(b" ")[1] for _, head in play(made, steps).peer.heads}
    assert targets == {b"/api/v1/nodes/node-%d?fieldSelector=spec.nodeName%%3Dnode-%d" % (n, n) for n in range(2)}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("okhrt"), min_size=1, max_size=12), st.sampled_from(["none", "naive", "client-go"]))
def test_every_request_that_came_due_is_in_exactly_one_place(answers: list[str], retry: str) -> None:
    """Whatever the server does, due = first tries + held back, and all tries have an outcome when all is over."""
    kinds = {
        "o": OK,
        "k": status_answer(429, "Retry-After: 1\r\n"),
        "h": HANG,
        "r": HANG_UP,
        "t": status_answer(500, "Connection: close\r\n", delay_s=3),
    }
    made = profile(retry=retry, request_timeout_s=2.5, max_in_flight_per_agent=2, duration_s=30)
    stage = play(made, to_the_end, lambda number, _h: kinds[answers[number % len(answers)]])
    totals = stage.runner.totals()
    assert totals.in_flight == 0
    assert totals.due == totals.tries - totals.retries + totals.held_back
    assert sum(totals.outcomes.values()) == totals.tries
    assert totals.sent == len(stage.peer.heads)
    still_connecting = totals.tries - totals.sent
    assert 0 <= still_connecting <= 3, "one of each agent, when its end came"
    assert 0 <= totals.due - totals.held_back - (totals.sent - totals.resent) <= still_connecting
    per_second = stage.runner.per_second
    assert sum(per_second.begun) == sum(per_second.due) == totals.due - totals.held_back
    assert sum(per_second.answered) == sum(
        n for outcome, n in totals.outcomes.items() if outcome.startswith("http_")
    ) + totals.outcomes.get("ok", 0)
    assert stage.peer.open == 0


def writing(*patterns: str, **changes: Any) -> LoadProfile:
    """A profile of writes, one of each kind a second, as an overload tells it."""
    requests = [{"pattern": name, "period_s": 1.0} for name in patterns]
    marks = {"chaoslib-cp/run": "r", "chaoslib-cp/fault": "api_overload-1"}
    plain = {"schema": 1, "jitter_ratio": 0.0, "duration_s": 10.0, "marks": marks, "resource_version": "41", **changes}
    return parse_profile({**plain, "requests": requests})


async def one_node(stage: Stage) -> None:
    """Play one virtual node until it is over."""
    stage.runner.add_agent("n-1", Credentials(), {"node": "n-1"})
    await stage.runner.wait_until_over()


def test_writes_carry_a_body_of_their_own_and_are_counted_as_any_request() -> None:
    """A new Event each time, one Lease that is applied again and again, and a delete without a body."""
    stage = play(writing("create-events", "renew-leases", "delete-leases"), one_node)
    assert stage.outcomes == {"ok": 30}
    heads = [text.partition(b"\r\n\r\n") for _, text in stage.peer.heads]
    by_method: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for head, _, body in heads:
        by_method.setdefault(head.split(b" ")[0], []).append((head, body))
    assert {method: len(sent) for method, sent in by_method.items()} == {b"POST": 10, b"PATCH": 10, b"DELETE": 10}
    assert all(
        f"Content-Length: {len(body)}".encode() in head for head, body in by_method[b"POST"] + by_method[b"PATCH"]
    )
    assert len({json.loads(body)["metadata"]["name"] for _, body in by_method[b"POST"]}) == 10
    [lease] = {json.loads(body)["metadata"]["name"] for _, body in by_method[b"PATCH"]}
    paths = {head.split(b" ")[1].partition(b"?")[0] for head, _ in by_method[b"PATCH"] + by_method[b"DELETE"]}
    assert paths == {f"/apis/coordination.k8s.io/v1/namespaces/chaoslib-cp-load/leases/{lease}".encode()}
    assert all(b"Content-Type: application/apply-patch+yaml\r\n" in head for head, _ in by_method[b"PATCH"])
    assert [body for _, body in by_method[b"DELETE"]] == [b""] * 10


def test_no_more_objects_are_made_than_the_profile_allows() -> None:
    """Retries count, too; what comes due beyond it is owned up to, and what makes no object goes on."""
    stage = play(
        writing("create-events", "renew-leases", max_objects=4, retry="naive", max_in_flight_per_agent=20),
        one_node,
        lambda number, text: status_answer(500) if text.startswith(b"POST") and number < 4 else OK,
    )
    made = [text for _, text in stage.peer.heads if text.startswith(b"POST")]
    assert (len(made), len(stage.peer.heads)) == (4, 14)
    assert stage.runner.totals().held_back >= 6


def test_an_old_version_is_the_one_of_when_the_load_began() -> None:
    """And 410, when it is too old to be read, is told apart from other refusals."""
    stage = play(writing("list-pods-old-exact"), one_node, lambda number, _: status_answer(410) if number else OK)
    assert stage.outcomes == {"ok": 1, "http_410": 9}
    assert all(b"?resourceVersion=41&resourceVersionMatch=Exact " in text for _, text in stage.peer.heads)
