"""What faults say of themselves: typed, whole, and known again after JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chaoslib_cp import faults
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Delivers, Ended, Expects, FaultKind, Injected, Mitigation, NotPlayed, read

INJECTED = Injected(
    fault="scale_down-1",
    kind="scale_down",
    label="scale down",
    delivers=Delivers("replicas", wanted=3, done=3),
    expects=(Expects("web"),),
    deadline_epoch_s=12.5,
    parameters={"replicas": 0},
)
KIND_PARTS: dict[str, Any] = {"name": "scale_down", "label": "scale down", "start": "extra:start"}
MITIGATION_PARTS: dict[str, Any] = {
    "name": "scale_up",
    "label": "somebody scales up",
    "action": "extra:up",
    "against": ("scale_down",),
}


@pytest.mark.parametrize(
    "value",
    [
        INJECTED,
        replace(INJECTED, delivers=None),
        Ended(("a-1", "a-2"), "rollback", 3.0),
        NotPlayed("coupling is none", {"coupling": "none"}),
    ],
)
def test_a_result_is_known_again_after_json(value: Injected | Ended | NotPlayed) -> None:
    """Chaos Toolkit keeps results as JSON, and the control judges from that."""
    assert read(json.loads(json.dumps(value.as_dict()))) == value


@pytest.mark.parametrize("output", [None, "text", [], {}, {"deadline_epoch_s": 1.0, "undone": 3}, {"type": "other"}])
def test_no_other_result_is_taken_for_a_fault(output: object) -> None:
    """Not even one that has the same keys: activities of others return what they like."""
    assert read(output) is None


@pytest.mark.parametrize("output", [{"type": "chaoslib_cp.Injected"}, {**INJECTED.as_dict(), "more": 1}])
def test_a_result_that_says_it_is_one_and_is_not_is_refused(output: object) -> None:
    """Its fault would be judged by nobody."""
    with pytest.raises(ProfileInvalid, match=r"chaoslib_cp.Injected with wrong keys .* what it did cannot be judged"):
        read(output)


@pytest.mark.parametrize("part", ["name", "label", "start"])
def test_a_kind_of_fault_lacks_nothing(part: str) -> None:
    """A table with a gap would be noticed in the middle of a run."""
    with pytest.raises(ProfileInvalid, match=f"has no {part}; fill it in"):
        FaultKind(**{**KIND_PARTS, part: ""})


@pytest.mark.parametrize("part", ["name", "label", "action", "against"])
def test_a_mitigation_lacks_nothing(part: str) -> None:
    """As with a kind of fault."""
    with pytest.raises(ProfileInvalid, match=f"has no {part}; fill it in"):
        Mitigation(**{**MITIGATION_PARTS, part: () if part == "against" else ""})


@pytest.mark.parametrize("name", ["Big", "with-dash", "9lives", "a" * 41])
def test_the_name_of_a_kind_is_part_of_a_label(name: str) -> None:
    """Objects carry the id of their fault as a label's value."""
    with pytest.raises(ProfileInvalid, match="small letters, digits and _"):
        FaultKind(**{**KIND_PARTS, "name": name})


def test_our_own_tables_are_in_order() -> None:
    """Every mitigation is against a kind that there is, and no two kinds share a name."""
    assert faults.problems() == []
