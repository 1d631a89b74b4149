"""Official releases: what is downloaded, checked, refused and told; a local server stands for the official one."""

import dataclasses
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.programs import Elsewhere, find_or_get_programs, progress, transfer
from chaoslib_cp.testbed.programs.cache import cache_root
from chaoslib_cp.testbed.programs.pins import Release
from tests.fakes.go_toolchain import FakeGo, machine_with_go, sources
from tests.fakes.release_server import ReleaseServer, program, programs, release_server

ALL = ("etcd", "kube-a", "kube-b")
BUILT = {"etcd": "built v3 with go1.26.8", **{name: f"built {name} with go1.26.8" for name in ALL[1:]}}


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A machine with a fake Go and an empty cache."""
    return machine_with_go(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    """A place releases are published at."""
    with release_server() as running:
        yield running


class Machine:
    """Gets programs and remembers what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def get(self, *releases: Release, elsewhere: Elsewhere | None = None) -> dict[str, str]:
        """Get all programs and return what is in each."""
        pins = sources(self.folder, releases)
        programs = find_or_get_programs(lambda line: self.said.append(line[6:]), pins, elsewhere or Elsewhere())
        return {name: programs.path(name).read_text() for name in ALL}

    def lines(self, word: str) -> list[str]:
        """Return what was said with this word in it."""
        return [line for line in self.said if word in line]


@pytest.fixture
def machine(go: FakeGo, tmp_path: Path) -> Machine:
    """A machine without programs."""
    assert go.builds() == []
    return Machine(tmp_path)


def left_in_cache() -> set[str]:
    """Return the names of all files below the cache folder."""
    return {path.name for path in cache_root().rglob("*") if path.is_file()} - {"building.lock", "finished.json"}


def released(*names: str) -> dict[str, str]:
    """Return what the programs hold when these are released ones and the others are built."""
    return {**BUILT, **{name: program(name).decode() for name in names}}


def test_one_download_serves_all_its_programs(machine: Machine, server: ReleaseServer, go: FakeGo) -> None:
    """An archive is asked for once; of it only the programs stay; nothing is built, and Go is not needed."""
    (go.folder / "go").unlink()
    archive = server.archive("kube.tar.gz", programs(*ALL), "sha512")
    assert machine.get(archive) == released(*ALL)
    assert server.asked == ["/v1/kube.tar.gz"]
    assert left_in_cache() == set(ALL)
    assert machine.lines("official release, ") == [f"{name}: official release, checksum as pinned" for name in ALL]


def test_only_what_is_missing_is_got(machine: Machine, server: ReleaseServer, go: FakeGo) -> None:
    """A program that was lost is got again alone, from its archive."""
    archive, etcd = server.archive("kube.tar.gz", programs("kube-a", "kube-b")), server.release("etcd")
    machine.get(archive, etcd)
    next(cache_root().rglob("kube-b")).unlink()
    machine.said.clear()
    assert machine.get(archive, etcd) == released(*ALL)
    assert server.asked == ["/v1/kube.tar.gz", "/v1/etcd", "/v1/kube.tar.gz"]
    assert machine.lines("official release, ") == ["kube-b: official release, checksum as pinned"]
    assert go.builds() == []


def test_releases_come_before_building(machine: Machine, server: ReleaseServer, go: FakeGo) -> None:
    """Pinned releases are downloaded; one build makes the rest, and a line says that no checksum is known for it."""
    assert machine.get(server.archive("etcd.tar.gz", programs("etcd"))) == released("etcd")
    assert len(go.builds()) == 1
    assert "official releases: no published checksum is known for kube-a, kube-b" in machine.said


