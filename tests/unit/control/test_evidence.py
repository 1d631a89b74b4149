"""What a reader needs to believe a result, and the observer's orders: read from cluster and configuration."""

import json
import platform
from typing import Any

import pytest

from chaoslib_cp.control.evidence import own_knobs, parameters, scale, versions, with_knobs
from chaoslib_cp.settings import read_settings
from chaoslib_cp.version import VERSION
from tests.contract.cluster import SCALE, FakeCluster
from tests.fakes.api_server import Answer, json_answer
from tests.places import EXPERIMENTS

SCALE_PATH = "/api/v1/namespaces/chaoslib-cp/configmaps/chaoslib-cp-scale"


@pytest.mark.usefixtures("cluster")
def test_the_versions_that_shape_a_result_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours, Python's, the machine's, Chaos Toolkit's, the API server's; what is not installed is said."""
    monkeypatch.setattr("chaoslib_cp.control.evidence._DISTRIBUTIONS", ("pytest", "no-such-distribution"))
    found = versions(read_settings())
    assert found == {
        "chaostoolkit-cp": VERSION,
        "python": platform.python_version(),
        "system": platform.platform(),
        "pytest": pytest.__version__,
        "no-such-distribution": "not installed",
        "kube-apiserver": "v1.36.0",
    }
    monkeypatch.undo()


def test_an_api_server_that_does_not_say_its_version_is_no_obstacle(cluster: FakeCluster) -> None:
    """The reason stands where the version would."""
    cluster.api.on("GET", "/version", Answer(404))
    assert versions(read_settings())["kube-apiserver"] == "there is no version in the cluster"
    assert {"chaostoolkit", "chaostoolkit-lib", "chaostoolkit-kubernetes", "kubernetes"} < versions(
        read_settings()
    ).keys()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_answer({"data": {"scale.json": "{"}}), "no readable scale.json"),
        (json_answer({"data": {}}), "no readable scale.json"),
        (json_answer({}), "no readable scale.json"),
        (json_answer({"data": {"scale.json": "[1]"}}), "scale.json is not a mapping"),
        (Answer(404), "there is no chaoslib-cp-scale in the cluster"),
        (Answer(403), "403"),
    ],
)
def test_a_cluster_that_stands_for_nothing_known_says_so(cluster: FakeCluster, answer: Answer, words: str) -> None:
    """Nobody said what this cluster stands for, and that is written down instead of a guess."""
    assert scale(read_settings()) == SCALE
    cluster.api.on("GET", SCALE_PATH, answer)
    [(key, why)] = scale(read_settings()).items()
    assert key == "unknown"
    assert words in why


def test_what_is_not_realistic_is_gathered_from_cluster_and_experiment() -> None:
    """Ours alone, from our own block, behind what the cluster said."""
    experiment = {
        "extensions": [{"name": "other", "unrealistic": ["x"]}, {"name": "chaoslib_cp", "unrealistic": ["a", 2]}]
    }
    assert own_knobs(experiment, {}) == ["a", "2"]
    assert own_knobs({"extensions": [{"name": "chaoslib_cp"}]}, {}) == own_knobs({}, {}) == []
    assert with_knobs({"nodes": 3, "unrealistic": ["0"]}, own_knobs(experiment, {})) == {
        "nodes": 3,
        "unrealistic": ["0", "a", "2"],
    }
    assert with_knobs({"nodes": 3}, ["a"]) == {"nodes": 3, "unrealistic": ["a"]}
    assert with_knobs({"nodes": 3}, []) == {"nodes": 3}


def given(module: str, **more: Any) -> dict[str, Any]:
    """An activity that is given one value of the configuration, and more."""
    return {"name": "it", "provider": {"module": module, "arguments": {"deep": [{"x": "${mine}"}], **more}}}


OURS = {"method": [{**given("chaoslib_cp.rollout.actions"), "pauses": {"before": "${reaction_s}"}}]}


@pytest.mark.parametrize(
    "key",
    [
        *("admin_token", "Password", "db_pass", "pwd", "private", "key_file", "dsn", "MY_SECRET", "ca_cert"),
        *("basic_auth", "credentials", "Bearer", "x"),
    ],
)
def test_values_that_may_be_secrets_are_named_and_not_shown(key: str) -> None:
    """Under any name if no activity of ours is given it; if one is, under a name that looks like a secret's."""
    secret = "s3cr3t"
    found = parameters(OURS, {key: secret, "mine": "green", "reaction_s": 20.0, "cluster_uid": "u"}, [])
    assert found["configuration"] == {"mine": "green", "reaction_s": 20.0, "cluster_uid": "u"}
    assert found["not_shown"] == [key]
    if key != "x" and key != "dsn":
        ours = {"rollbacks": [given("chaoslib_cp.rollout.actions", y=f"Bearer ${{{key}}}")]}
        assert secret not in json.dumps(parameters(ours, {key: secret}, []))


