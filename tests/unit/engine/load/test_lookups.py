"""Lookups on virtual time: what glibc would ask for each, an open model, caps, budgets, deadlines."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from chaoslib_cp.engine.load.lookup_profile import LookupProfile, parse_lookup_profile
from chaoslib_cp.engine.load.lookups import LookupRunner
from chaoslib_cp.engine.load.search_list import SearchList
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.memory_dns import MemoryDns
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

DOMAIN = "cluster.local"
PODS = SearchList(DOMAIN, ("chaoslib-cp.svc.cluster.local", "svc.cluster.local", "cluster.local"))
API = f"api.shop.svc.{DOMAIN}"
ONE: dict[str, Any] = {"names": ("api.shop.svc",), "hot_names": 1, "duration_s": 30.0, "rate_per_s": 1.0}
Script = Callable[[str, str], str]


def profile(**changes: Any) -> LookupProfile:
    """One lookup of one name each second, unless told otherwise."""
    return LookupProfile(**{**ONE, "jitter_ratio": 0.0, "clients": 1, **changes})


def knows(*names: str) -> Script:
    """A server that has addresses for these names alone."""
    return lambda name, _kind: "ok" if name in names else "nxdomain"


def play(
    made: LookupProfile, script: Script, seconds: float = 0.0, pods: SearchList = PODS
) -> tuple[LookupRunner, MemoryDns]:
    """Play a profile to its end, or for so many seconds."""
    loop = VirtualLoop()
    server = MemoryDns(loop, script)
    runners: list[LookupRunner] = []

    async def run() -> None:
        runner = LookupRunner(made, "agent", pods, server.connect, VirtualClock(loop), loop)
        runners.append(runner)
        await runner.start()
        await (asyncio.sleep(seconds) if seconds else runner.wait_until_over())
        runner.stop()

    run_virtual(loop, run())
    return runners[0], server


def one_lookup(script: Script, pods: SearchList = PODS, **changes: Any) -> tuple[dict[str, int], list[str]]:
    """What becomes of one lookup, and the names that were asked for, each for A and AAAA."""
    made = profile(rate_per_s=0.1, duration_s=100.0, **changes)
    runner, server = play(made, script, seconds=10.0 + 60.0, pods=pods)
    first = [name for name, _ in server.asked]
    outcomes = {str(key): count for key, count in runner.totals().outcomes.items() if key != "aborted"}
    return outcomes, first[: len(first) // max(1, runner.totals().tries)]


@pytest.mark.parametrize(
    ("changes", "queries"),
    [
        ({"written": "short"}, 4),
        ({"written": "full"}, 8),
        ({"written": "absolute"}, 2),
        ({"written": "short", "names": ("sentinel.chaoslib-cp.svc",)}, 4),
        ({"written": "short", "never_asked_share": 1.0}, 6),
        ({"written": "full", "never_asked_share": 1.0}, 2),  # six dots: it is asked as it stands first
    ],
)
def test_a_lookup_costs_what_glibc_asks(changes: dict[str, Any], queries: int) -> None:
    """Source: facts of glibc 2.36 with a search list of 3 and ndots 5: 2 questions for each name on the way."""
    made = profile(**changes)
    known = {f"{name}.{DOMAIN}" for name in made.names}
    is_new = made.never_asked_share == 1.0

    def script(name: str, _kind: str) -> str:
        return "ok" if name in known or (is_new and made.written == "full" and name.endswith(API)) else "nxdomain"

    runner, server = play(made, script)
    totals = runner.totals()
    assert totals.queries_per_lookup == queries
    assert set(totals.outcomes) <= {"nxdomain" if is_new and made.written == "short" else "ok", "aborted"}
    assert all(name.endswith(f".{DOMAIN}") for name, _ in server.asked)


def test_nothing_outside_of_the_cluster_is_ever_asked_for() -> None:
    """A short name as it stands, and the machine's own domain behind it, would reach somebody's public resolver."""
    pods = SearchList(DOMAIN, (*PODS.search, "corp.example.com"))
    outcomes, asked = one_lookup(lambda *_: "nxdomain", pods)
    assert set(outcomes) == {"nxdomain"}
    assert set(asked) == {f"api.shop.{domain}" for domain in PODS.search}


@pytest.mark.parametrize(
    ("said", "outcome", "queries"),
    [
        ("servfail", "servfail", 12),  # each name of the search list twice
        ("refused", "refused", 4),
        ("closed", "refused", 4),
        ("drop", "timeout", 4),  # then the name as it stands, which is outside of the cluster
        ("nodata", "nodata", 6),
    ],
)
def test_what_is_no_address_is_asked_for_as_a_c_library_does(said: str, outcome: str, queries: int) -> None:
    """A SERVFAIL multiplies questions; a silence costs time."""
    runner, server = play(profile(rate_per_s=0.1, duration_s=60.0), lambda *_: said)
    totals = runner.totals()
    assert set(totals.outcomes) - {"aborted"} == {outcome}
    assert len(server.asked) == totals.queries
    assert round(totals.queries / totals.tries) == queries, "the last one may be cut off"
    ended = totals.tries - totals.outcomes.get("aborted", 0)
    assert totals.unwell == (0 if said == "nodata" else ended), "no address is an answer; SERVFAIL is none"
    least_s = totals.from_due[outcome].min_s  # type: ignore[index] # an outcome by construction
    assert (least_s >= 10.0) is (said == "drop"), "two attempts of 5 s each"


def test_one_family_is_enough() -> None:
    """An address of either type is one, as for glibc."""
    outcomes, asked = one_lookup(lambda name, kind: {"A": "ok"}.get(kind, "servfail") if name == API else "nxdomain")
    assert set(outcomes) == {"ok"}
    assert len(asked) == 4


def test_what_comes_due_is_asked_whatever_becomes_of_it() -> None:
    """An open model: nobody answers, and every lookup is begun all the same, up to the cap."""
    made = profile(rate_per_s=100.0, duration_s=10.0, max_in_flight=200, clients=4)
    runner, server = play(made, lambda *_: "drop")
    totals = runner.totals()
    assert totals.due == 1000
    assert totals.held_back == 800
    assert totals.sent == totals.tries == 200
    assert totals.account()["due"] - totals.account()["held_back"] == totals.account()["sent"]
    assert (server.ports, server.closed) == (4, 4)


def test_many_names_are_asked_equally_often() -> None:
    """Hot names: what is listed first, then pods that do not exist, each below the cluster's domain."""
    hot = profile(hot_names=300).hot
    assert (len(set(hot)), hot[0], hot[299]) == (300, "api.shop.svc", "198-18-1-42.chaoslib-cp.pod")
    made = profile(hot_names=40, rate_per_s=140.0, duration_s=1.0, written="absolute")
    _, server = play(made, lambda *_: "ok")
    counts = Counter(name for name, kind in server.asked if kind == "A")
    assert len(counts) == 40
    assert set(counts.values()) <= {3, 4}


