"""The rogue DNS server as whoever asks it sees it: what a DNS server owes, whatever is sent to it."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from chaoslib_cp.agent.dns_listening import serve
from chaoslib_cp.agent.dns_rogue import RogueServer
from chaoslib_cp.agent.dns_truth import Truth
from chaoslib_cp.engine.poison.lies import LIES, NOWHERE, Lie
from chaoslib_cp.engine.poison.rogue import COUNTS_NAME, ROGUE_PORTS, Rogue, RogueLie, RogueSettings
from tests.fakes.dns_server import FakeDnsServer, Record
from tests.scaffold.clocks import ManualClock
from tests.scaffold.waiting import until

HOME, TRUE, TTL_S = "127.0.0.1", "10.96.0.50", 40
API, OTHER = "api.shop.svc.cluster.local.", "other.shop.svc.cluster.local."


def lie(kind: str = "wrong-address", name: str = API, **more: Any) -> Lie:
    """One of a kind."""
    row = LIES[kind]
    usual = {"addresses": NOWHERE if row.has_addresses else (), "target": OTHER if row.has_target else "", "port": 53}
    return Lie(kind, name, TTL_S, **{**usual, **more})


class Asked:
    """A rogue with the truth behind it, and whoever asks."""

    def __init__(self, server: RogueServer, truth: FakeDnsServer, port: int) -> None:
        self.server, self.truth, self.port = server, truth, port

    async def udp(self, name: str = API, type_: str = "A", timeout_s: float = 3.0, **how: Any) -> dns.message.Message:
        """Ask once by UDP."""
        query = dns.message.make_query(name, type_, **how)
        return await dns.asyncquery.udp(query, HOME, port=self.port, timeout=timeout_s)

    async def tcp(self, name: str = API, type_: str = "A") -> dns.message.Message:
        """Ask once by TCP."""
        return await dns.asyncquery.tcp(dns.message.make_query(name, type_), HOME, port=self.port, timeout=3)

    def send(self, wire: bytes) -> None:
        """Send what need not be a message."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(wire, (HOME, self.port))

    async def reply(self, wire: bytes) -> bytes:
        """Send it, and return what came back."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.setblocking(False)
            own.connect((HOME, self.port))
            own.send(wire)
            return await asyncio.wait_for(loop.sock_recv(own, 4096), 3)


@asynccontextmanager
async def rogue(*lies: RogueLie) -> AsyncIterator[Asked]:
    """Serve one on a free port, with a truth that knows one address."""
    clock = ManualClock()
    async with FakeDnsServer() as truth:
        truth.says(API, Record((TRUE,), ttl_s=300))
        now_s = clock.epoch_s()
        told = RogueSettings(lies or (RogueLie(lie()),), now_s, now_s + 60, 60, truth.port)
        server = RogueServer(Rogue(told, clock), Truth(truth.port))
        listening = await serve(server.answer, server.is_full, HOME, [0])
        try:
            yield Asked(server, truth, listening.ports[0])
        finally:
            listening.close()
            await asyncio.sleep(0)


def played(play: Callable[[Asked], Awaitable[None]], *lies: RogueLie) -> None:
    """Run a test in an event loop of its own."""

    async def run() -> None:
        async with rogue(*lies) as asked:
            await play(asked)

    asyncio.run(run())


def data(answer: dns.message.Message) -> dict[str, int]:
    """Each record of the answer section with its TTL."""
    return {str(one): rrset.ttl for rrset in answer.answer for one in rrset}


@pytest.mark.parametrize("kind", LIES)
def test_every_lie_of_the_table_is_told(kind: str) -> None:
    """With its code, its data and its TTL; a denial with the SOA record without which nobody would keep it."""
    row = lie(kind)
    name, type_ = row.questions[0]

    async def play(asked: Asked) -> None:
        for answer in (await asked.udp(name, type_), await asked.tcp(name, type_)):
            assert dns.rcode.to_text(answer.rcode()) == (LIES[kind].rcode or "NOERROR")
            assert data(answer) == {value: TTL_S for _, value in row.said_to(type_)}
            assert bool(answer.flags & dns.flags.AA)
            kept_s = [rrset.ttl for rrset in answer.authority if rrset.rdtype == dns.rdatatype.SOA]
            assert kept_s == ([] if data(answer) or kind == "servfail" else [TTL_S])
        assert asked.truth.asked == []

    played(play, RogueLie(row))


def test_what_no_lie_is_about_is_passed_on_as_it_is() -> None:
    """Another name, another type, another class: as the server says it that asks."""

    async def play(asked: Asked) -> None:
        asked.truth.says(OTHER, Record((TRUE,), ttl_s=300))
        for answer in (await asked.udp(OTHER), await asked.tcp(OTHER)):
            assert data(answer) == {TRUE: 300}
        for name, type_ in ((API, "AAAA"), (API, "TYPE65280"), (API, "HTTPS"), (API, "ANY"), (OTHER, "SRV")):
            assert data(await asked.udp(name, type_)) == {}
        asked.truth.knows_all()
        assert (await asked.udp("nowhere.")).rcode() == dns.rcode.NXDOMAIN
        assert asked.server.counts == {"passed_on": 8, "no_truth": 0}

    played(play, RogueLie(lie(addresses=NOWHERE[:1])))


@pytest.mark.parametrize("edns", [-1, 0])
def test_the_letters_of_a_question_and_its_edns_come_back(edns: int) -> None:
    """Resolvers that mix letters (0x20) take no answer with others; dnspython compares ID and question itself."""

    async def play(asked: Asked) -> None:
        mixed = "aPi.ShOp.svc.CLUSTER.local."
        answer = await asked.udp(mixed, use_edns=edns)
        assert answer.question[0].name.to_text() == answer.answer[0].name.to_text() == mixed
        assert answer.edns == edns

    played(play)


def test_what_does_not_fit_into_a_datagram_is_cut_and_whole_by_tcp() -> None:
    """Thirty-two addresses are 535 bytes and more."""
    many = tuple(f"192.0.2.{number}" for number in range(1, 33))

    async def play(asked: Asked) -> None:
        cut = await asked.udp(use_edns=-1)
        assert cut.flags & dns.flags.TC
        assert data(await asked.udp(use_edns=0)).keys() == set(many)
        assert data(await asked.tcp()).keys() == set(many)

    played(play, RogueLie(lie(addresses=many)))


def test_a_truth_that_is_told_late_is_kept_no_longer_than_the_lie_would_be() -> None:
    """So that it is late again soon, and not only once in the TTL of the truth."""

    async def play(asked: Asked) -> None:
        began_s = asyncio.get_running_loop().time()
        assert data(await asked.udp()) == {TRUE: TTL_S}
        assert asyncio.get_running_loop().time() - began_s >= 0.2

    played(play, RogueLie(lie(), lie_ratio=0, delay_s=0.2))


def test_health_is_said_only_while_the_truth_is_found() -> None:
    """CoreDNS passes it over otherwise, and asks where the truth is; by TCP it is told so at once."""

    async def play(asked: Asked) -> None:
        answer = await asked.udp(".", "NS")
        assert (answer.rcode(), len(answer.answer)) == (dns.rcode.NOERROR, 1)
        asked.truth.mode = "drop"
        with pytest.raises(dns.exception.Timeout):
            await asked.udp(".", "NS", timeout_s=0.3)
        with pytest.raises(EOFError):
            await asked.tcp(OTHER)

    played(play)


def test_garbage_kills_nothing() -> None:
    """Noise, answers, cut messages, other operations, two questions at once: by UDP and by TCP."""
    draws, query = random.Random(11), dns.message.make_query(API, "A").to_wire()  # noqa: S311 - garbage is no secret
    noise = [draws.randbytes(draws.randrange(0, 90)) for _ in range(300)]
    noise += [query[:length] for length in range(len(query))]
    noise += [query[:2] + bytes([query[2] | 0x80]) + query[3:]]

    async def play(asked: Asked) -> None:
        for wire in noise:
            asked.send(wire)
            assert await asked.server.answer(wire, HOME, True) in (None, b"") or len(wire) >= 12
        for wire in noise[:40]:
            reader, writer = await asyncio.open_connection(HOME, asked.port)
            writer.write(len(wire).to_bytes(2, "big") + wire if len(wire) % 2 else wire)
            writer.transport.abort()
            del reader
        assert data(await asked.udp()).keys() == {NOWHERE[0]}
        assert data(await asked.tcp()).keys() == {NOWHERE[0]}

    played(play)


def test_what_is_no_question_is_told_so() -> None:
    """With its own ID: FORMERR for what cannot be read, NOTIMP for other operations (RFC 1035 section 4.1.1)."""

    async def play(asked: Asked) -> None:
        update = dns.message.make_query(API, "A")
        update.set_opcode(dns.opcode.NOTIFY)
        answer = dns.message.from_wire(await asked.reply(update.to_wire()))
        assert (answer.id, answer.rcode(), answer.opcode()) == (update.id, dns.rcode.NOTIMP, dns.opcode.NOTIFY)
        broken = dns.message.make_query(API, "A").to_wire()[:-3]
        said = await asked.reply(broken)
        assert (said[:2], said[3] & 15) == (broken[:2], dns.rcode.FORMERR)

    played(play)


def test_it_tells_what_it_did() -> None:
    """Over DNS, so that whoever reaches it can ask; nothing is told that was not done."""

    async def play(asked: Asked) -> None:
        assert data(await asked.udp(COUNTS_NAME, "TXT")) == {'"nothing yet"': 0}
        await asked.udp()
        await asked.udp(OTHER)
        said = " ".join(data(await asked.udp(COUNTS_NAME, "TXT")))
        assert '"lied 1"' in said
        assert '"passed_on 1"' in said

    played(play)


def test_as_a_program_it_reads_its_settings_answers_and_ends(tmp_path: Path) -> None:
    """As its pod starts it and its kubelet ends it; without settings it says so in one line."""
    file, here = tmp_path / "rogue.json", "127.0.0.53"
    started = [sys.executable, "-m", "chaoslib_cp.agent", "dns-rogue", "--settings", str(file), "--address", here]
    refused = subprocess.run(started, capture_output=True, text=True, timeout=20, env=dict(os.environ))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "nothing was asked; mount the file" in refused.stderr
    file.write_text(RogueSettings((RogueLie(lie()),), 1, 2_000_000_000_0, 60, 5398).as_json())

    def answers() -> bool:
        try:
            told = dns.query.udp(dns.message.make_query(API, "A"), here, port=ROGUE_PORTS[-1], timeout=0.5)
        except (OSError, dns.exception.Timeout):
            return False
        return data(told).keys() == {NOWHERE[0]}

    with subprocess.Popen(started) as program:
        try:
            until(answers, "the rogue to answer", 10)
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(5) == 0
