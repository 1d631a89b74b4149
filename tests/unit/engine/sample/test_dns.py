"""One DNS question, against a real server on loopback."""

import asyncio
import socket

import pytest

from chaoslib_cp.engine.sample import dns
from chaoslib_cp.engine.sample.dns_message import query_for
from tests.fakes.dns_server import FakeDnsServer, Record

NAME = "sentinel.test."


def ask(
    mode: str = "answer", record: Record | None = None, tcp: bool = False, deadline_s: float = 2.0
) -> tuple[dns.DnsSample, FakeDnsServer]:
    """Ask a fake server in ``mode`` once."""

    async def once() -> tuple[dns.DnsSample, FakeDnsServer]:
        async with FakeDnsServer() as server:
            server.mode = mode
            server.says(NAME, record or Record(("192.0.2.1",), ttl_s=30))
            return await dns.ask("127.0.0.1", query_for(NAME, "A"), deadline_s, tcp=tcp, port=server.port), server

    return asyncio.run(once())


@pytest.mark.parametrize("tcp", [False, True])
def test_answer_with_its_ttl(tcp: bool) -> None:
    """A good answer tells the records, sorted, and the TTL that is left."""

    async def once() -> dns.DnsSample:
        async with FakeDnsServer() as server:
            server.says(NAME, Record(("192.0.2.9", "192.0.2.1"), ttl_s=30))
            return await dns.ask("127.0.0.1", query_for("sentinel.test", "A"), 2.0, tcp=tcp, port=server.port)

    sample = asyncio.run(once())
    assert (sample.outcome, sample.rcode) == ("ok", "NOERROR")
    assert sample.answers == ("192.0.2.1", "192.0.2.9")
    assert sample.ttl_s == 30
    assert 0 < sample.latency_s < 2


def test_ttl_counts_down() -> None:
    """The TTL shown is the one the server showed, not the record's first."""

    async def once() -> dns.DnsSample:
        async with FakeDnsServer() as server:
            server.says(NAME, Record(("192.0.2.1",), 30, asyncio.get_running_loop().time() - 12.1))
            return await dns.ask("127.0.0.1", query_for(NAME, "A"), 2.0, port=server.port)

    assert asyncio.run(once()).ttl_s == 18


@pytest.mark.parametrize(
    ("mode", "outcome", "rcode"),
    [
        ("servfail", "servfail", "SERVFAIL"),
        ("nxdomain", "nxdomain", "NXDOMAIN"),
        ("refused", "refused", "REFUSED"),
        ("garbage", "error", None),
    ],
)
def test_sick_answers_have_names(mode: str, outcome: str, rcode: str | None) -> None:
    """A server that answers badly gives a sample with the class of the failure, never an exception."""
    sample, _ = ask(mode)
    assert (sample.outcome, sample.rcode, sample.answers, sample.ttl_s) == (outcome, rcode, (), None)


def test_no_record_is_nodata() -> None:
    """NOERROR without a record of the type is told apart from a name that is not there."""

    async def once() -> dns.DnsSample:
        async with FakeDnsServer() as server:
            return await dns.ask("127.0.0.1", query_for(NAME, "A"), 2.0, port=server.port)

    assert asyncio.run(once()).outcome == "nodata"


def test_silence_is_a_timeout_of_the_deadline() -> None:
    """A server that drops the question costs exactly the deadline."""
    sample, server = ask("drop", deadline_s=1.0)
    assert sample.outcome == "timeout"
    assert 1.0 <= sample.latency_s < 2.0
    assert len(server.asked) == 1  # no hidden retry


def test_truncated_answer_is_asked_for_over_tcp() -> None:
    """TC over UDP leads to the same question over TCP, within the same deadline."""
    sample, server = ask("truncate")
    assert sample.outcome == "ok"
    assert [over for over, _ in server.asked] == ["udp", "tcp"]


def test_somebody_elses_answer_is_not_ours() -> None:
    """A datagram with our ID but another question is waited past (RFC 5452)."""
    sample, _ = ask("noise")
    assert sample.answers == ("192.0.2.1",)


def test_tcp_server_that_hangs_up() -> None:
    """A connection closed before the answer is a reset."""
    assert ask("hang up", tcp=True)[0].outcome == "reset"


@pytest.mark.parametrize("tcp", [False, True])
def test_closed_port_is_refused(tcp: bool) -> None:
    """Nobody listening is known at once, not after the deadline."""
    with socket.socket(type=socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as taken:
        # Nobody else gets the port while it is bound; in TCP it does not listen, in UDP it hears only its own peer.
        taken.bind(("127.0.0.1", 0))
        if not tcp:
            taken.connect(("127.0.0.1", 9))
        sample = asyncio.run(dns.ask("127.0.0.1", query_for(NAME, "A"), 20.0, tcp=tcp, port=taken.getsockname()[1]))
    assert sample.outcome == "refused"
    assert sample.rcode is None
    assert sample.latency_s < 10


def test_every_question_has_a_socket_of_its_own() -> None:
    """A hundred questions at once, some to a dead server, leave no socket behind."""

    async def many() -> tuple[list[dns.DnsSample], int]:
        async with FakeDnsServer() as server:
            server.says(NAME, Record(("192.0.2.1",)))
            samples = await asyncio.gather(
                *(dns.ask("127.0.0.1", query_for(NAME, "A"), 2.0, port=server.port) for _ in range(100))
            )
            await asyncio.sleep(0)
            selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined] # what the loop still watches
            return samples, len(selector.get_map())

    samples, watched = asyncio.run(many())
    assert {sample.outcome for sample in samples} == {"ok"}
    assert watched <= 3  # the loop's own pipe and the fake server's two