def test_it_ends_by_its_budget_and_at_its_deadline() -> None:
    """Questions are bounded, and so is time, whatever else happens."""
    runner, server = play(profile(rate_per_s=10.0, max_queries=41), knows(API))
    assert len(server.asked) == 40
    assert runner.snapshot()["ended"] == "budget"
    runner, _ = play(profile(deadline_epoch_s=1_700_000_010.0), knows(API))
    assert runner.snapshot()["ended"] == "deadline"
    assert runner.totals().due == 10
    assert not runner.is_running


def test_its_account_has_questions_good_and_unwell_lookups() -> None:
    """Running totals, as an agent tells them; every hundredth answer is read in full."""
    runner, _ = play(profile(rate_per_s=20.0, duration_s=10.0), knows(API))
    account = runner.totals().account()
    assert (account["good"], account["unwell"]) == (account["answered"], 0)
    assert account["queries"] == 4 * account["sent"]
    told = runner.snapshot()["total"]
    assert told["answers"]["ok"] == told["answers"]["nxdomain"]
    assert (told["read"], told["misread"]) == (8, 0)
    assert told["latency_from_due"]["ok"]["p99_s"] < 0.01


def test_a_header_that_lies_is_noticed() -> None:
    """The answers that are read in full tell whether the others can be believed."""
    runner, server = play(profile(), knows(API), seconds=0.1)
    client = runner._clients[0]
    assert not server.asked
    client.datagram_received(b"", None)
    client.datagram_received(b"\0" * 12, None)  # a question, and nobody's
    assert runner.totals().answers == {}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"names": ["www.example.com"]}, "names holds 'www.example.com'; each is a name of the cluster"),
        ({"names": ["api.shop.svc.cluster.local"]}, "names holds"),
        ({"names": [5]}, "names holds '5'"),
        ({"names": ["a.b.svc"] * 201}, "must list at most 200"),
        ({"names": "x"}, "names must be a list"),
        ({"hot_names": 5000}, "hot_names is 5000, allowed are 1 to 2000"),
        ({"rate_per_s": 10_000}, "rate_per_s is 10000, allowed are 0.1 to 5000"),
        ({"clients": 0}, "clients is 0"),
        ({"max_queries": 0}, "max_queries is 0"),
        ({"written": "loud"}, "written must be 'short' or 'full' or 'absolute', not 'loud'"),
        ({"namespace": "A"}, "namespace must be"),
        ({"deadline_epoch_s": -1}, "deadline_epoch_s must be"),
        ({"report_to": ["name:80"]}, "report_to must list"),
        ({"more": 1}, "more is not a known key"),
        ({"schema": 2}, "schema must be 1"),
    ],
)
def test_bad_profiles_are_refused(changes: dict[str, Any], problem: str) -> None:
    """One line, and nothing was started."""
    with pytest.raises(ProfileInvalid, match=problem):
        parse_lookup_profile({"schema": 1, **changes})


def test_a_profile_goes_through_json() -> None:
    """What pods read is what was planned."""
    made = profile(fault="dns_load-1", report_to=("192.0.2.1:30953",))
    told = made.as_dict()
    assert parse_lookup_profile({**told, "names": list(told["names"]), "report_to": list(told["report_to"])}) == made
