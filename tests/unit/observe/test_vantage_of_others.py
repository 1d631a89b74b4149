"""A vantage point that somebody else adds: one row in one file, and everything that lists vantage points has it."""

from pathlib import Path

import pytest

from chaoslib_cp import extensions
from chaoslib_cp.control.abort_rules import rule_refusals
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.session import start
from chaoslib_cp.report.strips import draw_strips
from chaoslib_cp.results.coverage import gap, window
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.results.recovery import not_recovered
from chaoslib_cp.results.story import tell
from chaoslib_cp.settings import Settings
from tests.fakes.api_server import Answer, FakeApiServer
from tests.unit.made_timeline import recorded, rollout, series
from tests.unit.observe.test_observer import authority, plan, server, wait_for

__all__ = ["authority", "plan", "server"]  # fixtures

ROW = """
from chaoslib_cp.vantage_point import Request, VantagePoint

LEASE = VantagePoint(
    name="lease_read",
    label="reads of leases",
    asked_by="observer",
    identity="admin",
    request=Request("GET", "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/one?limit=1", kept=False),
    period_s=0.2,
    deadline_s=2.0,
    fails="leases cannot be read",
    works="leases can be read again",
    bad_in_a_row=4,
    probe="their_lease.probes:lease_read",
)
VANTAGE_POINTS = (LEASE,)
"""
PROBE = {"name": "leases", "provider": {"type": "python", "module": "their_lease.probes", "func": "lease_read"}}
EXPERIMENT = {"steady-state-hypothesis": {"probes": [PROBE]}}


@pytest.fixture(autouse=True)
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody else, which this process and its children find."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "lease_vantage_point.py").write_text(ROW, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv(extensions.VARIABLE, "lease_vantage_point")


def test_the_observer_asks_it_as_its_identity(plan: ObservePlan, server: FakeApiServer) -> None:
    """The observer is another process, and imports the row itself."""
    server.on("GET", "/apis/coordination.k8s.io/v1/namespaces/chaoslib-cp/leases/one", Answer())
    with start(plan):
        samples = wait_for(plan, 2, vantage="lease_read")
    assert all(sample["ok"] for sample in samples)
    asked = [request for request in server.requests if request.path.endswith("/leases/one")]
    assert {request.peer_name for request in asked} == {"admin"}
    assert asked[0].query == {"limit": "1"}
    assert len({request.connection for request in asked}) == len(asked)


def test_a_run_can_abort_by_it() -> None:
    """Its period is known, so a rule is checked against it like any other."""
    rule = {"vantage": "lease_read", "max_error_ratio": 0.5, "window_s": 3}
    block = {"name": "chaoslib_cp", "abort_when": [rule, {**rule, "window_s": 0.3}]}
    [refused] = rule_refusals({"extensions": [block]}, Settings())
    assert "abort_when[1].window_s is 0.3" in refused
    switched_off = Settings(observe_periods_s={"lease_read": 0})
    assert "which nobody samples" in next(rule_refusals({"extensions": [block]}, switched_off))


def test_story_recovery_and_report_know_it() -> None:
    """It breaks after as many bad samples as its row says, in its own words, and has a strip."""
    lines = [*rollout(), *series("lease_read", 60, {(10, 13): "timeout", (20, 30): "timeout"})]
    recording = recorded(*lines)
    fault = find_faults(recording)
    assert fault is not None
    told = [(moment.since_s, moment.what) for moment in tell(recording, fault)]
    assert told[1:] == [(20.0, "leases cannot be read"), (30.0, "leases can be read again")]
    assert "lease_read lease_read-target" in draw_strips(recording, fault.began_s, [])
    broken = recorded(*rollout(), *series("lease_read", 60, {(20, 60): "timeout"}))
    assert not_recovered(broken, find_faults(broken)) == ["reads of leases had not recovered when the run ended"]


def test_a_claim_is_judged_by_its_samples() -> None:
    """The row names the probe that it answers; too few samples are no proof."""
    [part] = read_hypothesis(EXPERIMENT, {}, {})
    assert part.vantages == ("lease_read",)
    recording = recorded(*rollout(), *series("lease_read", 3))
    during = window(recording, find_faults(recording))
    assert gap(recording, during, part) == "leases: only 3 usable samples of lease_read while the fault was on"
