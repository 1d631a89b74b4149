"""What a rollout delivered: how many agents began, what they sent; and which of it was too little."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaoslib_cp.engine.load.account import REQUESTS
from chaoslib_cp.results.delivery import Delivery, agents_began, delivered
from tests.unit.made_timeline import EPOCH_S, Line, event, recorded, sample

FAULT = "agent_rollout-1"
FARM: Mapping[str, Any] = {"agents_wanted": 200, "agents_began": 200}
GOOD: Mapping[str, Any] = {"due": 1000, "held_back": 200, "sent": 800, "answered": 700}


def account(source: str, at_s: float, never_began: str = "", fault: str = FAULT, **counts: int) -> Line:
    """One account in the timeline."""
    whole = {"agents_began": 1, "agents_running": 1, **dict.fromkeys(REQUESTS, 0), **counts}
    more: dict[str, Any] = {"never_began": never_began} if never_began else {}
    return sample("agent_load", at_s, **{"target": source, "fault": fault, "counts": whole, **more})


def result(*lines: Line, wanted: int | None = 202, from_s: float = 0, until_s: float = 60) -> Delivery:
    """What was delivered in the first minute."""
    return delivered(recorded(*lines).samples, FAULT, wanted, EPOCH_S + from_s, EPOCH_S + until_s)


def test_sources_are_added_up_and_the_last_account_of_each_counts() -> None:
    """A farm and two nodes; accounts are running totals, those of other faults are not ours."""
    made = result(
        account("farm-a", 2, **FARM),
        account("farm-a", 10, **FARM, **GOOD, refused=100, failed_timeout=20, failed_connect=1),
        account("worker-1", 10, due=10, sent=10, answered=9, unauthorized=2),
        account("worker-2", 11, due=10, sent=10, resent=1, failed_broken=1),
        account("worker-3", 12, fault="agent_rollout-2", due=99),
    )
    assert made == Delivery(
        wanted=202, began=202, sources=3, due=1020, held_back=200, sent=820, resent=1, answered=709, refused=100,
        unauthorized=2, failed=22,
    )  # fmt: skip
    assert (made.share_began, made.asked_for, made.share_sent) == (1.0, 820, 819 / 820)
    assert made.shortfall(0.9) == ""


def test_lookups_are_counted_with_their_questions() -> None:
    """What agents that look names up tell beside what any agent tells; one whose pod was replaced counts anew."""
    made = result(
        account("worker-1", 10, due=10, sent=10, answered=10, queries=40, good=9, unwell=1),
        account("worker-1", 20, due=5, sent=5, answered=5, queries=20, good=5, unwell=0),
        account("worker-2", 20, due=4, sent=4, answered=4, queries=16, good=4, unwell=0),
        wanted=2,
    )
    assert (made.sent, made.queries, made.good, made.unwell) == (19, 76, 18, 1)


def test_only_what_was_done_between_the_two_moments_counts() -> None:
    """What a source had counted before is taken off; what it tells later is left out."""
    lines = [account("worker-1", at_s, due=int(at_s), sent=int(at_s)) for at_s in (2, 10, 20, 30)]
    assert result(*lines, from_s=5, until_s=25).due == 18


def test_an_agent_whose_pod_was_replaced_counts_from_zero_again() -> None:
    """Its requests are added, and it is still one agent on one node."""
    made = result(account("worker-1", 2, due=50, sent=50), account("worker-1", 20, due=7, sent=7), wanted=1)
    assert (made.due, made.began, made.share_began) == (57, 1, 1.0)


def test_nobody_knows_how_many_nodes_there_are() -> None:
    """Then the agents that were told of are all that are wanted."""
    assert result(account("farm-a", 2, **FARM), account("worker-1", 2), wanted=None).wanted == 201


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([event("run_started", 0)], "nobody told what the agents did"),
        (
            [account("farm-a", 5, agents_wanted=200, agents_began=10), account("a", 5), account("b", 5)],
            "only 12 of 202 agents began",
        ),
        (
            [account("farm-a", 5, "image-not-known", agents_wanted=200, agents_began=0)],
            "only 0 of 202 agents began: image not known",
        ),
        (
            [
                account("farm-a", 5, "image-not-known", agents_wanted=200, agents_began=0),
                account("farm-a", 9, agents_wanted=200, agents_began=0),
            ],
            "only 0 of 202 agents began: image not known",
        ),
        (
            [
                account("farm-a", 5, "token-429", agents_wanted=50, agents_began=20),
                account("farm-a", 9, agents_wanted=50, agents_began=50),
            ],
            "only 50 of 202 agents began",
        ),
        (
            [account("farm-a", 5, **FARM, due=1000, sent=1000, answered=500, unauthorized=480)],
            "agents could not authenticate: 96 % of their answers were 401 or 403",
        ),
        (
            [account("farm-a", 5, **FARM, due=1200, held_back=200, sent=500, resent=90)],
            "agents sent 41 % of what the profile asks for",
        ),
        ([account("farm-a", 5, **FARM)], "agents sent 0 % of what the profile asks for"),
        ([account("farm-a", 5, **FARM, due=1000, sent=500)], ""),
        ([account("farm-a", 5, **FARM, due=1000, held_back=900, sent=100, answered=100, refused=100)], ""),
    ],
)
def test_too_little_is_said_by_naming_what_was_missing(lines: list[Line], why: str) -> None:
    """A refused request was delivered, and one that the profile's own cap held back was not asked for."""
    assert result(*lines).shortfall(0.5) == why


def test_who_was_let_in_when_a_load_began_is_not_blamed_for_what_a_restarted_server_answers() -> None:
    """It answers 403 to everybody until it has read its roles."""
    told = result(account("farm-a", 5, **FARM, due=1000, sent=1000, answered=500, unauthorized=480))
    assert told.shortfall(0.5, is_let_in=True) == ""


def test_how_many_had_begun_is_known_at_any_moment() -> None:
    """Each source by itself: what it had told, what it told next, and evenly in between."""
    lines = [
        account("farm-a", 2, agents_wanted=40, agents_began=3),
        account("worker-1", 3),
        account("farm-a", 4, agents_wanted=40, agents_began=20),
        account("farm-a", 6, agents_wanted=40, agents_began=18),
        account("worker-1", 5),
    ]
    samples = recorded(*lines).samples
    moments = [0.0, 2.0, 3.5, 6.0]
    found = [agents_began(samples, FAULT, 41, EPOCH_S, EPOCH_S + at_s) for at_s in moments]
    assert [(one.least, one.likely, one.most, one.sources) for one in found] == [
        (0, 0, 4, 2),
        (3, pytest.approx(3.667, abs=0.001), 21, 2),
        (4, pytest.approx(16.75), 21, 2),
        (21, 21, 41, 2),
    ]
    assert agents_began(samples, "another", 41, EPOCH_S, EPOCH_S).sources == 0
