"""What a rollout looks at before it starts: presets by name, the server's version, custom resources, totals."""

import json
import logging
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.rollout.actions import start_agent_rollout
from tests.fakes.api_server import Answer, json_answer
from tests.fakes.kube_objects import KubeObjects

CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/chaoslib-cp-agent-rollout-1"
CILIUM = "/apis/cilium.io/v2"


def started(kube: KubeObjects, profile: Any, version: str = "v1.36.4") -> dict[str, Any]:
    """Roll out on an API server of a version."""
    kube.server.on("GET", "/version", json_answer({"major": "1", "gitVersion": version}))
    configuration = kube.configuration(chaoslib_cp_run_dir="/runs/bite")
    return start_agent_rollout(profile, duration_s=60.0, configuration=configuration)


def written(kube: KubeObjects) -> LoadProfile:
    """What agents are told."""
    return parse_profile(json.loads(kube.objects[CONFIG_MAP]["data"]["profile.json"]))


def test_a_preset_is_rolled_out_by_its_name(kube: KubeObjects, caplog: pytest.LogCaptureFixture) -> None:
    """Agents get its whole profile, and just the rights for it; the log says what it needs."""
    with caplog.at_level(logging.INFO, logger="chaostoolkit"):
        result = started(kube, "openai-telemetry-2024")
    assert [one.pattern for one in written(kube).requests] == ["list-pods", "list-events", "get-node"]
    assert written(kube).ramp == "all-at-once"
    role = kube.objects["/apis/rbac.authorization.k8s.io/v1/clusterroles/chaoslib-cp-agent-rollout-1"]
    assert [(rule["resources"], rule["verbs"]) for rule in role["rules"]] == [
        (["events"], ["list"]), (["nodes"], ["get"]), (["pods"], ["list"]),
    ]  # fmt: skip
    assert result["parameters"]["profile"] == "openai-telemetry-2024"
    assert "Preset openai-telemetry-2024 needs: The agent in kube-system" in caplog.text
    assert len(json.dumps(result)) < 4096


def test_a_preset_may_be_changed(kube: KubeObjects) -> None:
    """A test cluster has fewer nodes, so its agents ask more often."""
    started(kube, {"preset": "fluentd-datadog-2018", "requests": [{"pattern": "list-events", "period_s": 2}]})
    assert (written(kube).name, written(kube).requests[0].period_s) == ("fluentd-datadog-2018", 2)


@pytest.mark.parametrize(
    ("profile", "version", "says"),
    [
        ("palark-60-lists", "v1.36.4", r"list-pods-of-node does not bite on v1\.36\.4: .* use list-pods-running"),
        (
            "alloy-daemonset-discovery",
            "v1.33.1",
            r"does not bite on v1\.33\.1: the feature WatchList .* use watch-pods",
        ),
        ("openai-telemetry-2024", "none", "'none' is no version of Kubernetes"),
    ],
)
def test_what_would_do_nothing_is_refused(kube: KubeObjects, profile: str, version: str, says: str) -> None:
    """Before anything is made; with what to use in its place."""
    with pytest.raises(ActivityFailed, match=says):
        started(kube, profile, version)
    assert kube.writes() == []


def test_what_does_not_bite_beside_what_does_is_one_line(kube: KubeObjects, caplog: pytest.LogCaptureFixture) -> None:
    """The rollout goes on; so does one on a version where all of it bites, without a word."""
    with caplog.at_level(logging.WARNING, logger="chaostoolkit"):
        started(kube, "prometheus-per-node-relabel", "v1.33.1")
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("Load profile prometheus-per-node-relabel: pattern watch-pods-initial-events does not bite")
    assert len(line) < 200
    assert kube.writes() != []


def test_a_request_without_a_pattern_is_played_as_it_is_written(kube: KubeObjects) -> None:
    """Whoever wants to see that his version withstands it may; nobody is asked for the version then."""
    query = {"fieldSelector": "spec.nodeName={node}"}
    started(kube, {"schema": 1, "requests": [{"path": "/api/v1/pods", "query": query}]})
    assert not [one for one in kube.server.requests if one.path == "/version"]


def test_a_custom_resource_that_is_not_there_is_refused(kube: KubeObjects) -> None:
    """Lists that are answered 404 would cost the server nothing."""
    kube.server.on("GET", CILIUM, Answer(404))
    with pytest.raises(ActivityFailed, match=r"has no ciliumendpoints in cilium\.io/v2, .* nothing was changed"):
        started(kube, "cilium-identity-list")
    assert kube.writes() == []
    names = ("ciliumendpoints", "ciliumidentities")
    kube.server.on("GET", CILIUM, json_answer({"resources": [{"name": name} for name in names]}))
    started(kube, "cilium-identity-list")
    assert kube.writes() != []


@pytest.mark.parametrize(("protocol", "in_flight"), [("http/1.1", 2), ("h2", 4)])
def test_totals_are_shared_out_among_the_nodes(kube: KubeObjects, protocol: str, in_flight: int) -> None:
    """Agents on nodes of their own cannot count together, so each gets its share; over HTTP/2 one connection is it."""
    kube.add_nodes(4)
    totals = {"max_total_requests": 10, "max_total_bytes": 4000, "max_total_connections": 9}
    started(kube, {"preset": "openai-telemetry-2024", "protocol": protocol, **totals})
    one = written(kube)
    assert (one.max_requests, one.max_bytes, one.max_in_flight_per_agent) == (2, 1000, in_flight)


def test_a_total_that_is_less_than_one_each_is_refused(kube: KubeObjects) -> None:
    """Rounding up would exceed it."""
    kube.add_nodes(4)
    with pytest.raises(ActivityFailed, match="max_total_requests is 3 for 4 agents; nothing was started"):
        started(kube, {"preset": "openai-telemetry-2024", "max_total_requests": 3})
    assert kube.writes() == []
