"""What an experiment must not say, rule by rule."""

import json
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaoslib_cp.control.refusal import cluster_refusals, control_refusals, experiment_refusals
from chaoslib_cp.dns.restart import COUPLINGS
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS
from chaoslib_cp.settings import Settings, read_settings
from tests.places import EXPERIMENTS
from tests.scaffold.profiles import PROFILE

SAFE: dict[str, Any] = {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}}
ROLLOUT = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "start_agent_rollout"}
STOP = {"type": "python", "module": "chaoslib_cp.rollout.actions", "func": "stop_agent_rollout"}
RESTART = {"type": "python", "module": "chaoslib_cp.dns.actions", "func": "restart_dns_pods"}
ARGUMENTS: dict[str, Any] = {"namespace": "${ns}", "profile": PROFILE}
GOOD: dict[str, Any] = {
    "steady-state-hypothesis": {"probes": [{"type": "probe", "name": "p", "provider": {}}]},
    "method": [{"type": "action", "name": "roll out", "provider": {**ROLLOUT, "arguments": ARGUMENTS}}],
    "rollbacks": [{"type": "action", "name": "stop", "provider": STOP}],
}


def refusals(experiment: dict[str, Any], runtime: dict[str, Any] | None = None, **configuration: Any) -> list[str]:
    """All refusals of an experiment."""
    resolved = {"ns": "x", **configuration}
    in_force = SAFE if runtime is None else runtime
    return list(experiment_refusals(experiment, in_force, resolved, read_settings(resolved)))


def test_a_safe_experiment_is_not_refused() -> None:
    """No rule fires on what the shipped experiment does."""
    assert refusals(GOOD) == []


@pytest.mark.parametrize("strategy", ["default", "never", "deviated"])
def test_every_rollback_strategy_but_always_is_refused(strategy: str) -> None:
    """The other strategies skip rollbacks after exactly the endings a drowned API brings about."""
    [refused] = refusals(GOOD, {**SAFE, "rollbacks": {"strategy": strategy}})
    assert refused.startswith(f"rollbacks strategy is '{strategy}'")


def test_an_experiment_without_a_hypothesis_needs_no_hypothesis_strategy() -> None:
    """With nothing to check, there is nothing to check continuously."""
    bare = {key: value for key, value in GOOD.items() if key != "steady-state-hypothesis"}
    assert refusals(bare, {"rollbacks": {"strategy": "always"}}) == []
    assert refusals(GOOD, {"rollbacks": {"strategy": "always"}})


def test_a_coupling_is_judged_by_its_value() -> None:
    """A coupling given through the configuration is looked up; each of the known ones passes."""
    experiment = deepcopy(GOOD)
    restart = {"type": "action", "name": "restart", "provider": {**RESTART, "arguments": {"coupling": "${how}"}}}
    experiment["method"].append(restart)
    for coupling in COUPLINGS:
        assert refusals(experiment, how=coupling, infrastructure="testbed") == []
    assert refusals(experiment, how="reboot")[0].startswith("'restart': coupling is 'reboot'; nothing was changed; use")


