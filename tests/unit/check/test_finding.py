"""An error of this library as a finding: what is wrong, and what to do."""

import pytest

from chaoslib_cp.check.finding import Finding, refusal
from chaoslib_cp.errors import TargetRefused


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("a is b; nothing was changed; do c; or d", "a is b", "do c; or d"),
        ("a is b; nothing was changed by it; do c", "a is b", "do c"),
        ("a must be 1, not 2; nothing was started", "a must be 1, not 2", ""),
        ("a is unwell; wait", "a is unwell", "wait"),
        ("a is unwell", "a is unwell", ""),
    ],
)
def test_a_message_is_taken_apart_where_it_says_what_was_left(text: str, what: str, fix: str) -> None:
    """Each message of ours has that form."""
    assert refusal(TargetRefused(text), "x") == Finding("wrong", "x", what, fix)
    assert refusal(TargetRefused(text), "x", "better").fix == "better"


def test_a_long_finding_is_cut_and_its_fix_is_not() -> None:
    """Who pastes half a command breaks something."""
    line = Finding("wrong", "x", "word " * 99, "kubectl get nodes").sentence()
    assert len(line) <= 200
    assert line.endswith("word ...; do: kubectl get nodes")
