"""Load patterns: each is a request that parses, stands for one thing, and knows where it bites."""

import json
from typing import Any

import pytest

from chaoslib_cp.cluster.gate.roles import role_manifests
from chaoslib_cp.engine.load.head import words_of
from chaoslib_cp.engine.load.patterns.bodies import COLLECTIONS as WRITTEN
from chaoslib_cp.engine.load.patterns.bodies import WRITES_NAMESPACE
from chaoslib_cp.engine.load.patterns.lookup import bites, find_pattern
from chaoslib_cp.engine.load.patterns.pattern import COLLECTIONS, HARMLESS
from chaoslib_cp.engine.load.patterns.table import PATTERNS
from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.engine.load.write import writes_of
from chaoslib_cp.errors import ProfileInvalid

GIVEN = {"list-custom-resources": {"path": "/apis/cilium.io/v2/ciliumendpoints"}}


def profile_of(name: str, **more: Any) -> LoadProfile:
    """A profile that plays one pattern."""
    return parse_profile({"schema": 1, "requests": [{"pattern": name, **GIVEN.get(name, {}), **more}]})


@pytest.mark.parametrize("row", PATTERNS.values(), ids=lambda row: row.name)
def test_a_pattern_stands_for_its_whole_request(row: Any) -> None:
    """And the trip through a ConfigMap changes nothing of it."""
    profile = profile_of(row.name, period_s=15)
    request = profile.requests[0]
    assert {key: getattr(request, key) for key in row.sets} == dict(row.sets)
    assert (request.pattern, request.period_s) == (row.name, 15)
    assert parse_profile(json.loads(json.dumps(profile.as_dict()))) == profile


@pytest.mark.parametrize("row", [row for row in PATTERNS.values() if row.body], ids=lambda row: row.name)
def test_what_is_written_is_small_of_our_own_and_in_our_namespace(row: Any) -> None:
    """Labels of the run and fault, a name that no other load gives, and a new one for each Event."""
    marks = {"chaoslib-cp/run": "r" * 63, "chaoslib-cp/fault": "api_overload-1"}
    profile = parse_profile({"schema": 1, "marks": marks, "requests": [{"pattern": row.name}]})
    [write] = writes_of(profile, {"node": "chaoslib-cp-0001", **words_of(profile)})
    assert write is not None
    first, second = write.body(1.7e9), write.body(1.7e9)
    body = json.loads(first)
    assert len(first) < 16_384
    assert b"{" not in first.replace(b'{"', b"").replace(b"{\\", b"")
    assert row.sets["path"].startswith(WRITTEN[body["kind"]])
    assert (body["metadata"]["namespace"], body["metadata"]["labels"]) == (WRITES_NAMESPACE, marks)
    assert body["metadata"]["name"].startswith(f"chaoslib-cp-0001-{words_of(profile)['load']}")
    assert (body["metadata"]["name"] != json.loads(second)["metadata"]["name"]) is profile.requests[0].makes


def test_every_number_of_the_facts_has_a_row() -> None:
    """P1 to P19; P20 is what a slow etcd makes of P1, so it is a preset."""
    assert {row.source for row in PATTERNS.values()} == {f"P{number}" for number in range(1, 20)}


def test_what_does_not_bite_everywhere_names_something_that_does() -> None:
    """Whoever is refused on his version is told what to use, and that exists."""
    for row in PATTERNS.values():
        assert [era.since for era in row.eras] == sorted({0, *(era.since for era in row.eras)})
        is_harmless = any(era.cost in HARMLESS for era in row.eras)
        assert bool(row.instead) is is_harmless, row.name
        if row.instead:
            assert row.instead.partition(",")[0] in PATTERNS


@pytest.mark.parametrize(
    ("name", "version", "cost"),
    [
        ("list-pods", "1.30", "extreme"),
        ("list-pods", "v1.36.4", "medium"),
        ("list-pods-yaml", "1.36", "extreme"),
        ("list-pods-of-node", "v1.30.14-gke.100", "extreme"),
        ("list-pods-of-node", "1.31", "cheap"),
        ("watch-pods-initial-events", "1.31", "refused"),
        ("watch-pods-initial-events", "1.32", "high"),
        ("watch-pods-initial-events", "1.33+", "refused"),
        ("watch-pods-initial-events", "1.34", "high"),
        ("list-events", "1.99", "high"),
        ("list-nodes-yaml", "1.36", "extreme"),
    ],
)
def test_what_a_pattern_costs_depends_on_the_version(name: str, version: str, cost: str) -> None:
    """As the gates of the API server say; a version from the future counts as the newest that is known."""
    found = bites(name, version)
    assert (found.cost, found.bites) == (cost, cost not in ("cheap", "refused"))
    assert bool(found.instead) is not found.bites
    assert found.why


@pytest.mark.parametrize(
    ("name", "version", "named"),
    [
        ("list-pods", "two", "'two' is no version"),
        ("list-pods", "2.0", "'2.0' is no version"),
        ("list-pod", "1.36", "no pattern 'list-pod'; nothing was started; the nearest are list-pods"),
    ],
)
def test_a_wrong_name_or_version_is_one_line(name: str, version: str, named: str) -> None:
    """With the nearest names, of which one is probably meant."""
    with pytest.raises(ProfileInvalid, match=named):
        bites(name, version)


def test_the_same_request_of_another_collection_is_the_same_pattern() -> None:
    """The word in the name is the collection; those that are about pods alone stay about pods."""
    assert profile_of("list-replicasets").requests[0].path == "/apis/apps/v1/replicasets"
    assert profile_of("list-services-yaml").requests[0].accept == "application/yaml"
    assert profile_of("watch-nodes", period_s=30).requests[0].watch_s == 30
    assert profile_of("watch-nodes", watch_s=5).requests[0].watch_s == 5
    assert [find_pattern(name) for name in ("list-nodes-of-node", "list-secrets", "list-", "", None)] == [None] * 5


def test_collections_are_those_that_agents_may_be_told_to_read() -> None:
    """All that the shipped role holds, but for Events, which are a pattern of their own."""
    reads = next(one for one in role_manifests() if one["metadata"]["name"] == "chaoslib-cp-agent-reads")
    held = {
        (group, name) for rule in reads["rules"] for group in rule.get("apiGroups", []) for name in rule["resources"]
    }
    named = {("" if path.startswith("/api/") else path.split("/")[2], word) for word, path in COLLECTIONS.items()}
    assert named == held - {("", "events")}
