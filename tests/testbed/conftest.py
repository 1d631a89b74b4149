"""One small testbed for the whole session, shared by all tests that leave it as they found it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed import doctor
from chaoslib_cp.testbed.instance import Instance
from tests.scaffold import part

CHAOS = [sys.executable, "-m", "chaostoolkit"]
UP_WITHIN_S = 1800  # a machine with empty caches builds the programs first


def chaos_cp(*arguments: str, timeout_s: float = 120, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run ``chaos cp ...`` as a user would and return how it ended."""
    return subprocess.run(
        [*CHAOS, "cp", *arguments], capture_output=True, text=True, timeout=timeout_s, check=False, **options
    )


@dataclass(frozen=True)
class Testbed:
    """A testbed that is up.

    Attributes:
        name: its name.
        state: what ``chaos cp status --json`` said of it.
    """

    __test__ = False
    name: str
    state: dict[str, Any]

    def run(self, *argv: str, timeout_s: float = 60, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and return how it ended."""
        return chaos_cp("exec", "--name", self.name, "--", *argv, timeout_s=timeout_s, cwd=cwd)

    def kubectl(self, *arguments: str, context: str = "break-glass", timeout_s: float = 60) -> str:
        """Return what kubectl prints; a failure fails the test with kubectl's words."""
        ended = self.run("kubectl", "--context", context, *arguments, timeout_s=timeout_s)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def get(self, *arguments: str) -> Any:
        """Return the decoded JSON of ``kubectl get``."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def api_server_pids(self) -> list[int]:
        """Return the process ids of its API servers, found without any program of the machine."""
        folder = str(Instance(self.name).folder)
        return [int(entry.name) for entry in Path("/proc").iterdir() if _is_api_server_of(folder, entry)]


def _is_api_server_of(folder: str, process: Path) -> bool:
    try:
        program, *flags = (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:  # it ended, or this entry is no process
        return False
    return program.endswith("/kube-apiserver") and any(folder in flag for flag in flags)


@pytest.fixture(scope="session")
def can_run_testbeds() -> None:
    """Skip, with the reason, on a machine where no testbed can run."""
    try:
        doctor.require()
    except TestbedFailed as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def testbed(can_run_testbeds: None) -> Iterator[Testbed]:  # noqa: ARG001 - it skips
    """One small testbed for the session."""
    with brought_up("small", f"test-{os.getpid()}") as shared:
        yield shared


@contextmanager
def of_session_or_own(
    request: pytest.FixtureRequest, folders: pytest.TempPathFactory, spec: str, name: str
) -> Iterator[Testbed]:
    """The testbed of the session; where proofs are played in full one of the block's own, by this spec."""
    if not part.is_whole():
        yield request.getfixturevalue("testbed")
        return
    request.getfixturevalue("can_run_testbeds")
    file = folders.mktemp(name) / "spec.yaml"
    file.write_text(spec)
    with brought_up(str(file), f"{name}-{os.getpid()}") as own:
        yield own


@contextmanager
def brought_up(spec: str, name: str) -> Iterator[Testbed]:
    """Bring a testbed up for the block and take it down afterwards."""
    ended = chaos_cp("up", spec, "--name", name, "--json", timeout_s=UP_WITHIN_S)
    try:
        assert ended.returncode == 0, ended.stderr
        yield Testbed(name, json.loads(ended.stdout))
    finally:
        chaos_cp("down", "--name", name)