NONE, ONE, BOTH = set[str](), {"kube-a"}, {"kube-a", "kube-b"}
PLACE = r"http://\S+/v1/kube.tar.gz"
OUTCOMES = {
    "right file": (BOTH, ""),
    "wrong checksum": (NONE, rf"kube.tar.gz refused: {PLACE} has checksum \w{{16}}\.\., pinned is \w{{16}}\.\."),
    "cut off": (NONE, rf"{PLACE}: transfer broke off after 0\.\d of 0\.\d MB"),
    "too slow": (NONE, rf"{PLACE}: too slow, 0\.\d of 0\.\d MB in 0 s; given up"),
    "404": (NONE, rf"{PLACE}: HTTP Error 404: Not Found"),
    "server down": (NONE, rf"{PLACE}: \[Errno 111\] Connection refused"),
    "server without a word": (NONE, rf"{PLACE}: timed out"),
    "program not inside": (ONE, "kube.tar.gz: no bin/other inside"),
    "no archive": (NONE, "kube.tar.gz is no whole tar archive"),
    "program cannot start": (ONE, "kube-b of kube.tar.gz does not start on this machine: No such file or directory"),
}


def spoiled(trouble: str, server: ReleaseServer) -> Release:
    """Publish an archive of two programs that is bad in one way, and return its pin."""
    path, contents = "/v1/kube.tar.gz", programs("kube-a", "kube-b")
    if trouble == "program cannot start":
        contents["kube-b"] = b"#!/nowhere/ld-linux.so\n"
    kube = server.archive("kube.tar.gz", contents, "sha512")
    if trouble == "wrong checksum":
        server.files[path] = server.files[path][:-1] + b"x"
    if trouble == "404":
        del server.files[path]
    if trouble == "no archive":
        return dataclasses.replace(server.release("kube.tar.gz", b"neither tar nor gzip"), members=kube.members)
    server.cut_short = {path} if trouble == "cut off" else set()
    server.slow = {path} if trouble == "too slow" else set()
    changes = {
        "server down": {"url": "http://127.0.0.1:9/v1/kube.tar.gz"},  # the port for discarding: nobody listens
        "program not inside": {"members": {**kube.members, "kube-b": "bin/other"}},
    }
    return dataclasses.replace(kube, **changes.get(trouble, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("trouble", OUTCOMES)
def test_programs_are_in_place_or_built(
    machine: Machine, server: ReleaseServer, go: FakeGo, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Whatever is wrong with a download, one line says it, nothing of it stays, and what it lacked is built."""
    monkeypatch.setattr(transfer, "PATIENCE", transfer.Patience(silence_s=0.3, trial_s=0.2, whole_s=1.0))
    kept, line = OUTCOMES[trouble]
    with socket.create_server(("127.0.0.1", 0)) as mute:
        kube = spoiled(trouble, server)
        if trouble == "server without a word":
            kube = dataclasses.replace(kube, url=f"http://127.0.0.1:{mute.getsockname()[1]}/v1/kube.tar.gz")
        assert machine.get(server.release("etcd"), kube) == released("etcd", *kept)
    assert [re.sub(line, "as expected", reason) for reason in machine.lines("official releases: ")] == (
        ["official releases: as expected"] if line else []
    )
    assert len(go.builds()) == bool(line)
    assert left_in_cache() == set(ALL)
    assert max(map(len, machine.said)) <= 200


def test_a_slow_download_tells_its_pace(
    machine: Machine, server: ReleaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While something is downloaded, a line comes every few seconds: how much, how fast, how long still."""
    monkeypatch.setattr(progress, "SAY_EACH_S", 0.2)
    kube = server.archive("kube.tar.gz", programs(*ALL))
    server.slow = {"/v1/kube.tar.gz"}
    assert machine.get(kube) == released(*ALL)
    told = [
        line
        for line in machine.lines("MB/s")
        if re.fullmatch(r"kube.tar.gz: .* of .* MB, .* MB/s, about 0:0\d left", line)
    ]
    assert len(told) >= 3


def test_no_wait_for_anything_is_silent_for_5_s() -> None:
    """The line that says what is waited for comes in time, also on a busy machine."""
    assert progress.SAY_EACH_S <= 4.0


def test_a_host_that_does_not_answer_is_asked_once(machine: Machine, server: ReleaseServer) -> None:
    """Two downloads from one dead host cost one time-out; the second says why it is not asked for."""
    releases = [dataclasses.replace(server.release(name), url=f"http://127.0.0.1:9/v1/{name}") for name in ALL]
    assert machine.get(*releases) == BUILT
    assert [line.partition("releases: ")[2] for line in machine.lines("official releases: ")] == [
        "http://127.0.0.1:9/v1/etcd: [Errno 111] Connection refused",
        "kube-a: not asked for, since 127.0.0.1:9 did not answer",
        "kube-b: not asked for, since 127.0.0.1:9 did not answer",
    ]


def test_a_mirror_is_asked_first(machine: Machine, server: ReleaseServer) -> None:
    """A mirror stands for the official host; what it lacks or has wrong comes from the official address, in a line."""
    with release_server() as mirror:
        kube, etcd = server.archive("kube.tar.gz", programs("kube-a", "kube-b")), server.release("etcd")
        mirror.files = {"/k8s/v1/kube.tar.gz": server.files["/v1/kube.tar.gz"], "/k8s/v1/etcd": b"another"}
        named = Elsewhere(mirrors=(f"{mirror.address}/nothing", f"{mirror.address}/k8s/"))
        assert machine.get(etcd, kube, elsewhere=named) == released(*ALL)
    assert server.asked == ["/v1/etcd"]
    assert len(machine.lines("HTTP Error 404")) == 2
    assert len(machine.lines("etcd refused: ")) == 1


def test_an_archive_that_is_there_needs_no_network(machine: Machine, server: ReleaseServer, tmp_path: Path) -> None:
    """It is known by its checksum, whatever its name; nothing is asked for, and it stays as it was."""
    kube, etcd = server.archive("kube.tar.gz", programs("kube-a", "kube-b"), "sha512"), server.release("etcd")
    files = (tmp_path / "kubernetes (1).tgz", tmp_path / "etcd.bin")
    for file, path in zip(files, ("/v1/kube.tar.gz", "/v1/etcd"), strict=True):
        file.write_bytes(server.files[path])
    assert machine.get(etcd, kube, elsewhere=Elsewhere(archives=files)) == released(*ALL)
    assert server.asked == []
    assert machine.lines("taken from") == [f"etcd: taken from {files[1]}", f"kube.tar.gz: taken from {files[0]}"]
    assert files[0].read_bytes() == server.files["/v1/kube.tar.gz"]


@pytest.mark.parametrize("content", [None, b"", b"another version"])
def test_an_archive_that_is_not_what_is_pinned_is_refused(
    machine: Machine, server: ReleaseServer, go: FakeGo, tmp_path: Path, content: bytes | None
) -> None:
    """Whoever names a file means it: one that is missing or of another version ends the command."""
    if content is not None:
        (tmp_path / "kube.tgz").write_bytes(content)
    kube = server.archive("kube.tar.gz", programs(*ALL), "sha512")
    words = "is none of the downloads that are pinned" if content is not None else "cannot be read: No such file"
    with pytest.raises(TestbedFailed, match=rf"kube.tgz .*{words}.*; nothing was changed; ") as raised:
        machine.get(kube, elsewhere=Elsewhere(archives=(tmp_path / "kube.tgz",)))
    assert content is None or kube.url in str(raised.value)
    assert (server.asked, go.builds(), cache_root().exists()) == ([], [], False)


def test_an_archive_is_not_read_when_nothing_is_missing(machine: Machine, server: ReleaseServer) -> None:
    """A variable that still names a file of last year is no obstacle once the programs are there."""
    etcd = server.release("etcd")
    machine.get(etcd)
    assert machine.get(etcd, elsewhere=Elsewhere(archives=(Path("/nothing"),))) == released("etcd")
