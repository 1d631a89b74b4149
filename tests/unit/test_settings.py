"""What a run was told: configuration first, then the environment, read once; nothing is refused while it is read."""

import sys
from collections import Counter
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.activity import settings_of
from chaoslib_cp.rollout.actions import start_agent_rollout
from chaoslib_cp.settings import IDENTITIES, OWN_KEYS, Settings, Told, context_key, read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import PROFILE

ENVIRONMENT = {
    "KUBECONFIG": "/env/kubeconfig",
    "KUBERNETES_CONTEXT": "env-runner",
    "CHAOSLIB_CP_CLUSTER_UID": "env-uid",
    "CHAOSLIB_CP_ALLOWED_CONTEXTS": "a,b",
    "CHAOSLIB_CP_INFRASTRUCTURE": "testbed",
}
CONFIGURATION: dict[str, Any] = {
    "kubeconfig": "/given/kubeconfig",
    "runner_context": "given-runner",
    "admin_context": "given-admin",
    "cluster_uid": "given-uid",
    "allowed_contexts": ["c"],
    "infrastructure": "kind",
    "max_nodes": 7,
    "observe_s": "60",
    "observe_periods_s": {"api_read": 1.0},
    "observe_deadlines_s": {"api_read": 2.0},
    "prober_pages": ["127.0.0.1:1"],
    "agent_image": "registry.example.org/cp:1",
    "image_pull_secret": "regcred",
    "chaoslib_cp_run_dir": "/runs/r-1",
}
# Where this process has opened the kubeconfig, while a test looks: a hook of the interpreter cannot be taken away.
_OPENED: list[Counter[str]] = []


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _OPENED and isinstance(arguments[0], str):
        _OPENED[-1][arguments[0]] += 1


sys.addaudithook(_count)


def test_the_configuration_counts_before_the_environment() -> None:
    """The experiment file says more exactly what is meant."""
    told = read_settings(CONFIGURATION, None, ENVIRONMENT)
    assert (told.kubeconfig, told.infrastructure) == ("/given/kubeconfig", "kind")
    assert [told.context(identity) for identity in IDENTITIES] == [
        "given-runner", "given-admin", "break-glass", "observer",
    ]  # fmt: skip
    assert (told.max_nodes, told.observe_s, told.prober_pages) == (7, "60", ["127.0.0.1:1"])
    assert (told.observe_periods_s, told.observe_deadlines_s) == ({"api_read": 1.0}, {"api_read": 2.0})
    assert told.run_dir == Path("/runs/r-1")
    assert (told.agent_image, told.image_pull_secret) == ("registry.example.org/cp:1", "regcred")


@pytest.mark.parametrize("configuration", [None, {}, dict.fromkeys(OWN_KEYS, "")])
def test_the_environment_counts_where_the_configuration_says_nothing(configuration: dict[str, Any] | None) -> None:
    """An empty text is what an experiment says whose own variable is not set."""
    told = read_settings(configuration, None, ENVIRONMENT)
    assert (told.kubeconfig, told.infrastructure) == ("/env/kubeconfig", "testbed")
    assert (told.context("runner"), told.context("admin")) == ("env-runner", "admin")
    assert told.cluster_uids == (Told("CHAOSLIB_CP_CLUSTER_UID", "env-uid"),)
    assert told.allowed_contexts == (Told("CHAOSLIB_CP_ALLOWED_CONTEXTS", "a,b"),)
    assert told.run_dir is None


def test_without_both_nothing_is_named() -> None:
    """Never silently ~/.kube/config."""
    told = read_settings(None, None, {})
    assert told == Settings()
    assert (told.names_a_cluster, told.infrastructure, told.max_nodes) == (False, "none", 300)


def test_each_place_that_limits_a_run_is_kept_with_its_name() -> None:
    """Neither gives way: the environment binds every experiment, whatever its file says."""
    told = read_settings(CONFIGURATION, None, ENVIRONMENT)
    assert told.cluster_uids == (
        Told("configuration.cluster_uid", "given-uid"),
        Told("CHAOSLIB_CP_CLUSTER_UID", "env-uid"),
    )
    assert told.allowed_contexts == (
        Told("configuration.allowed_contexts", ["c"]),
        Told("CHAOSLIB_CP_ALLOWED_CONTEXTS", "a,b"),
    )