def test_a_crash_needs_somebody_who_can_crash_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before the storm begins, not in the middle of it."""
    monkeypatch.delenv("CHAOSLIB_CP_INFRASTRUCTURE", raising=False)
    experiment = deepcopy(GOOD)
    restart = {"type": "action", "name": "restart", "provider": {**RESTART, "arguments": {"coupling": "${how}"}}}
    experiment["method"].append(restart)
    for coupling in CONTAINER_ACTS:
        assert f"coupling {coupling} needs an infrastructure driver" in refusals(experiment, how=coupling)[0]
    assert refusals(experiment, how="delete-pods") == []


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.json")), ids=lambda file: file.stem)
def test_shipped_experiments_follow_their_own_rules(file: Path) -> None:
    """With its defaults, on a cluster with a driver, nothing in it is refused."""
    shipped = json.loads(file.read_text(encoding="utf-8"))
    assert file.stem == shipped["extensions"][0]["run_name"]
    defaults = {key: value["default"] for key, value in shipped["configuration"].items()}
    resolved = {**defaults, "infrastructure": "testbed"}
    assert list(experiment_refusals(shipped, shipped["runtime"], resolved, read_settings(resolved))) == []
    assert all(list(control_refusals(control)) == [] for control in shipped["controls"])


def test_a_placeholder_nobody_fills_is_refused() -> None:
    """Chaos Toolkit would pass the text of the placeholder on."""
    experiment = deepcopy(GOOD)
    experiment["method"][0]["provider"]["arguments"]["namespace"] = "${nowhere}"
    says = "'roll out': its arguments ask for ${nowhere}, which the configuration does not have"
    assert refusals(experiment) == [says]
    experiment["method"][0]["provider"]["arguments"] = {"profile": {**PROFILE, "ramp_s": "${nowhere}"}}
    assert refusals(experiment) == [says]


def test_activities_of_others_are_theirs() -> None:
    """Arguments of foreign activities are not judged."""
    experiment = deepcopy(GOOD)
    provider = {"type": "python", "module": "somebody.else", "func": "start_x", "arguments": {"coupling": "${y}"}}
    experiment["method"].append({"type": "action", "name": "theirs", "provider": provider})
    assert refusals(experiment) == []


@pytest.mark.parametrize("block", [{"scope": "before"}, {"scope": "after"}, {"automatic": False}])
def test_a_control_that_sees_half_of_a_run_is_refused(block: dict[str, Any]) -> None:
    """It would neither watch nor judge what it does not see."""
    assert len(list(control_refusals({"name": "c", **block}))) == 1
    assert list(control_refusals({"name": "c"})) == []


@pytest.mark.parametrize("value", ["s3cr3t", {"key": "X"}, 7, None])
def test_a_secret_written_into_the_file_is_refused_and_not_repeated(value: Any) -> None:
    """Chaos Toolkit copies the experiment into the journal, and the journal is shown around."""
    [refused] = refusals({**GOOD, "secrets": {"k8s": {"KUBERNETES_API_KEY": value}}})
    assert refused.startswith("secrets.k8s.KUBERNETES_API_KEY is written in the file")
    assert "s3cr3t" not in refused


def test_a_secret_from_the_environment_is_not_refused() -> None:
    """Chaos Toolkit keeps its name, not its value."""
    assert refusals({**GOOD, "secrets": {"k8s": {"token": {"type": "env", "key": "TOKEN"}}}}) == []


def test_a_hypothesis_strategy_other_than_continuously_is_refused() -> None:
    """It would miss a failure that heals itself; what nobody set is the default."""
    [refused] = refusals(GOOD, {**SAFE, "hypothesis": {"strategy": "before-method-only"}})
    assert refused.startswith("hypothesis strategy is 'before-method-only'")
    assert [line.partition(":")[0] for line in refusals(GOOD, {})] == [
        "rollbacks strategy is 'default'",
        "hypothesis strategy is 'default'",
    ]


@pytest.mark.parametrize(
    ("dry", "lacks"),
    [
        ("probes", ["nobody watching"]),
        ("pause", ["no time for anything to happen"]),
        ("actions", []),
        ("activities", []),
    ],
)
def test_a_dry_run_that_plays_actions_is_refused(dry: str, lacks: list[str]) -> None:
    """It would inject, without what an injection needs."""
    found = refusals({**GOOD, "dry": SimpleNamespace(value=dry)})
    assert found == [f"--dry {dry} would inject all the same, with {one}; use --dry actions" for one in lacks]


@pytest.mark.parametrize("place", ["method", "rollbacks", "hypothesis"])
def test_nothing_may_run_in_the_background(place: str) -> None:
    """Neither ours nor others': nothing could stop it early."""
    experiment = deepcopy(GOOD)
    quiet = {"type": "action", "name": "quiet", "background": True, "provider": {"module": "somebody.else"}}
    where = experiment["steady-state-hypothesis"]["probes"] if place == "hypothesis" else experiment[place]
    where.append(quiet)
    assert [line.partition(" runs in")[0] for line in refusals(experiment)] == ["'quiet'"]
    del quiet["name"]
    quiet["ref"] = "shared"
    assert refusals(experiment)[0].startswith("'shared' runs in the background")


def test_a_tolerance_counts_in_the_hypothesis_only() -> None:
    """In the method Chaos Toolkit never looks at it, whatever it says."""
    experiment = deepcopy(GOOD)
    experiment["method"].append({"type": "probe", "name": "p", "tolerance": None, "provider": {"module": "x"}})
    experiment["steady-state-hypothesis"]["probes"][0]["tolerance"] = True
    experiment["rollbacks"].append({"type": "probe", "name": "r", "tolerance": True, "provider": {"module": "x"}})
    assert refusals(experiment) == ["'p': a tolerance in the method is never looked at; move it to the hypothesis"]


def test_what_is_started_must_be_stopped_by_its_own_name() -> None:
    """Another stop, or a stop of somebody else's, stops nothing of ours."""
    experiment = deepcopy(GOOD)
    experiment["rollbacks"] = [
        {"name": "a", "provider": {**STOP, "func": "stop_start_agent"}},
        {"name": "b", "provider": {**STOP, "module": "somebody.else"}},
        {"name": "c"},
    ]
    assert refusals(experiment) == [
        "'roll out' is never stopped: add stop_agent_rollout of chaoslib_cp.rollout.actions to rollbacks"
    ]
    del experiment["rollbacks"]
    assert len(refusals(experiment)) == 1


