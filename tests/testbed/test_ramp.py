"""A ramp against real API servers: what it finds is where their CPU really is used up.

What it must agree with is a straight line through its own rungs that are well below the quota of 0.4 core. That line
needs no saturation, and the ramp no quota.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.testbed.conftest import CHAOS, Testbed, of_session_or_own

pytestmark = pytest.mark.testbed

SPEC: Final = "api_servers: 1\napi_server_cpu_cores: 0.4\nfake_nodes: 100\npods_per_fake_node: 20\n"
LISTS: Final = {
    "schema": 1,
    "name": "pod-lists",
    "requests": [{"path": "/api/v1/pods", "period_s": 15.0, "gzip": False}],
}
STEP: Final = 10
# A rung that is too much by a little crosses no line at once: what waits must add up to 5 s, so a rung lasts 20 s.
FULL: Final = (
    "--until", "client_p99_s=5", "--first-nodes", str(STEP), "--step-nodes", str(STEP), "--max-nodes", "240",
    "--dwell-s", "20",
)  # fmt: skip
# On the testbed of the session (0.2 core) 4 of these agents took 0.11 core and 24 drowned it, so the steps are small.
QUICK: Final = ("--until", "server_cpu_cores=0.13", "--first-nodes", "4", "--step-nodes", "2", "--dwell-s", "5")
CORES: Final = 0.4
WELL_BELOW: Final = 0.75
PERIOD_S: Final = 15.0


@pytest.fixture(scope="module")
def climbed_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """The testbed of the session; for the whole proof one of its own, with the objects of the measured ladder."""
    with of_session_or_own(request, tmp_path_factory, SPEC, "ramp") as found:
        yield found


def ramp(testbed: Testbed, profile: str, *rungs: str) -> dict[str, Any]:
    """Play it inside, and return its result."""
    ended = testbed.run(*CHAOS, "cp", "ramp", profile, *rungs, "--json", cwd=ROOT, timeout_s=900)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def nodes_by_line(ladder: Sequence[Mapping[str, Any]]) -> float:
    """How many virtual nodes the quota is enough for, if each list goes on costing what it costs well below."""
    below = [row for row in ladder if row["nodes"] and row["server_cpu_cores"] <= WELL_BELOW * CORES]
    cores = [row["server_cpu_cores"] for row in below]
    cpu_s_each, idle_cores = statistics.linear_regression([row["answered_per_s"] for row in below], cores)
    return PERIOD_S * (CORES - idle_cores) / cpu_s_each


@pytest.mark.proof
@pytest.mark.parametrize("number", range(part.amount("testbed, ramp: climbs")))
def test_a_ramp_finds_where_the_servers_are_saturated(climbed_on: Testbed, tmp_path: Path, number: int) -> None:
    """In full: the capacity is what its CPU is enough for. In part: a line of the server's CPU, well below its end."""
    if part.is_whole():
        profile = tmp_path / "lists.json"
        profile.write_text(json.dumps(LISTS))
        found = ramp(climbed_on, str(profile), *FULL)["ramp"]
        enough_for = nodes_by_line(found["ladder"])
        assert abs(found["capacity_nodes"] - enough_for) <= 1.5 * STEP, found
        assert found["ladder"][-1]["saturated"] == "cpu"
        note("ramp", climb=number, capacity_nodes=found["capacity_nodes"], enough_for=enough_for)
        return
    found = ramp(climbed_on, "docs/examples/pod-lists.json", *QUICK)["ramp"]
    rungs = found["ladder"]
    assert (found["crossed"]["signal"], found["is_backed_off"], found["is_lower_bound"]) == (
        "server_cpu_cores",
        False,
        False,
    )
    assert rungs[0]["phase"] == "idle"
    assert rungs[0]["server_cpu_cores"] < rungs[-1]["server_cpu_cores"]
    assert all(row["offered_per_s"] > 0 for row in rungs[1:])
