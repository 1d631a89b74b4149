"""Whether the API comes back after a load, from the timeline of a run."""

from pathlib import Path

import pytest

from chaoslib_cp.apiserver.comeback import Patience, api_comes_back
from chaoslib_cp.fault import ROLLBACK
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline
from chaoslib_cp.settings import Settings
from tests.scaffold.clocks import ManualClock
from tests.unit.made_timeline import EPOCH_S, Line, ended, series
from tests.unit.results.test_restarts import livez, load

DOWN = {(10.0, 95.0): "refused"}


@pytest.mark.parametrize(
    ("now_s", "within_s", "state", "ok"),
    [
        (5, 20, "on", True),
        (50, 20, "on", True),
        (70, 20, "may be away", True),
        (87, 20, "may be away", True),  # nothing that began when it was due has ended yet
        (94, 20, "due", False),
        (140, 20, "due", True),
        (140, 60, "due", True),
    ],
)
def test_it_may_be_away_until_it_is_due(tmp_path: Path, now_s: float, within_s: float, state: str, ok: bool) -> None:
    """The load ends at 60 s, and the server is back at 95 s."""
    told = judged(tmp_path, now_s, [load(1, 60), *livez(now_s, DOWN), *series("api_read", now_s)], within_s)
    assert (told["state"], told["ok"]) == (state, ok), told


def test_what_is_not_back_is_named(tmp_path: Path) -> None:
    """Each server by itself."""
    lines = [load(1, 60), *livez(120), *livez(120, {(10, 120): "refused"}, "192.0.2.2:6443"), *series("api_read", 120)]
    told = judged(tmp_path, 120, lines)
    assert (told["not_back"], told["ok_ratio"], told["ended_ago_s"]) == (["api_server_livez 192.0.2.2:6443"], 0.0, 60.0)


def test_another_load_may_go_on(tmp_path: Path) -> None:
    """The end of the one that is named counts, or of the one that ended last."""
    lines = [load(1, 500), load(2, 60), *livez(120, {(10, 120): "refused"}), *series("api_read", 120)]
    for name, ok in (("api_overload-2", False), ("", False), ("api_overload-1", True)):
        assert judged(tmp_path, 120, lines, name=name)["ok"] is ok, name


def test_a_load_that_was_ended_counts_from_then_on(tmp_path: Path) -> None:
    """By its stop action, before its own deadline."""
    lines = [load(1, 500), ended(ROLLBACK, 30, "api_overload-1"), *livez(80, DOWN), *series("api_read", 80)]
    assert judged(tmp_path, 80, lines)["state"] == "due"


def test_before_any_load_it_must_answer(tmp_path: Path) -> None:
    """The baseline; and what nobody measured is no good news."""
    assert judged(tmp_path, 5, [*livez(5), *series("api_read", 5)]) == {
        "ok": True, "state": "no load", "ended_ago_s": None, "not_back": [], "ok_ratio": 1.0,
    }  # fmt: skip
    assert judged(tmp_path, 5, [*livez(5)])["not_back"] == ["api_read"]
    assert api_comes_back(Settings(), Patience(0, "", 15, 0.7), ManualClock())["state"] == "not measured"


def judged(folder: Path, now_s: float, lines: list[Line], within_s: float = 20, name: str = "") -> dict[str, object]:
    """What the probe says at that moment of that timeline."""
    (folder / TIMELINE_FILE).unlink(missing_ok=True)
    timeline = Timeline(folder / TIMELINE_FILE)
    for line in lines:
        timeline.append(line)
    timeline.close()
    clock = ManualClock(epoch_s=EPOCH_S + now_s)
    return api_comes_back(Settings(run_dir=folder), Patience(within_s, name, 15, 0.7), clock)