def test_an_activity_without_what_it_needs_is_refused() -> None:
    """Not in the middle of the storm."""
    experiment = deepcopy(GOOD)
    del experiment["method"][0]["provider"]["arguments"]
    assert refusals(experiment) == [
        "'roll out': start_agent_rollout: missing a required argument: 'profile'; nothing was changed; "
        "correct its arguments"
    ]


@pytest.mark.parametrize(("coupling", "words"), [("x${how}", "coupling is 'xnone'"), (3, "coupling is 3")])
def test_a_coupling_that_is_only_partly_configured_or_no_text_is_unknown(coupling: object, words: str) -> None:
    """The whole of it is one of the three names."""
    experiment = deepcopy(GOOD)
    restart = {"type": "action", "name": "restart", "provider": {**RESTART, "arguments": {"coupling": coupling}}}
    experiment["method"].append(restart)
    [refused] = refusals(experiment, how="none")
    assert words in refused


def test_an_experiment_with_nothing_in_it_is_not_refused_for_that() -> None:
    """Chaos Toolkit's own validation says what is missing."""
    assert list(experiment_refusals({}, SAFE, {}, Settings())) == []
    assert list(experiment_refusals({"method": None, "rollbacks": None, "secrets": None}, SAFE, {}, Settings())) == []


def test_a_cluster_that_cannot_be_chosen_is_told_beforehand(tmp_path: Path) -> None:
    """Inside the place from which it is reached, much else may be right by itself."""
    [refused] = cluster_refusals(read_settings({"kubeconfig": str(tmp_path / "nothing")}))
    assert "nothing was changed" in refused


def test_a_control_may_say_that_it_is_automatic() -> None:
    """That is what it must be."""
    assert list(control_refusals({"name": "c", "automatic": True, "scope": ""})) == []


@pytest.mark.parametrize("extensions", ["x", {}, 0, {"name": "chaoslib_cp"}, ["x"], [{"name": "chaoslib_cp"}, None]])
def test_extensions_that_are_no_list_of_mappings_are_refused(extensions: object) -> None:
    """Once, and what is right in them is read all the same."""
    assert refusals({**GOOD, "extensions": extensions}) == [
        "extensions is no list of mappings; use a list with one mapping of name chaoslib_cp"
    ]


@pytest.mark.parametrize("extensions", [None, [], [{"name": "other", "unrealistic": 5}], [{}]])
def test_extensions_of_others_are_theirs(extensions: object) -> None:
    """Whatever they hold."""
    assert refusals({**GOOD, "extensions": extensions}) == []


@pytest.mark.parametrize("knobs", [5, 0, "abc", "", {}, {"a": "b"}, [1], ["a", None]])
def test_what_is_not_realistic_is_a_list_of_texts(knobs: object) -> None:
    """A text would be taken apart into its characters."""
    block = {"name": "chaoslib_cp", "unrealistic": knobs}
    assert refusals({**GOOD, "extensions": [block]}) == [
        f"extension chaoslib_cp: unrealistic is {knobs!r}; use a list of texts"
    ]
    for right in (None, [], ["a", "b"]):
        assert refusals({**GOOD, "extensions": [{**block, "unrealistic": right}]}) == []
    assert refusals({**GOOD, "extensions": [{**block, "unrealistic": ["for ${no_such_key} s"]}]}) == [
        "extension chaoslib_cp: unrealistic asks for ${no_such_key}, which the configuration does not have"
    ]


def test_a_key_that_is_no_text_is_unknown_too() -> None:
    """YAML has such keys."""
    [refused] = refusals({**GOOD, "extensions": [{"name": "chaoslib_cp", 1: 2, "abort_if": []}]})
    assert refused.startswith("extension chaoslib_cp has the unknown key '1'")


@pytest.mark.parametrize("secrets", [["canary"], "canary", 5])
def test_secrets_that_are_no_mapping_are_refused_and_not_repeated(secrets: object) -> None:
    """Chaos Toolkit copies the file into the journal."""
    assert refusals({**GOOD, "secrets": secrets}) == [
        "secrets is no mapping of scopes; use one, with entries that have a type, such as env"
    ]


@pytest.mark.parametrize("entries", ["canary", None, 5, ["canary"]])
def test_a_scope_of_secrets_that_is_no_mapping_is_refused_and_not_repeated(entries: object) -> None:
    """The scopes after it are looked at all the same."""
    found = refusals({**GOOD, "secrets": {"s": entries, "k8s": {"token": "canary"}}})
    assert found[0] == "secrets.s is no mapping of names to entries; use entries with a type, such as env"
    assert [line.partition(" is ")[0] for line in found] == ["secrets.s", "secrets.k8s.token"]
    assert "canary" not in str(found)


def test_how_long_is_watched_is_looked_at_before_the_run() -> None:
    """With a line of its own."""
    assert refusals(GOOD, observe_s=True) == [
        "configuration.observe_s is True; nothing was changed; use a number from 1 to 21600"
    ]
