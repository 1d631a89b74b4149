"""The timeline file: whole lines, whatever happens."""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.observe.plan import PLAN_FILE, ObservePlan
from chaoslib_cp.observe.recent import recent_samples
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline, read_timeline
from tests.scaffold.clocks import ManualClock

NOW_S = 1_800_000_000.0


def write(path: Path, *records: dict[str, object]) -> None:
    """Append records."""
    timeline = Timeline(path)
    for record in records:
        timeline.append(record)
    timeline.close()


def sample(ago_s: float, vantage: str = "dns_cached", **more: object) -> dict[str, object]:
    """A sample that began ``ago_s`` before now."""
    return {"kind": "sample", "at_s": NOW_S - ago_s, "vantage": vantage, "ok": True, "latency_s": 0.01, **more}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Lines come back in file order, from several writers one after the other."""
    path = tmp_path / TIMELINE_FILE
    write(path, sample(2), sample(1))
    write(path, {"kind": "event", "at_s": NOW_S, "event": "run_ended"})
    assert [line["at_s"] for line in read_timeline(path)] == [NOW_S - 2, NOW_S - 1, NOW_S]


def test_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Nothing is held back in a buffer: a reader sees a line while the writer still runs."""
    timeline = Timeline(tmp_path / TIMELINE_FILE)
    timeline.append(sample(0))
    assert len(read_timeline(tmp_path / TIMELINE_FILE)) == 1
    timeline.close()


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """A writer killed in mid-line costs that line only."""
    path = tmp_path / TIMELINE_FILE
    write(path, sample(2), sample(1))
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read_timeline(path)) == 1


def test_torn_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    """A writer that comes after a killed one starts a line of its own."""
    path = tmp_path / TIMELINE_FILE
    path.write_bytes(b'{"kind":"sam')
    write(path, sample(1))
    assert [line["at_s"] for line in read_timeline(path)] == [NOW_S - 1]


def test_two_processes_never_mix_their_lines(tmp_path: Path) -> None:
    """Two processes that write as fast as they can give whole lines, all of them."""
    code = (
        "import sys; from pathlib import Path; from chaoslib_cp.observe.timeline import Timeline\n"
        "timeline = Timeline(Path(sys.argv[1]))\n"
        "for n in range(500): timeline.append({'who': sys.argv[2], 'n': n, 'fill': 'x' * 500})\n"
    )
    path = tmp_path / TIMELINE_FILE
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), who]) for who in "ab"]
    assert [writer.wait(30) for writer in writers] == [0, 0]
    lines = read_timeline(path)
    for who in "ab":
        assert [line["n"] for line in lines if line["who"] == who] == list(range(500))


def test_long_line_is_cut_to_what_identifies_it(tmp_path: Path) -> None:
    """A record over 4 kB keeps its kind, time and name, and says that it was cut."""
    path = tmp_path / TIMELINE_FILE
    write(path, {"kind": "event", "at_s": NOW_S, "event": "activity_ended", "name": "x", "output": "y" * 9000})
    assert path.stat().st_size < 4096
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "kind": "event", "at_s": NOW_S, "event": "activity_ended", "name": "x", "truncated": True,
    }  # fmt: skip


def test_a_date_as_yaml_makes_it_is_written_as_text(tmp_path: Path) -> None:
    """An experiment in YAML may call its activity 2024-12-11."""
    write(tmp_path / TIMELINE_FILE, {"event": "activity_started", "name": datetime.date(2024, 12, 11)})
    assert read_timeline(tmp_path / TIMELINE_FILE) == [{"event": "activity_started", "name": "2024-12-11"}]


def test_a_line_that_found_room_for_a_part_only_is_an_error(tmp_path: Path) -> None:
    """A disk that is nearly full takes the first bytes of a line and says nothing."""
    code = (
        "import resource, sys; from pathlib import Path; from chaoslib_cp.observe.timeline import Timeline\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "timeline = Timeline(Path(sys.argv[1]))\n"
        "timeline.append({'fill': 'x' * 50})\n"
        "try: timeline.append({'fill': 'x' * 50})\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t")], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "[Errno 28] only a part of a line found room\n", done.stderr


def test_recent_samples_of_one_vantage_point(tmp_path: Path) -> None:
    """Probes get the window of one vantage point, oldest first, without void samples and events."""
    write(
        tmp_path / TIMELINE_FILE,
        sample(40),
        sample(4, n=2),
        sample(5, n=1),
        sample(3, void=True),
        sample(2, vantage="dns_uncached"),
        {"kind": "event", "at_s": NOW_S, "event": "x"},
    )
    assert [line["n"] for line in recent_samples(tmp_path, "dns_cached", 10.0, ManualClock(NOW_S))] == [1, 2]


def test_attempt_that_just_failed_is_recent(tmp_path: Path) -> None:
    """A time-out of 5 s is in a window of 2 s once it is known, although it began before."""
    write(tmp_path / TIMELINE_FILE, sample(6, ok=False, latency_s=5.0), sample(6))
    (found,) = recent_samples(tmp_path, "dns_cached", 2.0, ManualClock(NOW_S))
    assert found["ok"] is False


@pytest.mark.parametrize("set_by_s", [-3600.0, 3600.0])
def test_setting_the_clock_makes_no_sample_newer_or_older(tmp_path: Path, set_by_s: float) -> None:
    """An hour back, and samples of before the storm would pass for new ones; an hour on, and there would be none."""
    clock = ManualClock(NOW_S)
    started = ObservePlan(str(tmp_path), "kubeconfig", 60.0, epoch_offset_s=NOW_S + set_by_s - clock.monotonic_s())
    started.write(tmp_path / PLAN_FILE)
    write(tmp_path / TIMELINE_FILE, sample(-set_by_s + 40, n=1), sample(-set_by_s + 4, n=2))
    assert [line["n"] for line in recent_samples(tmp_path, "dns_cached", 10.0, clock)] == [2]


def test_recent_samples_of_a_long_run(tmp_path: Path) -> None:
    """The window is found at the end of a file of several megabytes, whole and nothing else."""
    records = [sample(3000 - tenth / 10, fill="x" * 100) for tenth in range(30_000)]
    text = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / TIMELINE_FILE).write_text(text, encoding="utf-8")
    found = recent_samples(tmp_path, "dns_cached", 10.05, ManualClock(NOW_S))
    assert len(found) == 100
    assert found[0]["at_s"] == NOW_S - 10.0


def test_no_timeline_is_no_news(tmp_path: Path) -> None:
    """Without an observer there are no samples; nobody takes that for good ones."""
    assert recent_samples(tmp_path, "dns_cached", 10.0, ManualClock(NOW_S)) == []
