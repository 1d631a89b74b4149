"""The bridge to Chaos Toolkit: one clear line for our errors, nothing swallowed, nothing hidden."""

import inspect
import logging

import pytest
from chaoslib.exceptions import ActivityFailed, InterruptExecution

from chaoslib_cp.activity import ABSENT, JsonObject, activity
from chaoslib_cp.errors import TargetRefused


@activity()
def sample(what: str, many: list[str], error: str = "", configuration: JsonObject = ABSENT) -> str:
    """An activity that fails as told."""
    failures: dict[str, BaseException] = {
        "ours": TargetRefused("context 'prod' is not marked; nothing was changed"),
        "a bug": KeyError("x"),
        "interrupted": InterruptExecution("stop"),
        "group": ExceptionGroup("2", [ValueError("v"), ExceptionGroup("1", [TargetRefused("inner; nothing")])]),
        "interrupted group": ExceptionGroup("2", [TargetRefused("inner"), InterruptExecution("stop")]),
        "exit in a group": BaseExceptionGroup("1", [SystemExit(20)]),
        "foreign group": ExceptionGroup("1", [ValueError("v")]),
    }
    if error:
        raise failures[error]
    return f"{what}{many}{configuration}"


def test_the_signature_chaos_toolkit_sees_is_the_functions_own() -> None:
    """``chaos validate`` binds arguments to it."""
    assert list(inspect.signature(sample).parameters) == ["what", "many", "error", "configuration"]
    assert inspect.isfunction(sample)
    assert sample("a", ["b"]) == "a['b']None"


def test_our_error_becomes_one_line_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The user reads the class that says what to do, and the message."""
    with caplog.at_level(logging.ERROR, logger="chaostoolkit"), pytest.raises(ActivityFailed) as caught:
        sample("a", [], error="ours")
    assert str(caught.value) == "TargetRefused: context 'prod' is not marked; nothing was changed"
    assert "sample: TargetRefused" in caplog.text


def test_of_a_group_our_error_speaks() -> None:
    """Nobody reads "2 sub-exceptions"."""
    with pytest.raises(ActivityFailed, match=r"^TargetRefused: inner; nothing$"):
        sample("a", [], error="group")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("interrupted", InterruptExecution),
        ("interrupted group", InterruptExecution),
        ("exit in a group", SystemExit),
        ("foreign group", ValueError),
        ("a bug", KeyError),
    ],
)
def test_interruptions_and_bugs_pass_through(error: str, kind: type[BaseException]) -> None:
    """A stop must reach the runner; a bug must not look like a refusal."""
    with pytest.raises(kind):
        sample("a", [], error=error)


@pytest.mark.parametrize(
    "given",
    [{"what": "${missing}", "many": []}, {"what": "a", "many": ["x", "${missing}"]}],
)
def test_a_placeholder_nobody_filled_is_refused(given: dict[str, object]) -> None:
    """Chaos Toolkit passes it on as text."""
    with pytest.raises(ActivityFailed, match="placeholder"):
        sample(**given)  # type: ignore[arg-type]


def test_placeholders_in_the_configuration_are_not_ours_to_judge() -> None:
    """A configuration may hold keys that nothing of ours reads."""
    assert sample("a", [], configuration={"other": "${x}"}).startswith("a")