def test_keys_that_this_library_reads_itself_are_shown() -> None:
    """Names, paths and numbers, whoever is given them: without them nobody can play it again."""
    contexts = {f"{one}_context": one for one in ("admin", "break_glass", "observer", "runner")}
    more = {"allowed_contexts": "a", "chaoslib_cp_run_dir": "/runs/r", "cluster_uid": "u", "infrastructure": "testbed"}
    own = {**contexts, **more, "kubeconfig": "/k", "max_nodes": 3, "observe_s": 60.0}
    own |= {"observe_periods_s": "p", "observe_deadlines_s": "d", "prober_pages": "n"}  # if they were plain values
    assert parameters({}, own, []) == {"configuration": own, "not_shown": [], "activities": {}}


def test_what_an_activity_of_others_is_given_is_not_shown() -> None:
    """It may well be a password."""
    assert parameters({"method": [given("chaosk8s.actions")]}, {"mine": "s3cr3t"}, [])["configuration"] == {}


def test_all_parameters_of_the_shipped_experiment_are_shown() -> None:
    """They are what a reader needs to play it again."""
    shipped = json.loads((EXPERIMENTS / "openai-2024-12-11.json").read_text(encoding="utf-8"))
    defaults = {key: value["default"] for key, value in shipped["configuration"].items()}
    assert parameters(shipped, defaults, [])["configuration"] == defaults


def test_what_was_really_played_is_kept() -> None:
    """Plain values of the configuration, and what activities say they used."""
    played = [
        ("roll out", {"parameters": {"duration_s": 60.0}}),
        ("probe", {"ok": True}),
        ("odd", {"parameters": "x"}),
        ("text", "x"),
    ]
    experiment = {
        "steady-state-hypothesis": {"probes": [given("chaoslib_cp.dns.probes", a="${nodes} ${share}", b="${on}")]},
        "rollbacks": [given("chaoslib_cp.rollout.actions", c="${pages} ${late}", d="${nothing}")],
    }
    configuration = {"nodes": 3, "share": 0.5, "on": True, "mine": "n", "late": 1, "pages": ["a"], "nothing": None}
    assert parameters(experiment, configuration, played) == {
        "configuration": {"nodes": 3, "share": 0.5, "on": True, "mine": "n", "late": 1},
        "not_shown": ["nothing", "pages"],
        "activities": {"roll out": {"duration_s": 60.0}},
    }


def test_what_is_not_realistic_is_said_with_the_values_of_this_run() -> None:
    """A file that says 140 seconds would be wrong in a run of 30; a secret is not said."""
    words = ["the agents end after ${agent_duration_s} s", "${text} ${count}", "${api_token} ${unknown}"]
    experiment = {"extensions": [{"name": "chaoslib_cp", "unrealistic": words}]}
    given = {"agent_duration_s": 30.0, "text": "x", "count": 4, "api_token": "canary"}
    assert own_knobs(experiment, given) == ["the agents end after 30 s", "x 4", "${api_token} ${unknown}"]
