"""The account of agents: small, complete, and nothing else is taken for one."""

import json
from typing import Any

import pytest

from chaoslib_cp.engine.load.account import AGENTS_WANTED, Account, account_of, parse_account
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.errors import ProfileInvalid

GOOD: dict[str, Any] = json.loads(account_of("agent_rollout-1", "worker-1", Totals(), 1, 1).as_json())


def test_an_account_survives_the_way_to_the_prober_in_under_1_kb() -> None:
    """A farm's, with the largest numbers and the longest names that there are."""
    counts = {AGENTS_WANTED: 1000, **dict.fromkeys(GOOD["counts"], 2**53)}
    told = Account("f" * 63, "n" * 253, counts, "image-not-known")
    assert parse_account(told.as_json()) == told
    assert len(told.as_json()) < 1000


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is not JSON"),
        (b"[" * 2000, "is not JSON"),
        (b"[]", "lacks fault, source or counts"),
        (json.dumps({**GOOD, "command": "stop"}).encode(), "has an unknown key"),
        (json.dumps({**GOOD, "counts": []}).encode(), "has other counts"),
        (json.dumps({**GOOD, "counts": {**GOOD["counts"], "more": 1}}).encode(), "has other counts"),
        (json.dumps({**GOOD, "counts": {"sent": 1}}).encode(), "has other counts"),
        *(
            (json.dumps({**GOOD, "counts": {**GOOD["counts"], "sent": wrong}}).encode(), "is no number of 0 or more")
            for wrong in (-1, "1", True, None, float("nan"), float("inf"), 10**400)
        ),
        *((json.dumps({**GOOD, "fault": wrong}).encode(), "is no name") for wrong in ("", "a b", "x" * 64, 5)),
        *((json.dumps({**GOOD, "source": wrong}).encode(), "is no name") for wrong in ("<b>", "x" * 254, None)),
        (json.dumps({**GOOD, "never_began": "a\nb"}).encode(), "is no name"),
    ],
)
def test_what_is_no_account_is_refused(body: bytes, problem: str) -> None:
    """Anybody may send something to the prober: only what an agent tells is kept."""
    with pytest.raises(ProfileInvalid, match=problem):
        parse_account(body)
