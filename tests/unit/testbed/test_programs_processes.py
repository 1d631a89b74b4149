"""Two processes at once, a killed one, a full disk: the cache of programs stays whole."""

import os
import pickle
import resource
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.programs import cache_of, find_or_get_programs, find_programs
from chaoslib_cp.testbed.programs.cache import building_lock, cache_root
from chaoslib_cp.testbed.programs.pins import Sources
from chaoslib_cp.testbed.programs.progress import Progress
from tests.fakes.go_toolchain import FakeGo, is_running, machine_with_go, sources
from tests.fakes.release_server import ReleaseServer, release_server
from tests.scaffold.waiting import until

DEADLINE_S = 20.0
CALL_IN_CHILD = """
import pickle, sys
from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs import find_or_get_programs
try:
    print(find_or_get_programs(lambda line: print(line, flush=True), pickle.load(open(sys.argv[1], "rb"))).origin)
except TestbedFailed as error:
    sys.exit(f"TestbedFailed: {error}")
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine with a fake Go and an empty cache."""
    return machine_with_go(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    """A place releases are published at."""
    with release_server() as running:
        yield running


def start_child(tmp_path: Path, pins: Sources, limit: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
    """Start another process that gets the programs."""
    (tmp_path / "pins").write_bytes(pickle.dumps(pins))
    return subprocess.Popen(
        [sys.executable, "-c", CALL_IN_CHILD, str(tmp_path / "pins")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )


def test_second_caller_waits_and_says_for_whom(go: FakeGo, tmp_path: Path) -> None:
    """While one process builds, another names it and waits, then goes on where that one stopped."""
    pins = sources(tmp_path)
    with building_lock(cache_root(), Progress(pytest.fail)):
        waiting = start_child(tmp_path, pins)
        assert waiting.stdout is not None
        readable, _, _ = select.select([waiting.stdout], [], [], DEADLINE_S)
        assert readable
        assert f"waiting: process {os.getpid()} is already" in waiting.stdout.readline()
        assert go.builds() == []
    out, _ = waiting.communicate(timeout=DEADLINE_S)
    assert out.splitlines()[-1] == "go build"


def test_kill_in_mid_build_leaves_no_half_program(go: FakeGo, tmp_path: Path) -> None:
    """SIGKILL ends the compiler too; what was finished is kept, the half-written rest is never seen, then made."""
    pins = sources(tmp_path)
    go.order(hangs_at="kube-b")
    building = start_child(tmp_path, pins)
    until(lambda: go.hanging_pid, "the compiler")
    compiler = go.hanging_pid
    assert compiler is not None
    building.kill()
    building.communicate(timeout=DEADLINE_S)
    until(lambda: not is_running(compiler), "its end")
    assert find_programs(pins) is None
    assert set(cache_of(pins).finished()) == {"etcd"}
    assert not (cache_of(pins).folder / "kube-b").exists()
    go.order()
    programs = find_or_get_programs(lambda _: None, pins)
    assert [Path(folder).name for _, folder, _ in go.builds()] == ["one", "many", "many"]
    assert programs.path("kube-b").read_text() == "built kube-b with go1.26.8"
    assert not (programs.folder / "staging").exists()


def test_full_disk_is_one_clear_line(go: FakeGo, server: ReleaseServer, tmp_path: Path) -> None:
    """A download that does not fit says so and what to do; nothing of it stays."""
    etcd = server.release("etcd", b"x" * 500_000)
    go.order(fails_at="v3 kube-a")

    def at_most_100_kb() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    child = start_child(tmp_path, sources(tmp_path, [etcd]), limit=at_most_100_kb)
    _, said = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 1
    assert "official releases: no space left for" in said
    assert "free some or set XDG_CACHE_HOME" in said
    assert len(said.splitlines()) == 1
    assert sorted(path.name for path in cache_root().rglob("*")) == ["building.lock", "programs"]
