"""One DNS question as bytes, and what its answers say; an answer that says the same again is not parsed again.

A question that is asked all day is written once; only its ID is new each time. Its answers differ by their ID and their
TTLs, which a cache counts down. dnspython costs some 400 microseconds to write and read both, so it reads what it has
not read yet, and everything else is told by comparing bytes.
"""

import functools
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from chaoslib_cp.outcome import Outcome, of_dns_rcode

_HEADER_BYTES: Final = 12
_COUNTS: Final = struct.Struct("!4H")  # of questions, then of the records of each section (RFC 1035 section 4.1.1)
_RECORD: Final = struct.Struct("!H6xH")  # type, class, TTL, length of the data (RFC 1035 section 3.2.1)
_NO_ID: Final = bytes(2)
_NO_TTL: Final = bytes(4)
# Servers shuffle the records of an answer: three records come in six orders.
_REMEMBERED_ANSWERS: Final = 24
_REMEMBERED_QUESTIONS: Final = 256


class MismatchError(Exception):
    """A message that does not answer our question: somebody else's, or noise."""


@dataclass(frozen=True)
class Said:
    """What an answer says, without its TTLs.

    Attributes:
        outcome: One word, see ``outcome.py``.
        rcode: The response code by name.
        answers: Record data of the type asked for, sorted.
        is_truncated: The server has more to say, over TCP.
    """

    outcome: Outcome
    rcode: str
    answers: tuple[str, ...]
    is_truncated: bool


@dataclass(frozen=True)
class _Ttls:
    """Where the TTLs of a message stand.

    Attributes:
        answer: In its answer section.
        all: In all sections. An OPT record has none: its field holds more of the response code (RFC 6891).
    """

    answer: tuple[int, ...] = ()
    all: tuple[int, ...] = ()

    def without(self, wire: bytes) -> bytes:
        """The message with no ID and no TTL."""
        bare = bytearray(wire)
        bare[:2] = _NO_ID
        for start in self.all:
            bare[start : start + 4] = _NO_TTL
        return bytes(bare)

    def least_s(self, wire: bytes) -> int | None:
        """The smallest TTL of the answer section; one with its first bit set counts as 0 (RFC 2181 section 8)."""
        found = (int.from_bytes(wire[start : start + 4], "big") for start in self.answer)
        return min((ttl_s if ttl_s < 1 << 31 else 0 for ttl_s in found), default=None)


@dataclass
class Query:
    """One question, and the answers to it that were read before.

    Attributes:
        qname: Name to ask for, taken as absolute (no search list), with or without the final dot.
        qtype: Record type, such as "A".
        own_entry: Ask with checking disabled (RFC 4035 section 3.2.2), which no C library does and which changes
            nothing where nobody checks: CoreDNS from 1.11.2 on caches the answer to it apart (its pull request 6354).
    """

    qname: str
    qtype: str
    own_entry: bool = False
    _message: dns.message.QueryMessage = field(init=False)
    _after_id: bytes = field(init=False)
    _read: OrderedDict[tuple[_Ttls, bytes], Said] = field(default_factory=OrderedDict, init=False)
    _layouts: dict[int, _Ttls] = field(default_factory=dict, init=False)  # the last one of messages of a length

    def __post_init__(self) -> None:
        """Write the question.

        Raises:
            dns.exception.DNSException: The name or the type is none.
        """
        self._message = dns.message.make_query(self.qname, self.qtype, id=0)
        if self.own_entry:
            self._message.flags |= dns.flags.CD
        self._after_id = self._message.to_wire()[2:]

    def wire(self, id_: bytes) -> bytes:
        """The question under an ID of two bytes."""
        return id_ + self._after_id

    def read(self, wire: bytes, id_: bytes) -> tuple[Said, int | None]:
        """What a message says in answer to the question, and its smallest TTL in seconds.

        Raises:
            MismatchError: It answers another question (RFC 5452 section 9.1).
            dns.exception.DNSException: It has our ID and is no message.
        """
        if wire[:2] != id_:
            raise MismatchError
        ttls = self._layouts.get(len(wire))
        key = (ttls, ttls.without(wire)) if ttls else None
        said = self._read.get(key) if key else None
        if said is None or ttls is None:
            said, ttls = self._read_anew(_NO_ID + wire[2:])
        return said, ttls.least_s(wire) if said.answers else None

    def _read_anew(self, wire: bytes) -> tuple[Said, _Ttls]:
        """Have dnspython read it, and remember it by its bytes without its TTLs."""
        response = dns.message.from_wire(wire, raise_on_truncation=False, ignore_trailing=True)
        if not self._message.is_response(response):
            raise MismatchError
        said, ttls = _said(response, self._message), _find_ttls(wire)
        self._layouts[len(wire)] = ttls
        self._read[ttls, ttls.without(wire)] = said
        if len(self._read) > _REMEMBERED_ANSWERS:
            self._read.popitem(last=False)
            self._layouts = {len(bare): layout for layout, bare in self._read}
        return said, ttls


@functools.lru_cache(_REMEMBERED_QUESTIONS)
def query_for(qname: str, qtype: str, own_entry: bool = False) -> Query:
    """The question for a name, the same one as long as it is asked often."""
    return Query(qname, qtype, own_entry)


def _said(response: dns.message.Message, query: dns.message.QueryMessage) -> Said:
    wanted = query.question[0].rdtype
    # CNAME chains: the records asked for may stand under another owner.
    found = [rrset for rrset in response.answer if rrset.rdtype == wanted]
    answers = tuple(sorted(rdata.to_text() for rrset in found for rdata in rrset))
    return Said(
        outcome=of_dns_rcode(response.rcode(), bool(answers)),
        rcode=dns.rcode.to_text(response.rcode()),
        answers=answers,
        is_truncated=bool(response.flags & dns.flags.TC),
    )


def _find_ttls(wire: bytes) -> _Ttls:
    """Find the TTLs of a message that dnspython has read."""
    questions, *records = _COUNTS.unpack_from(wire, 4)
    at = _HEADER_BYTES
    for _ in range(questions):
        at = _after_name(wire, at) + 4  # type and class
    sections: list[list[int]] = []
    for count in records:
        section: list[int] = []
        for _ in range(count):
            at = _after_name(wire, at)
            kind, length = _RECORD.unpack_from(wire, at)
            if kind != dns.rdatatype.OPT:
                section.append(at + 4)
            at += _RECORD.size + length
        sections.append(section)
    return _Ttls(tuple(sections[0]), tuple(start for section in sections for start in section))


def _after_name(wire: bytes, at: int) -> int:
    return at + dns.name.from_wire(wire, at)[1]
