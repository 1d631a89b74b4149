"""SIGKILL at effects of every fault, on a real API server: `recover` leaves nothing and touches nothing of others'.

All effects are killed against a fake API in tests/proof/test_crash_points.py; here a sample of them for real.
"""

import json

import pytest

from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.testbed.conftest import Testbed

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

CRASHES = part.amount("testbed, crash points: kills")


def test_a_kill_at_any_effect_leaves_nothing_in_a_real_cluster(testbed: Testbed) -> None:
    """Each point: the fault is killed there, then `recover` is killed, then it heals all, then there is nothing."""
    ended = testbed.run("python", "-m", "tests.testbed.crash_inside", str(CRASHES), cwd=ROOT, timeout_s=1800)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(ended.stdout)
    assert len(results) >= CRASHES
    assert len({result["scenario"] for result in results}) >= 8
    assert [one for one in results if not one["healed"] or one["left"] or one["touched"]] == []
    note("crash-testbed", points=len(results), residue=0)
