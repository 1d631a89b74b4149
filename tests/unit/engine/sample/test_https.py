"""One HTTPS call and its phases, against a real server on loopback."""

import asyncio
import socket
from pathlib import Path

import pytest

from chaoslib_cp.cluster.door.tls import client_context
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsSample, HttpsTarget, KeptConnections
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.api_server import HANG, RESET, Answer, FakeApiServer
from tests.fakes.certificates import Authority
from tests.scaffold.waiting import until_async

VERSION = HttpsRequest("GET", "/version")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of the test's own."""
    return Authority(tmp_path)


def target_of(server: FakeApiServer, authority: Authority, name: str = "127.0.0.1") -> HttpsTarget:
    """The fake server as somebody with a client certificate sees it."""
    identity = authority.issue("observer")
    context = client_context(
        authority.ca_file.read_bytes(), True, identity.cert.read_bytes(), identity.key.read_bytes()
    )
    return HttpsTarget("127.0.0.1", server.port, name, context)


def ask_once(target: HttpsTarget, request: HttpsRequest = VERSION, deadline_s: float = 5.0) -> HttpsSample:
    """Make one call over a fresh connection."""
    return asyncio.run(https.ask(target, request, deadline_s))


def test_a_call_takes_as_long_as_its_answer(authority: Authority) -> None:
    """Everything counts, connecting included; no phase is named when all ended."""
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as server:
        server.on("GET", "/version", Answer(body=b'{"major":"1"}', delay_s=0.2))
        sample = ask_once(target_of(server, authority))
        assert server.requests[0].peer_name == "observer"
    assert (sample.outcome, sample.http_status, sample.failed_in) == ("ok", 200, None)
    assert sample.latency_s >= 0.2
    assert sample.extras() == {"http_status": 200}
    assert sample.body == b'{"major":"1"}'


def test_each_phase_has_its_seconds(authority: Authority) -> None:
    """A slow server shows in the first byte; a call over a kept connection has two phases; nothing is sent twice."""

    async def two(target: HttpsTarget) -> list[HttpsSample]:
        kept = KeptConnections()
        samples = [await https.ask(target, VERSION, 5.0, kept) for _ in range(2)]
        kept.close()
        return samples

    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer(body=b"12345", delay_s=0.2))
        first, second = asyncio.run(two(target_of(server, authority)))
    assert list(first.phases_s) == ["tcp", "tls", "first_byte", "body"]
    assert list(second.phases_s) == ["first_byte", "body"]
    for sample in (first, second):
        assert 0.2 <= sample.phases_s["first_byte"] <= sample.latency_s
        assert sum(sample.phases_s.values()) == pytest.approx(sample.latency_s, abs=0.05)
        assert (sample.body_bytes, sample.sent_again, sample.said_close) == (5, 0, False)


def test_server_that_wants_a_kept_connection_closed(authority: Authority) -> None:
    """An API server that sends its clients elsewhere says so in HTTP/1.1 with this header."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer(headers={"Connection": "close"}))
        sample = asyncio.run(https.ask(target_of(server, authority), VERSION, 5.0, KeptConnections()))
        assert (sample.outcome, sample.said_close) == ("ok", True)
        assert not ask_once(target_of(server, authority)).said_close  # here we had said it ourselves


def test_body_is_handed_on_in_pieces(authority: Authority) -> None:
    """Whoever takes the body sees every byte of it, and none of it is kept for him."""
    pieces: list[bytes] = []
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer(body=b"x" * 300_000, is_chunked=True))
        request = HttpsRequest("GET", "/version", keep_body_bytes=0, take_body=pieces.append)
        sample = ask_once(target_of(server, authority), request)
    assert (len(b"".join(pieces)), sample.body_bytes, sample.body) == (300_000, 300_000, b"")


def test_token_instead_of_certificate(authority: Authority) -> None:
    """A bearer token is sent, and shown to nobody."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer())
        context = client_context(authority.ca_file.read_bytes(), True)
        target = HttpsTarget(
            "127.0.0.1", server.port, "127.0.0.1", context, headers=(("Authorization", "Bearer geheim"),)
        )
        assert ask_once(target).outcome == "ok"
        assert server.requests[0].headers["authorization"] == "Bearer geheim"
    assert "geheim" not in repr(target)


