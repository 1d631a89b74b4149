"""Clusters for whoever asks for them: ``kube`` is made of plain objects, ``cluster`` of sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.cluster import FakeCluster, fake_cluster
from tests.fakes.kube_objects import KubeObjects


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
