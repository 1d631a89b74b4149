"""What a rogue DNS server makes of each question: the lie or the truth, now, later or never.

The lies are those of ``lies.py``. Behind a server of our own they can be told with a probability, late, or not at all,
which no server block of CoreDNS can; and they need no gate in the Corefile, so older versions of CoreDNS do, too.

Sources: RFC 1035 (messages); RFC 2308 (negative answers need a SOA record); RFC 6891 (what fits into a datagram).
"""

import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from chaoslib_cp.clock import Clock, SteadyTime
from chaoslib_cp.engine.poison.lies import LIES, Lie
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.limits import checked

ROGUE_PORTS: Final = (5391, 5392, 5393)
"""Where it answers, the same on each. CoreDNS asks each of its upstreams once, 2 s after the one before, so a lost
answer stays lost only where several upstreams are the rogue's; it takes one address for one upstream."""
COUNTS_NAME: Final = "count.cp.invalid."
"""Name of the TXT record in which a rogue tells what it did."""
MOST_DELAY_S: Final = 30.0
_LONGEST_S: Final = 7200.0
_PAYLOAD_BYTES: Final = 1232  # what passes everywhere unfragmented (source: DNS flag day 2020)


@dataclass(frozen=True)
class RogueLie:
    """A lie, and how it is told.

    Attributes:
        lie: Which questions, and the false answer.
        lie_ratio: Share of these questions that are answered falsely, 0 to 1; the others hear the truth.
        loss_ratio: Share of them that are never answered, 0 to 1.
        delay_s: For how long each answer is held back, true or false, seconds, 0 to 30.
    """

    lie: Lie
    lie_ratio: float = 1.0
    loss_ratio: float = 0.0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what could not be told."""
        checked("lie_ratio", self.lie_ratio, 0, 1)
        checked("loss_ratio", self.loss_ratio, 0, 1)
        checked("delay_s", self.delay_s, 0, MOST_DELAY_S)
        if not (self.lie_ratio or self.loss_ratio or self.delay_s):
            raise ProfileInvalid(
                f"{self.lie.name}: with lie_ratio 0, loss_ratio 0 and delay_s 0 nothing would happen; nothing was "
                "changed; set one of them"
            )

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "RogueLie":
        """Read what ``asdict`` made of one and JSON brought."""
        lie = {**told["lie"], **{key: tuple(told["lie"][key]) for key in ("addresses", "clients")}}
        return cls(**{**told, "lie": Lie(**lie)})


@dataclass(frozen=True)
class RogueSettings:
    """What a rogue is told once, when it starts.

    Attributes:
        lies: What it tells.
        begins_at_epoch_s: When it begins, seconds since 1970.
        ends_at_epoch_s: When it ends.
        lasts_s: From its start, it tells lies for so many seconds at most, whatever the clock says.
        truth_port: The port on which whoever asks answers truthfully.
        seed: Of its probabilities.
    """

    lies: tuple[RogueLie, ...]
    begins_at_epoch_s: float
    ends_at_epoch_s: float
    lasts_s: float
    truth_port: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what could not be done."""
        if not self.lies or not self.begins_at_epoch_s < self.ends_at_epoch_s:
            raise ProfileInvalid("a rogue DNS server is told no lie, or no time for it; nothing was asked")
        checked("lasts_s", self.lasts_s, 1, _LONGEST_S)
        checked("truth_port", self.truth_port, 1, 65535, whole=True)

    def as_json(self) -> str:
        """Return it as :func:`read_rogue_settings` reads it."""
        return json.dumps(asdict(self), sort_keys=True)


def read_rogue_settings(text: str) -> RogueSettings:
    """Read the file of settings.

    Raises:
        ProfileInvalid: It is none.
    """
    try:
        told = json.loads(text)
        return RogueSettings(**{**told, "lies": tuple(RogueLie.read(one) for one in told["lies"])})
    except (ValueError, TypeError, KeyError) as error:
        raise ProfileInvalid(f"settings of a rogue DNS server: {error}; nothing was asked; correct the file") from error


@dataclass(frozen=True)
class Act:
    """What becomes of one question that a lie is about.

    Attributes:
        told: The lie, and how it is told.
        is_lost: It is not answered.
        is_false: It is answered falsely; else with the truth.
    """

    told: RogueLie
    is_lost: bool
    is_false: bool


@dataclass
class Rogue:
    """Decides what becomes of questions, until its time is over.

    Args:
        settings: What it was told.
        clock: Source of time. The clock that people set is read once, so that no step of it makes a lie last longer.
    """

    settings: RogueSettings
    clock: Clock
    _draws: random.Random = field(init=False)
    _time: SteadyTime = field(init=False)
    _ends_s: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._draws = random.Random(self.settings.seed)  # noqa: S311 - that it can be repeated is what is wanted
        self._time = SteadyTime(self.clock)
        self._ends_s = self.clock.monotonic_s() + self.settings.lasts_s

    @property
    def is_on(self) -> bool:
        """Whether it tells lies at this moment."""
        told = self.settings
        is_within = told.begins_at_epoch_s <= self._time.now_s() < told.ends_at_epoch_s
        return is_within and self.clock.monotonic_s() < self._ends_s

    def act_on(self, name: str, type_: str) -> Act | None:
        """Decide what becomes of a question; None for one that hears the truth, as if the rogue were not there.

        Args:
            name: In any letters, with the dot at its end.
            type_: Such as ``A``.
        """
        asked = name.lower()
        told = next((one for one in self.settings.lies if one.lie.is_about(asked, type_)), None)
        if told is None or not self.is_on:
            return None
        # both are drawn for every question, so that a seed brings the same one whatever the other ratio is
        lost, false = self._draws.random(), self._draws.random()
        return Act(told, lost < told.loss_ratio, false < told.lie_ratio)


def false_answer(lie: Lie, query: dns.message.Message) -> dns.message.Message:
    """The lie in answer to a question that it is about: its ID, its question with its letters, its EDNS."""
    response = dns.message.make_response(query, our_payload=_PAYLOAD_BYTES)
    response.flags |= dns.flags.AA
    response.set_rcode(dns.rcode.from_text(LIES[lie.kind].rcode or "NOERROR"))
    [question] = query.question
    for type_, data in lie.said_to(dns.rdatatype.to_text(question.rdtype)):
        rdtype = dns.rdatatype.from_text(type_)
        found = response.find_rrset(response.answer, question.name, question.rdclass, rdtype, create=True)
        found.add(dns.rdata.from_text(question.rdclass, rdtype, data), lie.ttl_s)
    if not response.answer and response.rcode() != dns.rcode.SERVFAIL:
        owner, ttl_s, class_, type_, data = lie.soa.split(" ", 4)
        response.authority.append(dns.rrset.from_text(owner, int(ttl_s), class_, type_, data))
    return response


def wire_of(response: dns.message.Message, query: dns.message.Message, is_tcp: bool) -> bytes:
    """An answer as bytes; one that does not fit into what the other side takes is cut, and says so."""
    if is_tcp:
        return response.to_wire(max_size=65_535)
    fits = query.payload if query.edns >= 0 else 512
    return response.to_wire(max_size=min(max(512, fits), _PAYLOAD_BYTES), prefer_truncation=True)


def kept_no_longer(response: dns.message.Message, ttl_s: int) -> dns.message.Message:
    """A true answer that caches keep no longer than this."""
    for rrset in (*response.answer, *response.authority, *response.additional):
        rrset.ttl = min(rrset.ttl, ttl_s)
    return response
