"""Real ``chaos`` processes on both lines of Chaos Toolkit, against a cluster made of sockets."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster import FakeCluster, fake_cluster
from tests.places import ROOT
from tests.scaffold.traps import lay_traps
from tests.scaffold.waiting import until

LINES = {"new line": ROOT / ".venv", "old line": ROOT / ".venv-3.11"}
_LIMIT_S = 90.0


@dataclass
class Finished:
    """A ``chaos run`` that has ended."""

    exit_code: int
    log: str
    folder: Path

    @property
    def journal(self) -> dict[str, Any]:
        """The journal that ``chaos`` itself wrote."""
        return dict(json.loads((self.folder / "journal.json").read_text(encoding="utf-8")))

    @property
    def run_dirs(self) -> list[Path]:
        """The folders of runs."""
        return sorted((self.folder / "runs").glob("*"))

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json of the one run."""
        [run_dir] = self.run_dirs
        return dict(json.loads((run_dir / "summary.json").read_text(encoding="utf-8")))


@dataclass
class Chaos:
    """The ``chaos`` command of one line, in a folder of its own."""

    python: Path
    folder: Path
    cluster: FakeCluster
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    spoiled: str = ""

    def spoil(self, lines: str) -> None:
        """Run Python lines in each process before anything else, to take something of its libraries away."""
        folder = self.folder.parent / "spoiled"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(lines, encoding="utf-8")
        self.spoiled = f"{folder}{os.pathsep}"

    @property
    def output(self) -> str:
        """What its processes have said so far."""
        return (self.folder / "output.log").read_text(encoding="utf-8")

    def end_all(self) -> None:
        """End whatever a test left running, each with its own process group."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start ``chaos`` and return at once; its output goes to a file."""
        paths = {"PYTHONPATH": f"{self.spoiled}{ROOT}", "PYTHONUNBUFFERED": "1"}
        environment = {**os.environ, **self.cluster.environment, **paths}
        with (self.folder / "output.log").open("ab") as log:
            process = subprocess.Popen(
                [str(self.python.with_name("chaos")), "--no-version-check", *arguments],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def finish(self, process: "subprocess.Popen[bytes]") -> Finished:
        """Wait for its end."""
        exit_code = process.wait(_LIMIT_S)
        return Finished(exit_code, self.output, self.folder)

    def run(self, experiment: dict[str, Any], *options: str) -> Finished:
        """Play an experiment to its end."""
        return self.finish(self.start_run(experiment, *options))

    def start_run(self, experiment: dict[str, Any], *options: str) -> "subprocess.Popen[bytes]":
        """Start playing an experiment."""
        path = self.folder / "experiment.json"
        path.write_text(json.dumps(experiment), encoding="utf-8")
        return self.start("run", "--hypothesis-frequency", "0.3", *options, str(path))

    def until_played(self, path: Path, limit_s: float = 40.0) -> None:
        """Wait until an activity has left its mark."""
        self.until(path.exists, path.name, limit_s)

    def until_logged(self, words: str) -> None:
        """Wait until the run has said something."""
        self.until(lambda: words in self.output, words)

    def until(self, is_so: Callable[[], bool], what: str, limit_s: float = 40.0) -> None:
        """Wait for a condition; what the run has said is told where it does not come."""
        try:
            until(is_so, what, limit_s)
        except AssertionError as missed:
            raise AssertionError(f"{missed}\n{self.output}") from None


@pytest.fixture(params=LINES, ids=lambda name: name.replace(" ", "-"))
def chaos(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Chaos]:
    """``chaos`` of both lines; whatever a test leaves running is ended with its own process group."""
    python = LINES[request.param] / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {python}: `make venv venv-old-line` makes it")
    folder = tmp_path / "work"
    folder.mkdir()
    lay_traps(folder)  # files of a team's own, named as modules of ours or of Python's
    with fake_cluster(tmp_path) as cluster:
        command = Chaos(python, folder, cluster)
        try:
            yield command
        finally:
            command.end_all()
