"""Modules of others add to our tables; one that cannot be imported is named and stops nobody's recovery."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaoslib_cp import extensions, faults

FAULT = "from chaoslib_cp.fault import FaultKind\nFAULTS = (FaultKind({arguments}),)\n"
Written = Callable[[str, str], None]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Writes an extension and names it in the environment."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setenv(extensions.VARIABLE, name)

    return write


def test_a_module_that_is_named_adds_its_rows(written: Written) -> None:
    """One file, and every reader of the table has it."""
    written("extra_rows", FAULT.format(arguments='"melt", "melting", "extra_rows:start"'))
    assert "melt" in [kind.name for kind in faults.fault_kinds()]
    assert faults.problems() == []
    assert extensions.rows("NO_SUCH_TABLE") == ()


def test_without_a_name_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and empty names count as none."""
    monkeypatch.setenv(extensions.VARIABLE, " , ")
    assert extensions.names() == ()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("needs_more", "import not_installed_anywhere", "there is no module not_installed_anywhere"),
        ("raises", "raise ValueError('canary')", "unforeseen ValueError"),
        (
            "short",
            "from chaoslib_cp.vantage_point import VantagePoint\nVantagePoint('n')",
            "VantagePoint has no 'label', 'asked_by'",
        ),
        ("lacks", FAULT.format(arguments='"melt", label="melting"'), "FaultKind 'melt' has no start; fill it in"),
    ],
)
def test_one_that_cannot_be_imported_is_named(written: Written, name: str, text: str, words: str) -> None:
    """In one line that says what to do, and without the words of a foreign error, which may hold a secret."""
    written(name, text)
    [problem] = faults.problems()
    assert problem.startswith(f"extension {name} cannot be imported: ")
    assert words in problem
    assert "canary" not in problem
    assert extensions.rows("FAULTS") == ()


def test_rows_that_nobody_could_tell_apart_are_named(written: Written) -> None:
    """An id would lead to either."""
    written("twin", FAULT.format(arguments='"agent_rollout", "mine", "twin:start"'))
    assert faults.problems() == ["two kinds of fault are called 'agent_rollout'; give one of them another name"]


def test_a_mitigation_against_nothing_is_named(written: Written) -> None:
    """It would be tested against no fault."""
    line = "from chaoslib_cp.fault import Mitigation\nMITIGATIONS = (Mitigation('m', 'mine', 'x:y', ('nothing',)),)\n"
    written("pointless", line)
    [problem] = faults.problems()
    assert "mitigation 'm' is against 'nothing', which is no kind of fault" in problem
