"""Where a run keeps its files."""

from pathlib import Path

import pytest

from chaoslib_cp.control.folder import make_run_dir, run_name
from chaoslib_cp.errors import TargetRefused

UID = "7b5d0b4e-2f2f-4f6a-9a3e-000000000001"


def test_a_run_is_named_by_its_file_or_its_title() -> None:
    """The extension block names the run; without it the title does, fit for a file name and a label."""
    named = {"title": "T", "extensions": [{"name": "other"}, {"name": "chaoslib_cp", "run_name": "openai-2024-12-11"}]}
    assert run_name(named) == "openai-2024-12-11"
    assert run_name({"title": "Ünusual / title: with ../../ in it " + "x" * 80}).startswith("nusual-title-with-in-it-")
    assert len(run_name({"title": "x" * 200})) <= 37
    assert run_name({"title": "!!!"}) == "experiment"


def test_two_runs_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """A folder is never shared."""
    first = make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")
    second = make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")
    assert (first.name, second.name) == ("20241211T151200Z-x", "20241211T151200Z-x-2")


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    """A file in the way is named; nothing was changed."""
    (tmp_path / "runs").write_text("in the way", encoding="utf-8")
    with pytest.raises(TargetRefused, match=r"cannot make .*runs.*nothing was changed"):
        make_run_dir(tmp_path / "runs", "x", "20241211T151200Z")


@pytest.mark.parametrize("name", ["日本", "--", None, ""])
def test_a_name_of_which_nothing_is_left_does_not_name_a_run(name: object) -> None:
    """A run id that ends in a dash is no value of a label: every object would be refused."""
    blocks = [{"name": "chaoslib_cp", "run_name": name}]
    assert run_name({"title": "T", "extensions": blocks}) == "t"
    assert run_name({"title": "T", "extensions": [*blocks, {"name": "chaoslib_cp", "run_name": "x"}]}) == "x"


def test_other_extensions_and_empty_names_do_not_name_a_run() -> None:
    """Only our own block counts, and only if it says something."""
    assert run_name({"title": "T x", "extensions": None}) == "t-x"
    assert run_name({"title": "T", "extensions": [{"name": "other", "run_name": "o"}, {"name": "chaoslib_cp"}]}) == "t"
    assert run_name({}) == "experiment"
    assert run_name({"title": "a" * 36 + " b"}) == "a" * 36


def test_the_folder_of_a_run_is_absolute_wherever_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activities may change the working directory."""
    monkeypatch.chdir(tmp_path)
    assert make_run_dir(Path("runs"), "x", "1") == tmp_path / "runs" / "1-x"


def test_a_tenth_run_in_one_second_is_refused(tmp_path: Path) -> None:
    """Something starts runs in a loop."""
    names = [make_run_dir(tmp_path, "x", "1").name for _ in range(9)]
    assert names == ["1-x", *(f"1-x-{number}" for number in range(2, 10))]
    with pytest.raises(TargetRefused, match="nine runs of x"):
        make_run_dir(tmp_path, "x", "1")
