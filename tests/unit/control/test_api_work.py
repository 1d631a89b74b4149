"""What the API servers did for whom, as it is put on record; what cannot be read is said, and stops nothing."""

from pathlib import Path
from typing import Any

from chaoslib_cp.apiserver.actions import start_api_overload, stop_api_overload
from chaoslib_cp.control.api_work import tell_api_work, tell_flows
from chaoslib_cp.control.telling import Teller
from chaoslib_cp.observe.timeline import Timeline, read_timeline
from tests.fakes.api_server import Answer
from tests.fakes.flow_control import FlowControl
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.profiles import OVERLOAD

FLOW = "apiserver_flowcontrol"
IN_A = '{flow_schema="a",priority_level="low"}'
PAGE = f"""
process_start_time_seconds 1700000000
process_cpu_seconds_total 12.5
{FLOW}_dispatched_requests_total{IN_A} 100
{FLOW}_dispatched_requests_total{{flow_schema="idle",priority_level="low"}} 0
{FLOW}_rejected_requests_total{{flow_schema="a",priority_level="low",reason="queue-full"}} 3
{FLOW}_rejected_requests_total{{flow_schema="a",priority_level="low",reason="time-out"}} 4
{FLOW}_request_execution_seconds_sum{{flow_schema="a",priority_level="low",type="regular"}} 7.25
{FLOW}_work_estimated_seats_sum{IN_A} 260
{FLOW}_work_estimated_seats_count{IN_A} 100
{FLOW}_request_execution_seconds_bucket{{flow_schema="a",priority_level="low",type="regular",le="1"}} 90
"""


def told(kube: KubeObjects, folder: Path, what: Any, *more: Any) -> dict[str, Any]:
    """The line of the timeline that comes of it."""
    teller = Teller(Timeline(folder / "timeline.jsonl"), ManualClock())
    what(teller, kube.settings(), *more)
    teller.close()
    [line] = read_timeline(folder / "timeline.jsonl")
    return line


def test_a_reading_has_every_flow_that_was_used(kube: KubeObjects, tmp_path: Path) -> None:
    """Dispatched, rejected whatever the reason, and seconds of execution; read as the observer, once."""
    kube.server.on("GET", "/metrics", Answer(body=PAGE.encode()))
    server = f"127.0.0.1:{kube.server.port}"
    line = told(kube, tmp_path, tell_api_work, ManualClock())
    assert (line["event"], line["server"], line["started_s"], line["cpu_s"]) == ("api_work", server, 1.7e9, 12.5)
    assert line["flows"] == [["a", "low", 100.0, 7.0, 7.25, 260.0]]
    assert [one.peer_name for one in kube.server.requests if one.path == "/metrics"] == ["user-observer"]


def test_what_may_not_be_read_is_said(kube: KubeObjects, tmp_path: Path) -> None:
    """A run goes on without."""
    kube.server.on("GET", "/metrics", Answer(403))
    line = told(kube, tmp_path, tell_api_work, ManualClock())
    assert line.keys() == {"kind", "at_s", "event", "unknown"}
    assert "403" in line["unknown"]


def test_the_flow_of_the_observer_and_of_a_load_are_known(kube: KubeObjects, tmp_path: Path) -> None:
    """By the UIDs that servers put into their answers; an administrator may know the names."""
    FlowControl(kube).schema_of["user-agent"] = "catch-all"
    line = told(kube, tmp_path, tell_flows)
    assert line["schemas"]["schema-global-default"] == "global-default"
    assert line["observer"] == "schema-global-default"
    run_dir = tmp_path / "runs" / "x"
    run_dir.mkdir(parents=True)
    (run_dir / "timeline.jsonl").touch()
    configuration = kube.configuration(chaoslib_cp_run_dir=str(run_dir))
    start_api_overload(OVERLOAD, nodes=1, duration_s=30.0, configuration=configuration)
    stop_api_overload(configuration=configuration)
    told_by_load = [one for one in read_timeline(run_dir / "timeline.jsonl") if one.get("event") == "load_cpu"]
    assert {one["flow_schema"] for one in told_by_load} == {"schema-catch-all"}
