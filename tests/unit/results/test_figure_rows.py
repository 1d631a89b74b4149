"""The table of figures: each row has a label and a unit, and a row of others is as good as ours."""

import re
from pathlib import Path

import pytest

from chaoslib_cp import extensions
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.report.html import render_html
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figure import absent
from chaoslib_cp.results.figures import FigureRow, all_figures, compute, label_of, of_faults, problems
from tests.unit.made_timeline import incident, recorded
from tests.unit.report.test_report import the_incident

THEIRS = """
from chaoslib_cp.results.figure import seconds
from chaoslib_cp.results.figures import FigureRow, of_faults
from chaoslib_cp.vantage import ADMIN_WRITE


def slowest(recording, fault):
    return seconds(max(sample.latency_s for sample in recording.of(ADMIN_WRITE.name)))


def broken(recording, fault):
    raise KeyError("canary")


FIGURES = (
    FigureRow("slowest_write_s", "the slowest ordinary write", of_faults(slowest)),
    FigureRow("wrong_ratio", "a figure with a mistake", broken),
    FigureRow("mask_s", "a twin", broken),
    3,
)
"""


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody else with figures of its own."""
    (tmp_path / "their_figures.py").write_text(THEIRS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(extensions.VARIABLE, "their_figures")


def test_each_row_has_a_label_of_its_own() -> None:
    """Two rows with one label could not be told apart on the page."""
    labels = [row.label for row in all_figures()]
    assert len(set(labels)) == len(labels)
    assert label_of("figure_of_a_later_version_s") == "figure_of_a_later_version_s"


@pytest.mark.parametrize(
    ("name", "label", "says"),
    [
        ("wait_s", "", "figure 'wait_s' has no label; fill it in"),
        ("waiting", "how long", "figure 'waiting' says no unit; use one of by, rate, green, samples, count, s, ratio"),
    ],
)
def test_a_row_that_no_report_could_show_is_refused(name: str, label: str, says: str) -> None:
    """A number without a unit is worth nothing."""
    with pytest.raises(ProfileInvalid, match=says):
        FigureRow(name, label, of_faults(lambda _recording, _fault: absent("never")))


@pytest.mark.usefixtures("theirs")
def test_figures_of_others_come_after_ours() -> None:
    """In the summary and on the page, with their label and unit; a mistake in one costs only that one."""
    recording = recorded(*incident())
    values, reasons = compute(recording, find_faults(recording))
    assert list(values)[-2:] == ["slowest_write_s", "wrong_ratio"]
    assert (values["slowest_write_s"], values["mask_s"]) == (5.0, 19.0)
    assert values["wrong_ratio"] is None
    assert reasons["wrong_ratio"].startswith("unforeseen KeyError")
    assert "canary" not in reasons["wrong_ratio"]
    page = render_html(the_incident(), recording)
    row = r'<td class="label"[^>]*>the slowest ordinary write</td><td class="number"[^>]*>5.0 s</td>'
    assert re.search(row, page)


@pytest.mark.usefixtures("theirs")
def test_rows_that_cannot_be_relied_on_are_named() -> None:
    """Two with one name, and what is no row at all."""
    assert problems() == [
        "two figures are called 'mask_s'; give one of them another name",
        "FIGURES of an extension holds 3; use chaoslib_cp.results.figures.FigureRow",
    ]
