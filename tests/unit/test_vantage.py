"""The table of vantage points: each row is whole, nobody else keeps a list, and a row of others is as good as ours."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import chaoslib_cp
from chaoslib_cp import extensions, vantage
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.vantage import AGENT_LOAD, API_READ, DNS_CACHED
from chaoslib_cp.vantage_point import VantagePoint

PACKAGE = Path(chaoslib_cp.__file__).parent
TABLE = PACKAGE / "vantage"


def literals(file: Path) -> Iterator[str]:
    """Every text in a file, but not the names of functions that a module shows to Chaos Toolkit."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    shown = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node.targets[0])
    ]
    left_out = {id(one) for value in shown for one in ast.walk(value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def test_no_name_of_a_vantage_point_stands_outside_of_the_table() -> None:
    """A second list would forget the next row."""
    names = {point.name for point in vantage.all_points()}
    found = [
        f"{file.relative_to(PACKAGE)}: {text}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if TABLE not in file.parents
        for text in literals(file)
        if text in names
    ]
    assert found == []


@pytest.mark.parametrize("point", vantage.all_points(), ids=lambda point: point.name)
def test_each_row_can_be_told(point: VantagePoint) -> None:
    """It has a label and words of its own, and what breaks in a story has both halves."""
    others = [one for one in vantage.all_points() if one is not point]
    for words in (point.name, point.label, point.fails, point.works):
        assert words.strip() == words != ""
    assert point.label not in {one.label for one in others}
    assert not {point.fails, point.works} & {words for one in others for words in (one.fails, one.works)}


def test_every_probe_that_a_row_names_is_there() -> None:
    """A probe that was renamed would answer by nothing."""
    for point in vantage.all_points():
        module, _, function = point.probe.partition(":")
        if module:
            file = PACKAGE.parent / f"{module.replace('.', '/')}.py"
            assert f"def {function}(" in file.read_text(encoding="utf-8"), point.name


def test_an_account_is_no_check() -> None:
    """Samples that carry counts break nothing and keep nothing green."""
    assert not AGENT_LOAD.is_check
    with pytest.raises(ProfileInvalid, match="what is no check breaks nothing"):
        replace(AGENT_LOAD, in_story=True)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": ""}, "it needs a name"),
        ({"fails": ""}, "words for fails and works"),
        ({"asked_by": "nobody"}, "asked_by is 'nobody', use one of observer, prober, injector"),
        ({"identity": "runner"}, "identity is 'runner', use one of observer, admin, break-glass"),
        ({"request": None}, "it needs a request where the observer asks"),
        ({"period_s": 0.1}, "use 0.2 to 60"),
        ({"deadline_s": 61.0}, "use 0.2 to 60"),
        ({"good_in_a_row": 0}, "must be 1 or more"),
    ],
)
def test_a_row_that_cannot_be_sampled_or_told_is_refused(changes: dict[str, object], says: str) -> None:
    """In one line with its name, where it is made."""
    with pytest.raises(ProfileInvalid, match=says) as raised:
        replace(API_READ, **changes)  # type: ignore[arg-type]  # wrong on purpose
    assert "correct its row" in str(raised.value)


def test_who_is_asked_by_the_prober_has_no_identity() -> None:
    """A row says one way of asking."""
    with pytest.raises(ProfileInvalid, match="identity is 'admin'"):
        replace(DNS_CACHED, identity="admin")
    with pytest.raises(ProfileInvalid, match="none elsewhere"):
        replace(DNS_CACHED, request=API_READ.request)


def test_a_name_that_nobody_samples_is_refused() -> None:
    """The line lists the names there are."""
    assert vantage.named("api_read") is API_READ
    with pytest.raises(ProfileInvalid, match="no vantage point 'api_reads'; nothing was asked; use one of api_livez, "):
        vantage.named("api_reads")


def test_a_limit_makes_a_slow_answer_a_bad_one() -> None:
    """Without a limit only the answer counts."""
    assert API_READ.is_good(ok=True, latency_s=30.0)
    limited = replace(API_READ, limit_s=5.0)
    assert limited.is_good(ok=True, latency_s=5.0)
    assert not limited.is_good(ok=True, latency_s=5.1)
    assert not limited.is_good(ok=False, latency_s=0.1)


def test_rows_of_others_come_after_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One module with one row, and every reader of the table has it; a twin of ours is named and replaces nothing."""
    monkeypatch.syspath_prepend(tmp_path)
    rows = "from dataclasses import replace\nfrom chaoslib_cp.vantage import API_READ\n"
    rows += "VANTAGE_POINTS = (replace(API_READ, name='lease_read', label='leases'), replace(API_READ, label='x'), 7)\n"
    (tmp_path / "their_vantage_points.py").write_text(rows, encoding="utf-8")
    monkeypatch.setenv(extensions.VARIABLE, "their_vantage_points")
    assert vantage.all_points()[-1].name == "lease_read"
    assert vantage.named("api_read") is API_READ
    assert vantage.problems() == [
        "two vantage points are called 'api_read'; give one of them another name",
        "VANTAGE_POINTS of an extension holds a int; use chaoslib_cp.vantage_point.VantagePoint",
    ]
