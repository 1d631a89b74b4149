"""A rollout on a cluster that keeps objects, for tests of how `chaos run` ends: what must be gone can be looked up."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.cluster import fake_cluster
from tests.contract.conftest import LINES, Chaos
from tests.contract.experiments import Activity, experiment, probe
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import PROFILE

PAUSING = "Pausing before next activity"
DEVIATED = "in the given tolerance so failing this experiment"


@dataclass
class Stage:
    """One ending on one cluster.

    Attributes:
        chaos: The command.
        kube: The cluster.
        made: The experiment, for an ending to spoil.
    """

    chaos: Chaos
    kube: KubeObjects
    made: dict[str, Any]

    def file(self, name: str) -> Path:
        """A file that activities leave behind."""
        return self.chaos.folder / name

    def ours(self) -> list[str]:
        """Paths of everything that the rollout made."""
        return [path for path, one in self.kube.objects.items() if "chaoslib-cp/run" in str(one["metadata"])]

    def until_logged(self, words: str) -> None:
        """Wait until the run has said something."""
        self.chaos.until_logged(words)


def ours(module: str, func: str, **arguments: Any) -> Activity:
    """An activity of the library."""
    provider = {"type": "python", "module": f"chaoslib_cp.{module}", "func": func, "arguments": arguments}
    return {"type": "action", "name": func, "provider": provider}


def rehearsal(chaos: Chaos) -> dict[str, Any]:
    """Roll out, stop; the claim breaks when a file says so."""
    claim = {
        **probe("raises_if", path=str(chaos.folder / "raise"), broken=str(chaos.folder / "broken")),
        "tolerance": {"type": "range", "target": "ok", "range": [1, 1]},
    }
    rollout = ours("rollout.actions", "start_agent_rollout", profile=PROFILE, duration_s=30.0)
    page = chaos.cluster.environment["CONTRACT_PROBER_PAGE"]
    return experiment([rollout], [ours("rollout.actions", "stop_agent_rollout")], [claim], page)


@contextmanager
def rehearsing(line: str, folder: Path) -> Iterator[Stage]:
    """Run the cluster and keep `chaos` of one line at hand while the block lasts; skip when it is not installed."""
    python = LINES[line] / "bin" / "python"
    if not python.exists():
        pytest.skip(f"there is no {python}: `make venv venv-old-line` makes it")
    work = folder / "work"
    work.mkdir()
    with fake_cluster(folder) as cluster:
        chaos = Chaos(python, work, cluster)
        try:
            yield Stage(chaos, cluster.kube, rehearsal(chaos))
        finally:
            chaos.end_all()
