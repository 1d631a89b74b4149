"""DNS questions as bytes made beforehand, and the first bytes of answers: what a load of many thousand a second needs.

A C library sends no EDNS record (RFC 6891) of its own accord, so neither does this. Of an answer only its header is
read; every hundredth is read in full by dnspython, to know that the others can be believed.
"""

import struct
from typing import Final

import dns.exception
import dns.message
import dns.name
import dns.rdatatype

from chaoslib_cp.outcome import Outcome, of_dns_rcode

ID_BYTES: Final = 2
# Behind the ID: recursion desired; one question, no records (RFC 1035 section 4.1.1).
_HEADER: Final = struct.pack("!5H", 0x0100, 1, 0, 0, 0)
_HEADER_BYTES: Final = ID_BYTES + len(_HEADER)
_READ: Final = struct.Struct("!4H")
_IS_ANSWER: Final = 0x8000
_RCODE: Final = 0x000F
# Types A and AAAA, class IN.
TYPES: Final = (struct.pack("!2H", 1, 1), struct.pack("!2H", 28, 1))


def qname_of(name: str) -> bytes:
    """A name as it stands in a message.

    Raises:
        dns.exception.DNSException: It is none.
    """
    return _wire_of(dns.name.from_text(f"{name.rstrip('.')}."))


def below(label: str, qname: bytes) -> bytes:
    """A name as it stands in a message, with one more label of 1 to 63 letters in front of it."""
    return bytes((len(label),)) + label.encode("ascii") + qname


def question(id_: int, qname: bytes, kind: int) -> bytes:
    """One question.

    Args:
        id_: Its ID, 0 to 65535.
        qname: From :func:`qname_of` or :func:`below`.
        kind: Index into :data:`TYPES`.
    """
    return id_.to_bytes(ID_BYTES, "big") + _HEADER + qname + TYPES[kind]


def read_header(wire: bytes) -> tuple[int, Outcome] | None:
    """The ID of an answer, and its outcome as its header tells it; None for what is no answer.

    Records in the answer section count as an address: names of the cluster have few aliases, and every hundredth answer
    is read by :func:`says_what_its_header_says`.
    """
    if len(wire) < _HEADER_BYTES:
        return None
    id_, flags, _, answers = _READ.unpack_from(wire)
    return (id_, of_dns_rcode(flags & _RCODE, answers > 0)) if flags & _IS_ANSWER else None


def says_what_its_header_says(wire: bytes, qname: bytes, kind: int, outcome: Outcome) -> bool:
    """Whether an answer, read in full, is to this question, and has an address if its header says so."""
    try:
        message = dns.message.from_wire(wire, raise_on_truncation=False, ignore_trailing=True)
    except dns.exception.DNSException:
        return False
    wanted = (dns.rdatatype.A, dns.rdatatype.AAAA)[kind]
    asked = message.question
    if len(asked) != 1 or asked[0].rdtype != wanted or _wire_of(asked[0].name).lower() != qname.lower():
        return False
    return outcome != "ok" or any(one.rdtype == wanted for one in message.answer)


def _wire_of(name: dns.name.Name) -> bytes:
    return name.to_wire() or b""  # None only where it is written into a file
