"""`chaos cp kubeconfig` against a real API server and signer: who each identity is, and what nothing is left of."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.conftest import Testbed

pytestmark = pytest.mark.testbed

PEOPLE = ("global-default", "global-default")
ACCOUNTS = ("service-accounts", "workload-low")
EXEMPT = ("exempt", "exempt")


def made(testbed: Testbed, file: Path, *options: str) -> dict[str, Any]:
    """Make the file as the testbed's administrator, and return what the command says of it."""
    command = ("chaos", "cp", "kubeconfig", "--context=admin", "--break-glass-context=break-glass", "--hours=1")
    ended = testbed.run(*command, f"--output={file}", "--json", *options)
    assert ended.returncode == 0, ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    assert testbed.get("certificatesigningrequests")["items"] == []
    return result


def flows(result: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    """User, FlowSchema and priority level of each identity."""
    keys = ("user", "flow_schema", "priority_level")
    return {name: (one[keys[0]], one[keys[1]], one[keys[2]]) for name, one in result["identities"].items()}


def may(testbed: Testbed, file: Path, context: str, *what: str) -> bool:
    """Whether a context of the file may do something, as kubectl says."""
    asked = ("kubectl", f"--kubeconfig={file}", f"--context={context}", "auth", "can-i", *what)
    return testbed.run(*asked).stdout.strip() == "yes"


def test_one_administrator_makes_every_identity(testbed: Testbed, tmp_path: Path) -> None:
    """By certificates, then by tokens with the shipped manifests; rights and flows are what the page says."""
    file = tmp_path / "certificates"
    result = made(testbed, file)
    assert result["warnings"] == []
    assert flows(result) == {
        "runner": ("chaoslib-cp-runner", *PEOPLE),
        "observer": ("chaoslib-cp-observer", *PEOPLE),
        "admin": ("chaoslib-cp-admin", *PEOPLE),
        "break-glass": ("break-glass", *EXEMPT),
    }
    assert may(testbed, file, "admin", "*", "*")
    assert may(testbed, file, "runner", "list", "nodes")
    assert not may(testbed, file, "observer", "list", "nodes")

    listed = testbed.run("chaos", "cp", "manifests", "--service-accounts", "--json")
    accounts = json.loads(listed.stdout)
    own = [
        one
        for one in accounts["items"]
        if one["kind"] == "ServiceAccount" or one["metadata"]["name"].endswith("-admin")
    ]
    manifests = tmp_path / "accounts.json"
    manifests.write_text(json.dumps({**accounts, "items": own}))
    testbed.kubectl("create", f"--filename={manifests}")
    try:
        file = tmp_path / "tokens"
        user = "system:serviceaccount:chaoslib-cp:chaoslib-cp-"
        expected = {name: (user + name, *ACCOUNTS) for name in ("runner", "observer", "admin")}
        assert flows(made(testbed, file, "--tokens")) == {**expected, "break-glass": ("break-glass", *EXEMPT)}
        assert may(testbed, file, "admin", "*", "*")
    finally:
        testbed.kubectl("delete", f"--filename={manifests}")
