"""The load profile: what is accepted, what is refused, and that its JSON form is complete."""

import json
from typing import Any

import pytest

from chaoslib_cp.engine.load.patterns.table import PATTERNS
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec, parse_profile
from chaoslib_cp.errors import ProfileInvalid

SMALLEST: dict[str, Any] = {"schema": 1, "requests": [{"path": "/metrics"}]}


def test_a_profile_survives_the_trip_through_a_configmap() -> None:
    """What a rollout writes into a ConfigMap is what the agent in the pod plays."""
    profile = LoadProfile(
        requests=(
            RequestSpec("/api/v1/pods", query={"limit": "500"}, accept="application/yaml", period_s=15),
            RequestSpec("/version", connection="per-request", abort_after_s=2.5),
            RequestSpec("/api/v1/nodes", query={"limit": "5"}, gzip=False, paged=True),
            RequestSpec("/api/v1/nodes/{node}", query={}, pattern="get-node"),
            RequestSpec(**PATTERNS["renew-leases"].sets, pattern="renew-leases"),
        ),
        jitter_ratio=0.3,
        ramp="steps",
        ramp_s=30.0,
        ramp_steps=3,
        phase_ratio=0.0,
        max_total_requests=400,
        max_total_bytes=5000,
        max_total_connections=10,
        deadline_epoch_s=1.9e9,
        retry="client-go",
        max_bytes=5000,
        seed=7,
        fault="agent_rollout-1",
        marks={"chaoslib-cp/run": "r"},
        resource_version="12",
        report_to=("192.0.2.1:30953", "[2001:db8::1]:30953"),
    )
    assert parse_profile(json.loads(json.dumps(profile.as_dict()))) == profile


