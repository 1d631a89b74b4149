"""Real node caches, pinned: a failure of cluster DNS is hidden for what is left of the pin, and not for longer."""

import json

import pytest

from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.testbed.conftest import Testbed

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

PINS_S = (10, 20, 60)[: part.amount("testbed, mask: pins")]
FAILURES = part.amount("testbed, mask: failures behind each pin")
WITHIN_S = 3.0


@pytest.mark.parametrize("pin_s", PINS_S)
def test_a_pin_hides_a_failure_of_cluster_dns_as_predicted(testbed: Testbed, pin_s: int) -> None:
    """However much of it is left when the last DNS server goes; afterwards the Corefile is the one that was there."""
    config_map = ("configmap", "--namespace", "kube-system", "node-local-dns")
    before = testbed.get(*config_map)["data"]
    command = ("python", "-m", "tests.testbed.mask_inside", str(pin_s), str(FAILURES))
    ended = testbed.run(*command, cwd=ROOT, timeout_s=120 + FAILURES * (2 * pin_s + 120))
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["pinned"]["delivers"]["done"] == told["pinned"]["delivers"]["wanted"] == 2, told  # one a node
    assert [one["reasons"] for one in told["masks"]] == [[]] * FAILURES, told
    off_s = [abs(one["mask_s"] - one["predicted_mask_s"]) for one in told["masks"]]
    assert max(off_s) <= WITHIN_S, told
    assert testbed.get(*config_map)["data"] == before
    note("mask", pin_s=pin_s, failures=FAILURES, off_s=max(off_s))
