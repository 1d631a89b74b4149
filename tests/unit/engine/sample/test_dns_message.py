"""What is told of an answer by its bytes is what dnspython reads in it."""

import random
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from chaoslib_cp.engine.sample.dns_message import MismatchError, Query

NAME, ALIAS = "sentinel.test.", "alias.test."
ID = b"\x12\x34"
SOA = "ns.test. root.test. 1 2 3 4 5"


def seeded(number: int) -> random.Random:
    """The same throws each time."""
    return random.Random(number)  # noqa: S311 - throws of a test


def answer(dice: random.Random, id_: bytes = ID) -> bytes:
    """One of some thousand messages that answer one question."""
    response = dns.message.make_response(dns.message.make_query(NAME, "A", id=int.from_bytes(id_, "big")))
    response.flags |= dice.choice((0, dns.flags.AA, dns.flags.TC))
    response.set_rcode(dns.rcode.Rcode(dice.choice((0, 0, 0, 2, 3, 5))))
    if dice.random() < 0.5:
        # the codes from 16 on stand where other records have their TTL (RFC 6891 section 6.1.3)
        response.use_edns(0, payload=1232)
        response.set_rcode(dns.rcode.Rcode(dice.choice((0, 16, 23))))
    for _ in range(dice.randrange(4)):
        ttl_s = dice.choice((0, 1, 29, 30, 3600, 0x7FFFFFFF))
        kind, text = dice.choice((("A", "192.0.2.1"), ("A", "192.0.2.9"), ("CNAME", ALIAS)))
        response.answer.append(dns.rrset.from_text(dice.choice((NAME, ALIAS)), ttl_s, "IN", kind, text))
    if dice.random() < 0.3:
        response.authority.append(dns.rrset.from_text("test.", dice.randrange(300), "IN", "SOA", SOA))
    return response.to_wire()


def test_an_answer_says_the_same_whether_or_not_one_like_it_was_read_before() -> None:
    """Other IDs, TTLs, orders, codes and sections, in any order of coming: each is told as if it were the first."""
    dice, asked = seeded(5), Query(NAME, "A")
    for _ in range(1500):
        wire = answer(dice, dice.randbytes(2))
        assert asked.read(wire, wire[:2]) == Query(NAME, "A").read(wire, wire[:2])


def test_what_was_read_before_is_not_parsed_again() -> None:
    """A hundred answers whose TTL counts down cost a small part of what a hundred new ones cost."""
    dice, wires = seeded(1), []
    for ttl_s in range(100):
        response = dns.message.make_response(dns.message.make_query(NAME, "A"))
        response.answer.append(dns.rrset.from_text(NAME, ttl_s, "IN", "A", "192.0.2.1"))
        wires.append(dice.randbytes(2) + response.to_wire()[2:])
    asked, anew = Query(NAME, "A"), [Query(NAME, "A") for _ in wires]
    asked.read(wires[0], wires[0][:2])
    before_s = time.process_time()
    told = [asked.read(wire, wire[:2]) for wire in wires]
    again_s, before_s = time.process_time() - before_s, time.process_time()
    assert told == [one.read(wire, wire[:2]) for one, wire in zip(anew, wires, strict=True)]
    assert again_s < (time.process_time() - before_s) / 4


@pytest.mark.parametrize("like_it_came", [False, True])
def test_what_answers_another_question_is_never_ours(like_it_came: bool) -> None:
    """Another ID, name or type, and our own question sent back to us (RFC 5452 section 9.1)."""
    asked, good = Query(NAME, "A"), answer(seeded(3))
    if like_it_came:
        asked.read(good, ID)
    others = [dns.message.make_response(dns.message.make_query(*of, id=0x1234)) for of in ((ALIAS, "A"), (NAME, "MX"))]
    for wire in (b"\x12\x35" + good[2:], asked.wire(ID), *(other.to_wire() for other in others)):
        with pytest.raises(MismatchError):
            asked.read(wire, ID)


def test_a_ttl_with_its_first_bit_set_is_none() -> None:
    """RFC 2181 section 8: such a value counts as zero."""
    response = dns.message.make_response(dns.message.make_query(NAME, "A", id=0x1234))
    response.answer.append(dns.rrset.from_text(NAME, 0x01020304, "IN", "A", "192.0.2.1"))
    wire = response.to_wire()
    assert Query(NAME, "A").read(wire, ID)[1] == 0x01020304
    assert Query(NAME, "A").read(wire.replace(b"\x01\x02\x03\x04", b"\xff\x00\x00\x01"), ID)[1] == 0