def test_kept_connection_shakes_hands_once(authority: Authority) -> None:
    """Calls over a kept connection connect once."""

    async def three(target: HttpsTarget) -> list[HttpsSample]:
        kept = KeptConnections()
        samples = [await https.ask(target, VERSION, 5.0, kept) for _ in range(3)]
        kept.close()
        return samples

    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer(is_chunked=True))
        samples = asyncio.run(three(target_of(server, authority)))
        assert server.connections == 1
    assert [sample.outcome for sample in samples] == ["ok"] * 3


def test_fresh_calls_connect_each_time(authority: Authority) -> None:
    """Without a kept connection each call makes its own and says that it will close it."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer())
        target = target_of(server, authority)
        ask_once(target)
        ask_once(target)
        assert server.connections == 2
        assert server.requests[0].headers["connection"] == "close"


def test_call_that_hangs_holds_up_no_other(authority: Authority) -> None:
    """While one call waits on a kept connection, the next takes another and is answered."""

    async def two(target: HttpsTarget) -> tuple[HttpsSample, HttpsSample]:
        kept = KeptConnections()
        slow = asyncio.ensure_future(https.ask(target, HttpsRequest("GET", "/hangs"), 2.0, kept))
        await until_async(lambda: bool(server.requests), "the server has the first")
        quick = await https.ask(target, VERSION, 5.0, kept)
        assert not slow.done()
        kept.close()
        return await slow, quick

    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/hangs", HANG)
        server.on("GET", "/version", Answer())
        slow, quick = asyncio.run(two(target_of(server, authority)))
    assert (slow.outcome, slow.failed_in) == ("timeout", "first_byte")
    assert 2.0 <= slow.latency_s < 4.0  # a hidden second attempt would double it
    assert quick.outcome == "ok"


def test_kept_connection_comes_back_after_the_server_did(authority: Authority) -> None:
    """A kept connection that died in between is replaced: the call succeeds over a new one, and says what it met."""

    async def before_and_after(server: FakeApiServer, target: HttpsTarget) -> tuple[HttpsSample, ...]:
        kept = KeptConnections()
        before = await https.ask(target, VERSION, 5.0, kept)
        idle = kept.take(target)
        assert idle is not None
        server.drop_connections()
        await until_async(lambda: not idle.is_open(), "the connection is seen to be gone")
        kept.give_back(idle, target)
        after = [await https.ask(target, VERSION, 5.0, kept) for _ in range(2)]
        kept.close()
        return before, *after

    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer())
        samples = asyncio.run(before_and_after(server, target_of(server, authority)))
        assert server.connections == 2
    assert [(one.outcome, one.hung_up) for one in samples] == [("ok", False), ("ok", True), ("ok", False)]
    assert samples[1].extras() == {"http_status": 200, "hung_up": True}


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (Answer(201), "ok", 201),
        (Answer(429, {"Retry-After": "1"}), "http_429", 429),
        (Answer(401), "http_401", 401),
        (Answer(403), "http_403", 403),
        (Answer(404), "http_4xx", 404),
        (Answer(503), "http_5xx", 503),
        (Answer(302), "error", 302),
        (Answer(raw=b"SSH-2.0-OpenSSH\r\n\r\n"), "error", None),
        (RESET, "reset", None),
    ],
)
def test_answers_have_names(authority: Authority, answer: Answer, outcome: str, status: int | None) -> None:
    """Each kind of answer gives the word of the timeline, never an exception."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", answer)
        sample = ask_once(target_of(server, authority))
    assert (sample.outcome, sample.http_status) == (outcome, status)


