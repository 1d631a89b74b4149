"""The load profile: what is accepted, what is refused, and that its JSON form is complete."""

import json
from typing import Any

import pytest

from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec, parse_profile
from chaoslib_cp.errors import ProfileInvalid

SMALLEST: dict[str, Any] = {"schema": 1, "requests": [{"path": "/metrics"}]}


def test_a_profile_survives_the_trip_through_a_configmap() -> None:
    """What a rollout writes into a ConfigMap is what the agent in the pod plays."""
    profile = LoadProfile(
        requests=(RequestSpec("/api/v1/pods", query={"limit": "500"}, accept="application/yaml", period_s=15),),
        jitter_ratio=0.3,
        deadline_epoch_s=1.9e9,
        retry="client-go",
        max_bytes=5000,
        seed=7,
        fault="agent_rollout-1",
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
        ({"retry": "always"}, "retry must be 'none' or 'client-go'"),
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
