"""A cluster of plain objects for whoever asks for ``kube``."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
