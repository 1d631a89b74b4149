"""Clusters for whoever asks for them: ``kube`` is made of plain objects, ``cluster`` of sockets; and a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.control.run import Run
from tests.contract.cluster import FakeCluster, fake_cluster
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.registry import SAFE, Registry
from tests.scaffold.clocks import ManualClock


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeObjects]:
    """A marked cluster that no environment names, and a state folder of this test's own."""
    for name in ("KUBECONFIG", "KUBERNETES_HOST", "KUBERNETES_CONTEXT", "CHAOSTOOLKIT_IN_POD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with KubeObjects(tmp_path / "kube") as fake:
        fake.mark()
        yield fake


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """A marked cluster that the environment names, and a working directory of this test's own."""
    monkeypatch.chdir(tmp_path)
    with fake_cluster(tmp_path) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def dns_pods(kube: KubeObjects) -> None:
    """Cluster DNS in ``kube``: its Service, and two pods."""
    kube.add_dns_service()
    kube.add_dns_pod("coredns-a")
    kube.add_dns_pod("coredns-b")


@pytest.fixture
def registry() -> Registry:
    """Chaos Toolkit's side of ``run``."""
    return Registry()


@pytest.fixture
def run(registry: Registry) -> Iterator[Run]:
    """A run under control that has not begun; whatever it holds at the end is let go of."""
    made = Run({"title": "T", "steady-state-hypothesis": {}}, ManualClock(), registry)
    registry.handlers[0].running({}, {}, {}, {"runtime": SAFE})
    yield made
    made.close()
