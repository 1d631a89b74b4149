"""The rogue DNS server: cluster DNS asks it about a few names, and it answers falsely, late, or not at all.

Everything else it passes on to whoever asked, on the port where that server tells the truth: no address of a DNS server
has to be known, and one that was replaced is found, too. It tells lies between two moments only, and is told when it
starts; a container that was started again is not, so whoever starts it lets it run once.

It answers what CoreDNS asks for its health only while it can find the truth, so that it is passed over when it cannot.
"""

import argparse
import asyncio
import functools
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from chaoslib_cp.agent.dns_listening import Listening, serve
from chaoslib_cp.agent.dns_truth import Truth
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.engine.poison.lies import MASTER, Lie
from chaoslib_cp.engine.poison.rogue import (
    COUNTS_NAME,
    ROGUE_PORTS,
    Act,
    Rogue,
    false_answer,
    kept_no_longer,
    read_rogue_settings,
    wire_of,
)
from chaoslib_cp.errors import ProfileInvalid

_HEADER_BYTES: Final = 12
_IS_ANSWER: Final = 0x80  # of the third byte (RFC 1035 section 4.1.1)
_HANG_UP: Final = b""
_REMEMBERED: Final = 512


@functools.lru_cache(_REMEMBERED)
def _query(after_id: bytes) -> dns.message.Message:
    """A question with the ID 0: reading it costs as much as all else, and the same few are asked again and again.

    Raises:
        dns.exception.DNSException, ValueError: It is no message.
    """
    return dns.message.from_wire(bytes(2) + after_id, ignore_trailing=True)


@functools.lru_cache(_REMEMBERED)
def _false_answer(lie: Lie, after_id: bytes, is_tcp: bool) -> bytes:
    """The false answer to a question with the ID 0."""
    query = _query(after_id)
    return wire_of(false_answer(lie, query), query, is_tcp)


@dataclass
class RogueServer:
    """Answers questions.

    Args:
        rogue: What becomes of each.
        truth: Where the truth is found.

    Attributes:
        counts: What it did, by name: ``lied``, ``lost``, ``held_back``, ``told_truth`` (of questions that a lie is
            about), ``passed_on``, ``no_truth``, ``malformed`` and ``too_many``.
    """

    rogue: Rogue
    truth: Truth
    counts: Counter[str] = field(default_factory=Counter)

    async def answer(self, wire: bytes, asker: str, is_tcp: bool) -> bytes | None:
        """What is sent in answer to a message; never raises for what somebody sent.

        Args:
            wire: The message.
            asker: Address of whoever sent it.
            is_tcp: How it came.

        Returns:
            None for no answer; empty where there will be none, so that a connection is closed and the other side need
            not wait.
        """
        query = self._read(wire)
        if isinstance(query, bytes) or query is None:
            return query
        said = await self._answer(wire, query, asker, is_tcp)
        return wire[:2] + said[2:] if said else said

    def is_full(self) -> None:
        """Count a message that was dropped, for there were too many at once."""
        self.counts["too_many"] += 1

    async def _answer(self, wire: bytes, query: dns.message.Message, asker: str, is_tcp: bool) -> bytes | None:
        """The answer under whatever ID."""
        [question] = query.question
        name, type_ = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        if (name, type_) == (".", "NS"):
            return await self._health(query, asker, is_tcp)
        if (name.lower(), type_) == (COUNTS_NAME, "TXT"):
            return self._counted(query, is_tcp)
        act = self.rogue.act_on(name, type_)
        if act is None:
            self.counts["passed_on"] += 1
            return await self._true_answer(wire, asker, is_tcp)
        return await self._do(act, wire, query, asker, is_tcp)

    async def _do(self, act: Act, wire: bytes, query: dns.message.Message, asker: str, is_tcp: bool) -> bytes | None:
        if act.is_lost:
            self.counts["lost"] += 1
            return None
        if act.told.delay_s:
            self.counts["held_back"] += 1
            await asyncio.sleep(act.told.delay_s)
        if act.is_false:
            self.counts["lied"] += 1
            return _false_answer(act.told.lie, wire[2:], is_tcp)
        self.counts["told_truth"] += 1
        true = await self._true_answer(wire, asker, is_tcp)
        try:
            return wire_of(kept_no_longer(dns.message.from_wire(true), act.told.lie.ttl_s), query, is_tcp)
        except dns.exception.DNSException:  # nothing, or cut: the other side asks again by TCP
            return true

    def _read(self, wire: bytes) -> dns.message.Message | bytes | None:
        """The question of a message; or what is said to a message that asks none, which is nothing for noise."""
        try:
            query = _query(wire[2:])
            if len(query.question) == 1 and query.opcode() == dns.opcode.QUERY and not wire[2] & _IS_ANSWER:
                return query
            code = dns.rcode.NOTIMP if query.opcode() != dns.opcode.QUERY else dns.rcode.FORMERR
        except (dns.exception.DNSException, ValueError):
            code = dns.rcode.FORMERR
        self.counts["malformed"] += 1
        if len(wire) < _HEADER_BYTES or wire[2] & _IS_ANSWER:
            return None
        return wire[:2] + bytes([wire[2] & 0x79 | _IS_ANSWER, code]) + bytes(8)

    async def _true_answer(self, wire: bytes, asker: str, is_tcp: bool) -> bytes:
        said = await self.truth.ask(wire, asker, is_tcp)
        self.counts["no_truth"] += said is None
        return said or _HANG_UP

    async def _health(self, query: dns.message.Message, asker: str, is_tcp: bool) -> bytes | None:
        lie = self.rogue.settings.lies[0].lie
        [(name, type_), *_] = lie.questions
        if await self.truth.ask(dns.message.make_query(name, type_).to_wire(), asker, is_tcp) is None:
            return _HANG_UP
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(".", 0, "IN", "NS", MASTER))
        return wire_of(response, query, is_tcp)

    def _counted(self, query: dns.message.Message, is_tcp: bool) -> bytes:
        response = dns.message.make_response(query)
        said = " ".join(f'"{name} {count}"' for name, count in sorted(self.counts.items()))
        response.answer.append(dns.rrset.from_text(query.question[0].name, 0, "IN", "TXT", said or '"nothing yet"'))
        return wire_of(response, query, is_tcp)


def main(arguments: list[str]) -> int:
    """Run the server until SIGTERM.

    Raises:
        ProfileInvalid: The settings cannot be read, or a port is taken. Nothing was answered.
    """
    parser = argparse.ArgumentParser(prog="python -m chaoslib_cp.agent dns-rogue", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file with the lies")
    parser.add_argument("--address", default="", help="where to listen; every address by default")
    given = parser.parse_args(arguments)
    try:
        settings = read_rogue_settings(given.settings.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileInvalid(f"settings {given.settings}: {error}; nothing was asked; mount the file") from error
    server = RogueServer(Rogue(settings, SystemClock()), Truth(settings.truth_port))
    asyncio.run(_run(lambda: serve(server.answer, server.is_full, given.address, ROGUE_PORTS)))
    return 0


async def _run(listening: Callable[[], Awaitable[Listening]]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        here = await listening()
    except OSError as error:
        raise ProfileInvalid(f"cannot listen on {ROGUE_PORTS}: {error}; nothing was answered; free them") from error
    await stop.wait()
    here.close()
