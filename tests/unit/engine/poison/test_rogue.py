"""A rogue DNS server behind a real CoreDNS: lies, late answers, lost ones, lies with a probability, and its death."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import dns.message
import dns.query
import pytest

from chaoslib_cp.engine.poison.arming import BACKEND_PORT, TRUTH_PORT, Poison, armed
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.revision import REVISION_NAME
from chaoslib_cp.engine.poison.rogue import Rogue, RogueLie, RogueSettings, read_rogue_settings
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.clocks import ManualClock
from tests.scaffold.corefiles import NAMES as NAMES_OF_COREFILES
from tests.scaffold.corefiles import TRUTH, corefile, stock
from tests.scaffold.rogue import ServedRogue, rogue_at
from tests.scaffold.waiting import until

FORGED, TTL_S, LASTS_S, DELAY_S = "192.0.2.66", 40, 100.0, 0.7
NAMES = ("false", "slow", "late", "lost", "half", "dead", "stuck", "lossy")
MANY = 96


def name_of(what: str) -> str:
    """The name of one way to tell a lie."""
    return f"{what}.shop.svc.cluster.local."


def told(what: str, **how: Any) -> RogueLie:
    """A wrong address for that name."""
    return RogueLie(Lie("wrong-address", name_of(what), TTL_S, (FORGED,)), **how)


LIES = (
    told("false"),
    told("slow", delay_s=DELAY_S),
    told("late", delay_s=2.5),
    told("lost", loss_ratio=1.0),
    told("half", lie_ratio=0.5),
    told("dead"),
    told("stuck"),
    told("lossy", loss_ratio=0.5),
)


def settings(truth_port: int, clock: ManualClock, **changed: Any) -> RogueSettings:
    """All of them from now on."""
    usual: dict[str, Any] = {"lies": LIES, "begins_at_epoch_s": clock.epoch_s(), "lasts_s": 1000.0, "seed": 7}
    return RogueSettings(**{**usual, "ends_at_epoch_s": clock.epoch_s() + LASTS_S, "truth_port": truth_port, **changed})


Said = tuple[dict[str, int], float]
"""Addresses with their TTL, or the code of a failure; and the seconds that it took."""


@dataclass(frozen=True)
class Chain:
    """CoreDNS, armed, and its rogues: one that lives, one that dies, and one that hears all and says nothing."""

    front: int
    backend: int
    truth: int
    rogue: ServedRogue
    dying: ServedRogue
    clock: ManualClock

    def ask(self, what: str, port: int = 0, by: Callable[..., dns.message.Message] = dns.query.udp) -> Said:
        """Ask for the address of that name; the front is asked where no port is named."""
        query = dns.message.make_query(name_of(what), "A")
        began_s = time.monotonic()
        code, records = coredns.said(by(query, coredns.ADDRESS, port=port or self.front, timeout=9))
        return records if code == "NOERROR" else {code: 0}, time.monotonic() - began_s


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """One CoreDNS for all of them, armed for its rogues on ports of its own."""
    front, backend, truth = (coredns.free_port() for _ in range(3))
    clock = ManualClock()
    path = tmp_path_factory.mktemp("rogue") / "Corefile"
    everybody = " ".join(map(name_of, NAMES))
    text = stock(front).replace("api.shop.svc.cluster.local ", f"api.shop.svc.cluster.local {everybody} ")
    with ExitStack() as stack:
        rogue = stack.enter_context(rogue_at(settings(truth, clock), clock))
        dying = stack.enter_context(rogue_at(settings(truth, clock), clock))
        stuck = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
        for one in stuck:
            one.bind((coredns.ADDRESS, 0))
        poison = Poison(tuple(one.lie for one in LIES), 1, 2_000_000_000, "r-1", rogue=rogue.upstreams)
        made = armed(text, poison, "cluster.local", front)
        made = made.replace(f":{BACKEND_PORT}", f":{backend}").replace(f":{TRUTH_PORT}", f":{truth}")
        alone = tuple(f"{coredns.ADDRESS}:{one.getsockname()[1]}" for one in stuck)
        for what, others in (("dead", dying.upstreams), ("stuck", alone)):
            for block in [one for one in parse_corefile(made).blocks if one.zones[0][0] == name_of(what)]:
                mine = parse_corefile(made).source(block)
                made = made.replace(mine, mine.replace(" ".join(rogue.upstreams), " ".join(others)))
        path.write_text(made)
        with coredns.running(path):
            until(lambda: answers(front), "the armed Corefile")
            yield Chain(front, backend, truth, rogue, dying, clock)


def answers(port: int) -> bool:
    """Whether it says its revision."""
    return bool(coredns.said(coredns.ask(REVISION_NAME, "TXT", port))[1])


@pytest.mark.programs
def test_a_rogue_lies_late_loses_and_is_passed_over_when_it_is_dead(chain: Chain) -> None:
    """All ways at the same time: what takes longest is CoreDNS itself, which asks three times, 2 s each."""
    chain.dying.die()
    asked: dict[str, Callable[[], Said]] = {
        **{what: partial(chain.ask, what) for what in NAMES},
        "past the cache": partial(chain.ask, "false", chain.backend),
        "the truth": partial(chain.ask, "false", chain.truth),
        "another name": partial(chain.ask, "other"),
        "by TCP": partial(chain.ask, "false", chain.backend, by=dns.query.tcp),
        **{f"lossy {number}": partial(chain.ask, "lossy", chain.backend) for number in range(MANY)},
    }
    with ThreadPoolExecutor(len(asked)) as pool:
        said = dict(zip(asked, pool.map(lambda one: one(), asked.values()), strict=True))
    lossy = [said.pop(f"lossy {number}") for number in range(MANY)] + [said.pop("lossy")]
    assert {what: one[0] for what, one in said.items() if what not in ("late", "lost", "stuck")} == {
        "false": {FORGED: TTL_S},
        "slow": {FORGED: TTL_S},
        "half": said["half"][0],
        "dead": {TRUTH: 30},
        "past the cache": {FORGED: TTL_S},
        "the truth": {TRUTH: 30},
        "another name": {TRUTH: 30},
        "by TCP": {FORGED: TTL_S},
    }
    assert DELAY_S <= said["slow"][1] < DELAY_S + 1
    for what in ("late", "lost", "stuck"):  # a rogue that answers none is known for dead only after that
        assert (said[what][0], 5 < said[what][1] < 8) == ({"SERVFAIL": 0}, True), what
    # three tries, each of which is lost with a probability of one half
    assert 0.2 < sum(took_s > 1.9 for _, took_s in lossy) / len(lossy) < 0.8
    assert 0 < sum("SERVFAIL" in found for found, _ in lossy) / len(lossy) < 0.35
    until(lambda: chain.ask("stuck")[0] == {TRUTH: 30}, "a rogue that is silent to be passed over", 8)
    assert chain.ask("lost", chain.truth)[0] == {TRUTH: 30}
    assert chain.rogue.server.counts["lost"] >= 3


@pytest.mark.programs
def test_a_probability_is_one_of_each_question(chain: Chain) -> None:
    """Past the cache, where each is asked for anew."""
    heard = {one for _ in range(24) for one in chain.ask("half", chain.backend)[0]}
    assert heard == {FORGED, TRUTH}


@pytest.mark.programs
def test_a_lie_stays_in_the_cache_when_the_rogue_tells_the_truth_again(chain: Chain) -> None:
    """Its end needs no reload, no API, and nobody who is there."""
    assert FORGED in chain.ask("false")[0]
    chain.clock.pass_s(LASTS_S)
    assert chain.ask("false", chain.backend)[0] == {TRUTH: 30}
    assert chain.ask("lost", chain.backend)[0] == {TRUTH: 30}
    [(kept, left_s)] = chain.ask("false")[0].items()
    assert (kept, 0 < left_s <= TTL_S) == (FORGED, True)


def test_the_names_get_a_front_of_their_own_and_all_others_keep_theirs() -> None:
    """Each front keeps its cache; nothing but these names is ever asked of the rogue."""
    lies = (LIES[0].lie, Lie("srv", f"_pg._tcp.{name_of('false')}", TTL_S, target=name_of("slow"), port=1))
    text = stock(53).replace("    errors", "    errors\n    log")
    read = parse_corefile(armed(text, Poison(lies, 1, 2, "r-1", rogue=("[2001:db8::1]:5391",)), "cluster.local"))
    assert [block.zones for block in read.blocks] == [
        ((".", 53),),
        ((".", TRUTH_PORT),),
        (("other.example.", 53),),
        ((REVISION_NAME, 53),),
        *(((lie.name, port),) for lie in lies for port in (53, BACKEND_PORT)),
    ]
    plugins = [[one.name for one in block.directives] for block in read.blocks[-2:]]
    assert plugins == [["bind", "errors", "log", "loadbalance", "cache", "forward"], ["bind", "errors", "forward"]]
    asked = [one for block in read.blocks for one in block.directives if one.name == "forward"]
    assert asked[0].arguments == (".", f"127.0.0.1:{TRUTH_PORT}")
    assert {one.arguments for one in asked[1:]} == {(".", "[2001:db8::1]:5391", f"127.0.0.1:{TRUTH_PORT}")}


@pytest.mark.parametrize("name", NAMES_OF_COREFILES)
def test_what_can_be_armed_can_be_armed_for_a_rogue(name: str) -> None:
    """Corefiles of distributions: what stands against a cache in front stands against a rogue, for the same reason."""
    made: list[str] = []
    for rogue in ((), ("192.0.2.1:5391",)):
        try:
            parse_corefile(armed(corefile(name), Poison((LIES[0].lie,), 1, 2, "r-1", rogue=rogue), "cluster.local"))
            made.append("armed")
        except ProfileInvalid as error:
            made.append(str(error))
    assert made[0] == made[1]


def a_rogue(clock: ManualClock, **changed: Any) -> Rogue:
    """One that is not served."""
    return Rogue(settings(5398, clock, **changed), clock)


def test_a_seed_brings_the_same_lies_again() -> None:
    """Whoever repeats a run repeats its probabilities; and their shares are those that were asked for."""
    how = {"lies": (told("half", lie_ratio=0.3, loss_ratio=0.2),)}
    made = [a_rogue(ManualClock(), **how, seed=seed) for seed in (7, 7, 8)]
    acts = [[rogue.act_on(name_of("half"), "A") for _ in range(4000)] for rogue in made]
    assert acts[0] == acts[1] != acts[2]
    assert sum(act is not None and act.is_false for act in acts[0]) / 4000 == pytest.approx(0.3, abs=0.03)
    assert sum(act is not None and act.is_lost for act in acts[0]) / 4000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("passes_s", "steps_s", "is_on"),
    [(0, 0, False), (10, 0, True), (59, 0, True), (60, 0, False), (59, -3600, True), (61, -3600, False)],
    ids=["before", "begins", "lasts", "ends", "clock put back", "clock put back, over"],
)
def test_it_is_on_between_two_moments_whatever_becomes_of_the_clock(
    passes_s: float, steps_s: float, is_on: bool
) -> None:
    """A clock that is put back by an hour makes no lie last longer."""
    clock = SteppedClock()
    begins_s = clock.epoch_s() + 10
    rogue = a_rogue(clock, begins_at_epoch_s=begins_s, ends_at_epoch_s=begins_s + 50, lasts_s=80)
    clock.pass_s(passes_s)
    clock.stepped_s = steps_s
    assert (rogue.is_on, rogue.act_on(name_of("false"), "A") is not None) == (is_on, is_on)


def test_a_clock_that_is_behind_when_it_starts_is_bounded_too() -> None:
    """It begins late, and lasts no longer than it was given."""
    clock = ManualClock()
    rogue = a_rogue(clock, ends_at_epoch_s=clock.epoch_s() + 7200, lasts_s=80)
    assert rogue.is_on
    clock.pass_s(80)
    assert not rogue.is_on


class SteppedClock(ManualClock):
    """One whose epoch somebody sets."""

    stepped_s = 0.0

    def epoch_s(self) -> float:
        """Seconds since 1970."""
        return super().epoch_s() + self.stepped_s


def test_settings_come_through_json_as_they_are() -> None:
    """From a ConfigMap into the pod."""
    sent = settings(5398, ManualClock())
    assert read_rogue_settings(sent.as_json()) == sent


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lies": 1}', '{"lies": [{"lie": {}}]}', '{"lies": [], "x": 1}'])
def test_settings_that_are_none_are_refused(text: str) -> None:
    """In one line."""
    with pytest.raises(ProfileInvalid, match="nothing was asked"):
        read_rogue_settings(text)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"lie_ratio": 1.1}, "lie_ratio is 1.1; nothing was changed; use a number from 0 to 1"),
        ({"loss_ratio": -0.1}, "loss_ratio is -0.1"),
        ({"delay_s": 31}, "delay_s is 31; nothing was changed; use a number from 0 to 30"),
        ({"lie_ratio": 0}, "nothing would happen"),
    ],
)
def test_what_cannot_be_told_is_refused(how: dict[str, float], words: str) -> None:
    """With what can."""
    with pytest.raises(ProfileInvalid, match=words):
        told("false", **how)
