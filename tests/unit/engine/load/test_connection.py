"""The engine against a real server on loopback: TLS, framing, what a server can do to a client."""

import asyncio
import gzip
import ssl
from pathlib import Path

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.connector import Target, connector
from chaoslib_cp.engine.load.head import head_of
from chaoslib_cp.engine.load.process import loop_factory, raise_open_files_limit, tls_context
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.api_server import HANG, RESET, Answer, FakeApiServer
from tests.fakes.certificates import Authority

BODY = b'{"items": []}' * 20_000
NOBODY = Credentials()
FACTORIES = [asyncio.new_event_loop, loop_factory()]


def play(
    server: FakeApiServer,
    tls: ssl.SSLContext | None,
    credentials: Credentials = NOBODY,
    tries: int = 5,
    factory: object = asyncio.new_event_loop,
) -> Totals:
    """Let one agent make some tries against the server and return the counts."""
    spec = RequestSpec("/metrics", period_s=0.1)
    profile = LoadProfile((spec,), duration_s=10, max_requests=tries, request_timeout_s=0.5, max_in_flight_per_agent=1)

    async def run() -> Totals:
        loop = asyncio.get_running_loop()
        connect = connector(Target("127.0.0.1", server.port, "127.0.0.1", tls), loop, 5)
        runner = LoadRunner(profile, "127.0.0.1", connect, SystemClock(), loop)
        runner.add_agent("one", credentials)
        await runner.wait_until_over()
        return runner.totals()

    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        return runner.run(run())


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_compressed_answer_is_counted_as_it_came(tmp_path: Path, factory: object) -> None:
    """Over TLS, chunked and compressed: the bytes are those on the wire, and the connection is kept."""
    authority = Authority(tmp_path)
    packed = gzip.compress(BODY)
    answer = Answer(headers={"Content-Encoding": "gzip"}, body=packed, is_chunked=True)
    with FakeApiServer(authority.server_context()) as server:
        server.on("GET", "/metrics", answer)
        totals = play(server, authority.client_context(), Credentials(token="secret"), factory=factory)
        assert totals.outcomes == {"ok": 5}
        assert 5 * len(packed) < totals.received_bytes < 5 * (len(packed) + 200)
        assert server.connections == 1
        assert {one.headers["authorization"] for one in server.requests} == {"Bearer secret"}
        assert {one.headers["accept-encoding"] for one in server.requests} == {"gzip"}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(429, {"Retry-After": "1"}), "http_429"),
        (Answer(503, {"Connection": "close"}), "http_5xx"),
        (Answer(body=BODY), "ok"),
        (Answer(body=BODY, closes=True), "ok"),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", closes=True), "reset"),
        (Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"), "ok"),
        (RESET, "reset"),
        (HANG, "timeout"),
    ],
)
def test_each_end_of_a_request_has_its_own_class(answer: Answer, outcome: str) -> None:
    """A refusal, a cut-off answer, a hang and a good answer without a length are told apart."""
    with FakeApiServer() as server:
        server.on("GET", "/metrics", answer)
        assert play(server, None, tries=2).outcomes == {outcome: 2}


def test_a_server_of_another_authority_is_not_talked_to(tmp_path: Path) -> None:
    """The token never reaches a server whose certificate our CA did not sign."""
    (tmp_path / "other").mkdir()
    ours, other = Authority(tmp_path), Authority(tmp_path / "other")
    with FakeApiServer(other.server_context()) as server:
        server.on("GET", "/metrics", Answer())
        assert play(server, ours.client_context(), Credentials(token="secret"), tries=2).outcomes == {"tls": 2}
        assert server.requests == []


def test_a_client_certificate_can_stand_in_for_a_token(tmp_path: Path) -> None:
    """Identities of both kinds can be played."""
    authority = Authority(tmp_path)
    files = authority.issue("system:node:kwok-000", ("system:nodes",))
    context = tls_context(authority.ca_file, (files.cert, files.key))
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as server:
        server.on("GET", "/metrics", Answer())
        play(server, None, Credentials(tls=context), tries=1)
        assert server.requests[0].peer_name == "system:node:kwok-000"
        assert "authorization" not in server.requests[0].headers


def test_a_restarting_server_is_seen_and_found_again() -> None:
    """Connections cut while idle cost no request: the next one opens a new connection."""
    with FakeApiServer() as server:

        def answer(_request: object) -> Answer:
            if len(server.requests) == 3:
                asyncio.get_running_loop().call_later(0.005, server.drop_connections)  # long before the next try is due
            return Answer()

        server.on("GET", "/metrics", answer)
        assert play(server, None, tries=6).outcomes == {"ok": 6}
        assert server.connections == 2


def test_a_missing_ca_is_one_clear_line(tmp_path: Path) -> None:
    """The message names the file and says that nothing was sent."""
    with pytest.raises(ProfileInvalid, match=r"ca\.crt.*no connection was opened"):
        tls_context(tmp_path / "ca.crt")


def test_a_header_cannot_begin_another_one() -> None:
    """A token with a line end in it is refused rather than sent."""
    with pytest.raises(ValueError, match="line end"):
        head_of("GET", "/", [("Authorization", "Bearer x\r\nImpersonate-User: admin")])


def test_secrets_are_not_shown() -> None:
    """A token in a traceback or log line would be a leak."""
    assert "secret" not in repr(Credentials(token="secret"))


def test_the_limit_on_open_files_is_raised() -> None:
    """A thousand agents need more than the usual 1,024 files."""
    assert raise_open_files_limit() >= 1024
