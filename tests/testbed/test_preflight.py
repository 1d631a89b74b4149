"""The preflight checks in probes/ against a testbed that is up and has nothing else to do."""

from pathlib import Path

import pytest

from tests.places import ROOT
from tests.testbed.conftest import Testbed

pytestmark = pytest.mark.testbed


@pytest.mark.parametrize("file", sorted((ROOT / "probes").glob("*.json")), ids=lambda file: file.stem)
def test_preflight_checks_hold_on_a_healthy_cluster(testbed: Testbed, file: Path, tmp_path: Path) -> None:
    """Each file in probes/ ends with exit code 0 where everything is well."""
    ended = testbed.run("chaos", "run", str(file), cwd=tmp_path, timeout_s=120)
    assert ended.returncode == 0, ended.stderr