def test_defaults_fill_in_all_but_schema_and_path() -> None:
    """A profile needs no more than the paths to ask."""
    profile = parse_profile(SMALLEST)
    assert (profile.duration_s, profile.retry, profile.requests[0].gzip) == (120, "none", True)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"schema": 2}, "schema must be 1"),
        ({"requests": []}, "requests must list 1 to 16"),
        ({"requests": "all"}, "requests must be a list"),
        ({"requests": [{"path": "/a"}] * 17}, "requests must list 1 to 16"),
        ({"requests": [{"period_s": 1}]}, "requests[0].path is missing"),
        ({"requests": [{"path": "/a"}, {"path": "b"}]}, "requests[1].path must begin with /"),
        ({"requests": [{"path": "/a?b=c"}]}, "requests[0].path must"),
        ({"requests": [{"path": "/a HTTP/1.1\r\nX: y"}]}, "requests[0].path must"),
        ({"requests": [{"path": "/a", "accept": "x\r\nX: y"}]}, "requests[0].accept must"),
        ({"requests": [{"path": "/a", "method": "DELETE"}]}, "requests[0].method must be GET"),
        ({"requests": [{"path": "/a", "query": {"limit": 5}}]}, "requests[0].query must map strings"),
        ({"requests": [{"path": "/a", "gzip": "yes"}]}, "requests[0].gzip must be true or false"),
        ({"requests": [{"path": "/a", "period_s": 0}]}, "requests[0].period_s is 0, allowed are 0.1 to 3600"),
        ({"requests": [{"path": "/a", "verb": "GET"}]}, "requests[0].verb is not a known key"),
        ({"durations_s": 5}, "durations_s is not a known key"),
        ({"duration_s": True}, "duration_s must be a number"),
        ({"duration_s": "5"}, "duration_s must be a number"),
        ({"duration_s": float("nan")}, "duration_s must be a number"),
        ({"duration_s": 1e9}, "duration_s is 1000000000.0, allowed are 1 to 3600"),
        ({"max_requests": 1.5}, "max_requests must be a whole number"),
        ({"max_requests": 0}, "max_requests is 0"),
        ({"deadline_epoch_s": "now"}, "deadline_epoch_s must be seconds"),
        ({"deadline_epoch_s": -1}, "deadline_epoch_s must be seconds"),
        ({"retry": "always"}, "retry must be 'none', 'naive' or 'client-go'"),
        ({"ramp": "sudden"}, "ramp must be 'linear', 'steps' or 'all-at-once'"),
        ({"ramp": "all-at-once", "ramp_s": 5}, "ramp_s is 5, but ramp is 'all-at-once'"),
        ({"ramp": "steps", "ramp_s": 5}, "ramp_steps is 1"),
        ({"ramp": "steps", "ramp_steps": 3}, "ramp_steps is 3"),
        ({"ramp_steps": 3}, "ramp_steps is 3"),
        ({"phase_ratio": 1.5}, "phase_ratio is 1.5"),
        ({"phase_ratio": float("inf")}, "phase_ratio must be a number"),
        ({"duration_s": "1h"}, "duration_s must be a number, not '1h'"),
        ({"max_total_requests": -1}, "max_total_requests is -1"),
        ({"max_total_requests": 10**12}, "max_total_requests is 1000000000000"),
        ({"max_total_bytes": float("nan")}, "max_total_bytes must be a whole number"),
        ({"max_total_connections": "many"}, "max_total_connections must be a whole number"),
        ({"requests": [{"path": "/a", "connection": "closed"}]}, "requests[0].connection must be 'kept' or"),
        ({"requests": [{"path": "/a", "abort_after_s": -1}]}, "requests[0].abort_after_s is -1"),
        ({"requests": [{"path": "/a", "abort_after_s": 31}]}, "requests[0].abort_after_s is 31, not under"),
        ({"requests": [{"path": "/a", "watch_s": 5}]}, "requests[0].watch_s is for a request whose query"),
        (
            {"requests": [{"path": "/a", "query": {"watch": "1"}, "watch_s": 5, "abort_after_s": 1}]},
            "requests[0].abort_after_s stands beside watch_s",
        ),
        ({"requests": [{"path": "/a", "paged": 1}]}, "requests[0].paged must be true or false"),
        ({"requests": [{"path": "/a", "paged": True}]}, "requests[0].paged needs a list as plain JSON"),
        ({"requests": [{"path": "/a", "weight": 1}]}, "rate_per_s is missing"),
        ({"rate_per_s": 1}, "rate_per_s is for requests with a weight"),
        ({"rate_per_s": float("inf"), "requests": [{"path": "/a", "weight": 1}]}, "rate_per_s must be above 0"),
        ({"rate_per_s": 1, "requests": [{"path": "/a", "weight": 0}]}, "requests[0].weight must be above 0"),
        ({"rate_per_s": 1, "requests": [{"path": "/a", "weight": None}]}, "requests[0].weight must be above 0"),
        (
            {"rate_per_s": 1, "requests": [{"path": "/a", "weight": 1, "period_s": 1}]},
            "requests[0].period_s stands beside a weight",
        ),
        ({"rate_per_s": 20, "requests": [{"path": "/a", "weight": 1}]}, "requests[0].period_s is 0.05"),
        ({"requests": [{"pattern": "list-pod-yaml"}]}, "requests[0].pattern 'list-pod-yaml' is not known"),
        ({"requests": [{"pattern": ["list-pods"]}]}, "requests[0].pattern \"['list-pods']\" is not known"),
        ({"requests": [{"pattern": "list-pods", "path": "/a"}]}, "requests[0].path is what pattern 'list-pods' sets"),
        ({"requests": [{"pattern": "list-pods", "accept": "*/*"}]}, "requests[0].accept is what pattern"),
        ({"requests": [{"pattern": "list-custom-resources"}]}, "requests[0].path is missing: pattern"),
        (
            {"requests": [{"pattern": "create-events", "path": "/api/v1/namespaces/a/events"}]},
            "requests[0].path is what",
        ),
        ({"requests": [{"pattern": "create-events", "method": "PUT"}]}, "requests[0].method is what pattern"),
        ({"requests": [{"path": "/api/v1/namespaces/a/events", "method": "POST"}]}, "requests[0].method must be GET"),
        ({"max_objects": 100_001}, "max_objects is 100001"),
        ({"max_objects": 0}, "max_objects is 0"),
        ({"marks": {"a": "b c"}}, "marks must map labels to values"),
        ({"resource_version": "x"}, "resource_version is none: 'x'"),
        ({"name": "Bad Name"}, "name must be 1 to 63"),
        ({"fault": "no id"}, "fault must be an id"),
        ({"fault": "f-1", "report_to": "192.0.2.1:80"}, "report_to must be a list of ip:port"),
        ({"fault": "f-1", "report_to": ["192.0.2.1:80"] * 4}, "report_to must list at most 3 ip:port"),
        ({"fault": "f-1", "report_to": ["prober:80"]}, "report_to must list at most 3 ip:port"),
        ({"fault": "f-1", "report_to": ["192.0.2.1"]}, "report_to must list at most 3 ip:port"),
        ({"fault": "f-1", "report_to": ["192.0.2.1:0"]}, "report_to must list at most 3 ip:port"),
        ({"fault": "f-1", "report_to": [5]}, "report_to must list at most 3 ip:port"),
        ({"report_to": ["192.0.2.1:80"]}, "report_to needs the id of a fault"),
    ],
)
def test_a_wrong_profile_is_refused_by_naming_the_key(changes: dict[str, Any], named: str) -> None:
    """Nobody has to guess which of the keys was wrong, and nothing is clamped silently."""
    with pytest.raises(ProfileInvalid) as refusal:
        parse_profile({**SMALLEST, **changes})
    assert f"load profile: {named}" in str(refusal.value)
    assert "nothing was started" in str(refusal.value)


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_a_profile_that_is_no_object_is_refused(document: object) -> None:
    """A truncated or empty file gives one clear line, too."""
    with pytest.raises(ProfileInvalid, match="must be a JSON object"):
        parse_profile(document)


def test_weights_are_shares_of_one_rate() -> None:
    """Three to one at two requests a second is 1.5 and 0.5 a second, and what has a period of its own keeps it."""
    requests = [{"path": "/a", "weight": 3}, {"path": "/b", "period_s": 7}, {"path": "/c", "weight": 1}]
    profile = parse_profile({"schema": 1, "rate_per_s": 2, "requests": requests})
    assert [one.period_s for one in profile.requests] == pytest.approx([1 / 1.5, 7, 2])
    assert parse_profile(json.loads(json.dumps(profile.as_dict()))) == profile