def test_answer_cut_off_in_its_body(authority: Authority) -> None:
    """A server that dies within the body is a reset, with the status it had sent."""
    cut = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", closes=True)
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", cut)
        sample = ask_once(target_of(server, authority))
    assert (sample.outcome, sample.http_status, sample.failed_in) == ("reset", 200, "body")


def test_certificate_of_somebody_else(authority: Authority, tmp_path: Path) -> None:
    """A server whose certificate is of another authority, or for another name, is told as a TLS failure."""
    (tmp_path / "other").mkdir()
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer())
        stranger = target_of(server, Authority(tmp_path / "other"))
        assert ask_once(stranger).outcome == "tls"
        assert ask_once(target_of(server, authority, name="elsewhere.test")).outcome == "tls"
        assert server.requests == []


def test_server_that_accepts_and_says_nothing(authority: Authority) -> None:
    """A listener that never shakes hands costs the deadline and is named as stuck in TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = client_context(authority.ca_file.read_bytes(), True)
        target = HttpsTarget("127.0.0.1", listener.getsockname()[1], "127.0.0.1", context)
        sample = ask_once(target, deadline_s=1.0)
    assert (sample.outcome, sample.failed_in) == ("timeout", "tls")
    assert list(sample.phases_s) == ["tcp", "tls"]
    assert 0.9 < sample.phases_s["tls"] <= sample.latency_s
    assert 1.0 <= sample.latency_s < 2.0  # a hidden second attempt would double it


def test_closed_port_is_refused(authority: Authority) -> None:
    """A dead server is told at once, as stuck in TCP."""
    with socket.socket() as taken:  # bound, so that nobody else gets the port, but not listening
        taken.bind(("127.0.0.1", 0))
        context = client_context(authority.ca_file.read_bytes(), True)
        sample = ask_once(HttpsTarget("127.0.0.1", taken.getsockname()[1], "127.0.0.1", context))
    assert (sample.outcome, sample.failed_in) == ("refused", "tcp")


def test_body_is_kept_up_to_the_limit(authority: Authority) -> None:
    """A huge answer is read to its end and mostly thrown away."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/version", Answer(body=b"x" * 3_000_000))
        sample = ask_once(target_of(server, authority))
    assert sample.outcome == "ok"
    assert len(sample.body) == VERSION.keep_body_bytes


def test_body_and_headers_are_sent(authority: Authority) -> None:
    """A write carries its body, its length and its headers."""
    with FakeApiServer(authority.server_context()) as server:
        server.on("POST", "/things", lambda request: Answer(201, body=request.body))
        request = HttpsRequest("POST", "/things?dryRun=All", b'{"a":1}', (("Content-Type", "application/json"),))
        sample = ask_once(target_of(server, authority), request)
        assert server.requests[0].headers["content-type"] == "application/json"
        assert server.requests[0].query == {"dryRun": "All"}
    assert sample.body == b'{"a":1}'


@pytest.mark.parametrize(("headers", "accept"), [((), "application/json"), ((("Accept", "text/x"),), "text/x")])
def test_an_accept_header_of_its_own_is_the_only_one(headers: tuple[tuple[str, str], ...], accept: str) -> None:
    """An API server reads the first one alone, so JSON would be all that it ever sends."""
    wire = HttpsRequest("GET", "/", headers=headers).wire(HttpsTarget("127.0.0.1", 1, "127.0.0.1"), close=True)
    assert [line for line in wire.decode().splitlines() if line.startswith("Accept")] == [f"Accept: {accept}"]


def test_line_break_in_a_request_is_refused() -> None:
    """A header that would smuggle a second one is refused before anything is sent."""
    target = HttpsTarget("127.0.0.1", 1, "127.0.0.1")
    with pytest.raises(ProfileInvalid, match="line break"):
        ask_once(target, HttpsRequest("GET", "/", headers=(("A", "b\r\nC: d"),)))