def test_the_runner_has_its_context_from_chaosk8s_keys_too() -> None:
    """Configuration, then secrets, then the environment; other identities only from the configuration."""
    secrets = {"KUBERNETES_CONTEXT": "secret-runner"}
    assert read_settings(CONFIGURATION, secrets, ENVIRONMENT).context("runner") == "given-runner"
    told = read_settings({}, secrets, ENVIRONMENT)
    assert [told.context(identity) for identity in IDENTITIES] == ["secret-runner", *IDENTITIES[1:]]


@pytest.mark.parametrize(
    ("secrets", "environ"),
    [
        ({"KUBERNETES_HOST": "https://h"}, {}),
        ({}, {"KUBERNETES_HOST": "https://h"}),
        ({}, {"CHAOSTOOLKIT_IN_POD": "true"}),
    ],
)
def test_chaosk8s_own_keys_name_a_cluster(secrets: dict[str, str], environ: dict[str, str]) -> None:
    """As the official client's factory reads them."""
    assert read_settings(None, secrets, environ).names_a_cluster
    assert not read_settings(None, None, {"CHAOSTOOLKIT_IN_POD": "false"}).names_a_cluster


def test_nothing_is_refused_while_it_is_read() -> None:
    """Whoever uses a value says what is wrong with it, so that one refusal can name all of them."""
    wrong = {key: object() for key in OWN_KEYS - {"chaoslib_cp_run_dir"}}
    told = read_settings(wrong, None, {})
    assert (told.observe_s, told.max_nodes) == (wrong["observe_s"], wrong["max_nodes"])


def test_settings_stay_as_they_are_and_secrets_are_never_shown() -> None:
    """They end up in logs and tracebacks."""
    told = settings_of(None, {"KUBERNETES_API_KEY": "canary"})
    assert told.secrets == {"KUBERNETES_API_KEY": "canary"}
    assert "canary" not in repr(told)
    for field in fields(told):
        with pytest.raises(FrozenInstanceError):
            setattr(told, field.name, None)


@pytest.mark.parametrize(
    ("run_dir", "run", "on_cluster"),
    [
        (None, "adhoc", "adhoc-11111111"),
        ("/runs/20261127T000000Z-abcdef-x y", "20261127T000000Z-abcdef-x-y", "20261127T000000Z-abcdef-x-y"),
        ("/runs/---", "adhoc", "adhoc-11111111"),
        (f"/runs/{'a' * 80}", "a" * 63, "a" * 63),
    ],
)
def test_a_run_has_the_name_of_its_folder_or_of_its_cluster(run_dir: str | None, run: str, on_cluster: str) -> None:
    """A label value and a file name; without a control there is one use for each cluster."""
    told = Settings(run_dir=Path(run_dir) if run_dir else None)
    assert (told.run, told.run_on("1111-1111-2222")) == (run, on_cluster)
    assert told.is_without_control == (run == "adhoc")
    assert Settings().run_on("--") == "adhoc-unknown"


def test_another_way_to_a_cluster_changes_only_what_it_names() -> None:
    """A log of an earlier run says how its cluster was reached; what it does not say stays."""
    told = read_settings(CONFIGURATION, None, {})
    other = told.reached_by("/other", {"runner": "r"})
    assert (other.kubeconfig, other.context("runner"), other.context("admin")) == ("/other", "r", "given-admin")
    assert told.reached_by("", {}) == told
    assert replace(other, kubeconfig=told.kubeconfig, contexts=told.contexts) == told


def test_every_identity_has_a_key() -> None:
    """Keys are written with underscores, contexts with hyphens."""
    assert context_key("break-glass") == "break_glass_context"
    assert {context_key(identity) for identity in IDENTITIES} <= OWN_KEYS


def test_an_action_reads_the_kubeconfig_a_few_times(kube: KubeObjects) -> None:
    """Once for us, and once for each identity by the official client, which takes no document from us."""
    _OPENED.append(Counter())
    try:
        start_agent_rollout(PROFILE, duration_s=60.0, configuration=kube.configuration())
    finally:
        opened = _OPENED.pop()
    assert opened[str(kube.kubeconfig)] <= 1 + len(IDENTITIES)
