"""Manifests for ServiceAccounts and for a group of administrators: whatever a user may, its ServiceAccount may."""

from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.credentials.who import MADE, account_name


def printed(*options: str) -> list[dict[str, Any]]:
    """What `chaos cp manifests` prints."""
    done = CliRunner().invoke(cp, ["manifests", *options])
    assert done.exit_code == 0, done.output
    return list(yaml.safe_load_all(done.stdout))


def subjects(manifests: list[dict[str, Any]], kind: str) -> dict[tuple[str, str, str], set[str]]:
    """Subjects of one kind, by the binding they stand in."""
    return {
        (one["kind"], one["metadata"]["name"], one["metadata"].get("namespace", "")): {
            subject["name"] for subject in one["subjects"] if subject["kind"] == kind
        }
        for one in manifests
        if "roleRef" in one
    }


def test_every_user_has_a_service_account_of_the_same_rights() -> None:
    """Only where that was asked for; the administrator, who has no role of ours, is cluster-admin by a binding."""
    usual, asked = printed(), printed("--service-accounts")
    assert set().union(*subjects(usual, "ServiceAccount").values()) == set()
    users, accounts = subjects(asked, "User"), subjects(asked, "ServiceAccount")
    binding = ("ClusterRoleBinding", account_name("admin"), "")
    assert accounts.pop(binding) == {account_name("admin")}
    assert users.pop(binding) == set()
    assert users == accounts == subjects(usual, "User")
    made = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in asked if one["kind"] == "ServiceAccount"}
    assert made == {("chaoslib-cp", account_name(identity)) for identity in MADE}


@pytest.mark.parametrize("options", [[], ["--service-accounts"]])
def test_a_group_can_be_made_cluster_admin(options: list[str]) -> None:
    """For clusters where nobody but system:masters is."""
    (binding,) = (
        one
        for one in printed("--admin-group", "ops", *options)
        if one["metadata"]["name"] == account_name("admin") and "roleRef" in one
    )
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "ops"} in binding["subjects"]
