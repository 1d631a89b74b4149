"""`chaos cp kubeconfig`: one file with a run's identities, or a refusal, and nothing left either way."""

import base64
import json
import shlex
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.credentials.signing import REQUESTS
from chaoslib_cp.settings import IDENTITIES
from tests.fakes.api_server import RESET, Answer
from tests.fakes.certificates import Authority
from tests.fakes.flow_control import FLOW_CONTROL, FlowControl
from tests.fakes.kube_objects import WHO_AM_I, KubeObjects
from tests.fakes.signer import Signer
from tests.scaffold.kubeconfigs import change_cluster, replace_user

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@dataclass
class Place:
    """A cluster that gives credentials, and the file to write."""

    kube: KubeObjects
    signer: Signer
    flow_control: FlowControl
    file: Path

    def run(self, *options: str, **environment: str) -> Result:
        """Make the file with these options."""
        variables = {"KUBECONFIG": str(self.kube.kubeconfig), **environment}
        return CliRunner().invoke(cp, ["kubeconfig", "--output", str(self.file), *options], env=variables)

    def refused(self, result: Result) -> str:
        """What a refusal says; nothing was written and no request is left."""
        assert result.exit_code in (1, 2), result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert self.signer.left() == []
        return " ".join(result.stderr.split())

    def bind(self, group: str, name: str = "some-admins") -> None:
        """Make a group cluster-admin."""
        self.kube.objects[f"{BINDINGS}/{name}"] = {
            "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "Group", "name": "system:masters"}, {"kind": "Group", "name": group}],
        }


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A cluster as kubeadm makes it, without a file yet."""
    for name in ("KUBERNETES_HOST", "KUBERNETES_CONTEXT", "CHAOSTOOLKIT_IN_POD"):
        monkeypatch.delenv(name, raising=False)
    authority = Authority(tmp_path)
    with KubeObjects(tmp_path / "kubeadm", authority=authority) as kube:
        made = Place(kube, Signer(kube, authority), FlowControl(kube), tmp_path / "test-cluster.kubeconfig")
        made.bind("kubeadm:cluster-admins")
        made.flow_control.groups["user-break-glass"] = ("system:masters",)
        yield made


def document(file: Path) -> dict[str, Any]:
    """What a kubeconfig holds."""
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


def users(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """The users of a kubeconfig."""
    return {one["name"]: one["user"] for one in document(file)["users"]}


def test_one_admin_makes_the_whole_file(place: Place) -> None:
    """Four contexts, for the owner only; the keys stay here, the requests are gone."""
    done = place.run("--break-glass-context", "break-glass", "--hours", "1", "--json")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[0] == (
        f"context 'admin' of {place.kube.kubeconfig} makes the credentials, at "
        f"https://127.0.0.1:{place.kube.server.port}"
    )
    result = json.loads(done.stdout)
    assert {name: one["user"] for name, one in result["identities"].items()} == {
        "runner": "chaoslib-cp-runner",
        "observer": "chaoslib-cp-observer",
        "admin": "chaoslib-cp-admin",
        "break-glass": "user-break-glass",
    }
    assert (result["warnings"], result["identities"]["break-glass"]["is_exempt"]) == ([], True)
    content = document(place.file)
    assert {one["name"] for one in content["contexts"]} == set(IDENTITIES)
    assert (content["current-context"], len(content["clusters"])) == ("admin", 1)
    assert stat.S_IMODE(place.file.stat().st_mode) == 0o600
    assert place.signer.left() == []
    sent = b"".join(request.body for request in place.kube.server.requests).decode()
    for user in users(place.file).values():
        assert set(user) == {"client-certificate-data", "client-key-data"}
        for text in (done.output, sent):
            assert user["client-key-data"] not in text
            assert base64.b64decode(user["client-key-data"]).decode() not in text
    assert [file.name for file in place.file.parent.glob(".*")] == []


def test_certificates_are_asked_for_as_few_rights_and_as_short_as_can_be(place: Place) -> None:
    """Client authentication, no group but the administrator's, and no longer than was asked."""
    assert place.run("--hours", "3").exit_code == 0
    asked = place.signer.requests
    assert {one["signerName"] for one in asked.values()} == {"kubernetes.io/kube-apiserver-client"}
    assert [one["usages"] for one in asked.values()] == [["client auth"]] * 3
    assert {one["expirationSeconds"] for one in asked.values()} == {10800}
    assert {user: one["groups"] for user, one in asked.items()} == {
        "chaoslib-cp-runner": [],
        "chaoslib-cp-observer": [],
        "chaoslib-cp-admin": ["kubeadm:cluster-admins"],
    }


def test_the_group_of_the_administrator(place: Place) -> None:
    """As named; else kubeadm's; else that of our own binding; else there is none, and the line says what to do."""
    assert place.run("--admin-group", "my:admins").exit_code == 0
    assert place.signer.requests["chaoslib-cp-admin"]["groups"] == ["my:admins"]
    place.file.unlink()
    place.kube.objects.pop(f"{BINDINGS}/some-admins")
    place.bind("others")
    said = place.refused(place.run())
    assert "(groups that are cluster-admin: others); nothing was changed; name a group with --admin-group" in said
    place.bind("ours", "chaoslib-cp-admin")
    assert place.run().exit_code == 0
    assert place.signer.requests["chaoslib-cp-admin"]["groups"] == ["ours"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--context", "nobody"], "has no context 'nobody' (it has: runner, admin, break-glass, observer, agent)"),
        (["--admin-group", "system:masters"], "is exempt from priority and fairness, and the API server signs nobody"),
        (["--admin-group", "x", "--tokens"], "a ServiceAccount is in no group of yours"),
        (["--break-glass-context", "x"], "nothing was changed; name one with --break-glass-context"),
        (["--break-glass-file", "/nonexistent"], "kubeconfig /nonexistent: No such file or directory"),
        (["--output", "/nonexistent/file"], "/nonexistent/file cannot be written; nothing was changed"),
        (["--output", "/proc/file"], "/proc/file cannot be written; nothing was changed"),
        (["--hours", "0"], "0 is not in the range 1<=x<=8760"),
        (["--tokens"], "no ServiceAccount chaoslib-cp-runner in namespace chaoslib-cp; nothing was changed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_made(place: Place, options: list[str], says: str) -> None:
    """One line that says what to do."""
    assert says in place.refused(place.run(*options))
    assert [one.path for one in place.kube.writes() if not one.path.endswith("/token")] == []
    assert not place.file.exists()


def test_no_kubeconfig_is_ever_guessed(place: Place, tmp_path: Path) -> None:
    """Not ~/.kube/config, not one of several, and no context where the file has no current one."""
    assert "~/.kube/config is never used silently" in place.refused(place.run(KUBECONFIG=""))
    assert "names several files" in place.refused(place.run(KUBECONFIG=f"{place.kube.kubeconfig}:{tmp_path}"))
    content = document(place.kube.kubeconfig)
    del content["current-context"]
    place.kube.kubeconfig.write_text(yaml.safe_dump(content))
    said = place.refused(place.run())
    assert "has no current context (it has: runner, admin, break-glass, observer, agent)" in said
    assert "name one with --context" in said
    change_cluster(place.kube, certificate_authority=None)
    assert "names no certificate authority" in place.refused(place.run("--context", "admin"))


def test_a_context_that_says_production_is_refused(place: Place) -> None:
    """In the new file its name would be gone, and with it a sign that the gate looks for."""
    place.kube.rename_context("admin", "eu-prod-1")
    said = place.refused(place.run("--context", "eu-prod-1"))
    assert "the name of context eu-prod-1 says production" in said
    assert "nothing was changed; if it is a test cluster: kubectl config rename-context eu-prod-1 NEW" in said
    assert place.kube.server.requests == []


def test_files_of_yours_stay(place: Place) -> None:
    """An existing file is replaced with --force only, and the one that is read never."""
    place.file.write_text("mine")
    assert f"{place.file} exists; nothing was changed" in place.refused(place.run())
    assert place.file.read_text() == "mine"
    said = place.refused(place.run("--force", "--break-glass-file", "/nonexistent"))
    assert "kubeconfig /nonexistent: No such file or directory" in said
    before = place.kube.kubeconfig.read_text()
    for force in ([], ["--force"]):
        said = place.refused(place.run("--output", str(place.kube.kubeconfig), *force))
        assert "is the kubeconfig that is read, which stays" in said
    assert place.kube.kubeconfig.read_text() == before
    place.file.chmod(0o644)
    assert place.run("--force").exit_code == 0
    assert (stat.S_IMODE(place.file.stat().st_mode), document(place.file)["kind"]) == (0o600, "Config")


@pytest.mark.parametrize(
    ("method", "path", "answer", "times"),
    [
        ("POST", REQUESTS, Answer(403), 1),
        ("POST", REQUESTS, RESET, 1),
        ("GET", f"{REQUESTS}/chaoslib-cp-observer", Answer(503), 1),
        ("POST", WHO_AM_I, Answer(401), 1),
        ("POST", WHO_AM_I, RESET, 1),
    ],
)
@pytest.mark.parametrize("can_delete", [True, False])
def test_an_error_halfway_leaves_nothing(
    place: Place, method: str, path: str, answer: Answer, times: int, can_delete: bool
) -> None:
    """No file, no request; a request that cannot be deleted is named, with the command that deletes it."""
    place.kube.fail_next(method, path, answer, times, after_the_write=True)
    if path == WHO_AM_I:
        place.kube.server.on("POST", WHO_AM_I, answer)
    if not can_delete:
        place.kube.fail_next("DELETE", REQUESTS, Answer(403), 1)
    done = place.run()
    assert (done.exit_code, done.stdout, place.file.exists()) == (1, "", False)
    assert len(done.stderr.splitlines()) == 2
    left = place.signer.left()
    assert len(left) == (0 if can_delete else 1)
    assert all(f"kubectl delete certificatesigningrequests --ignore-not-found {name}" in done.stderr for name in left)


def test_a_request_that_stays_is_no_failure(place: Place) -> None:
    """The file is good; the warning names the request."""
    place.kube.fail_next("DELETE", REQUESTS, Answer(503), 1)
    done = place.run("--break-glass-context", "break-glass")
    assert done.exit_code == 0
    (name,) = place.signer.left()
    (warning,) = [line for line in done.stdout.splitlines() if line.startswith("Warning: ")]
    assert warning.endswith(f"--ignore-not-found {name}")


def test_approvals_are_tried_again_when_somebody_else_wrote_in_between(place: Place) -> None:
    """And given up when that goes on; a denial is told in the denier's words."""
    place.signer.approvals = [Answer(409), Answer(409)]
    assert place.run().exit_code == 0
    place.signer.approvals = [Answer(409)] * 3
    assert "could not approve the certificate request for chaoslib-cp-runner: 409" in place.refused(
        place.run("--force")
    )


def test_who_the_api_server_sees_must_be_who_was_asked_for(place: Place) -> None:
    """Something in between may log in as somebody else."""
    stranger = {"status": {"userInfo": {"username": "proxy", "groups": []}}}
    place.kube.server.on("POST", WHO_AM_I, Answer(201, body=json.dumps(stranger).encode()))
    said = place.refused(place.run())
    assert "takes runner for user 'proxy' and not for chaoslib-cp-runner; no file was written" in said
    assert not place.file.exists()


def test_break_glass_comes_from_another_file_as_it_works_there(place: Place, tmp_path: Path) -> None:
    """Relative files and programs count from that file's folder; its own server is kept; nothing else is copied."""
    other = document(place.kube.kubeconfig)
    other["clusters"][0]["cluster"]["server"] += "/"
    other["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
    other["current-context"] = "break-glass"
    (tmp_path / "super").mkdir()
    file = tmp_path / "super" / "super-admin.conf"
    for user in other["users"]:
        for key in ("client-certificate", "client-key"):
            user["user"][key] = f"../{Path(user['user'][key]).relative_to(tmp_path)}"
    file.write_text(yaml.safe_dump(other))
    done = place.run("--break-glass-file", str(file))
    assert done.exit_code == 0, done.output
    content = document(place.file)
    assert [one["cluster"].get("tls-server-name") for one in content["clusters"]] == [None, "localhost"]
    assert content["contexts"][-1]["context"] == {"cluster": "test-cluster-1", "user": "break-glass"}
    assert set(users(place.file)["break-glass"]) == {"client-certificate-data", "client-key-data"}
    assert place.run("--output", str(file), "--break-glass-file", str(file), "--force").exit_code == 1


def test_a_break_glass_that_runs_a_program_runs_it_from_anywhere(place: Place, tmp_path: Path) -> None:
    """It is copied as a plugin, with its full path; its token is not."""
    program = tmp_path / "kubeadm" / "plugin"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    answer = shlex.quote(json.dumps({**credential, "status": {"token": "token-of-root"}}))
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o700)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}
    replace_user(place.kube, "break-glass", {"exec": plugin})
    done = place.run("--break-glass-context", "break-glass")
    assert done.exit_code == 0, done.output
    assert users(place.file)["break-glass"] == {"exec": {**plugin, "command": str(program)}}
    assert "token-of" not in done.output + place.file.read_text()


def test_a_break_glass_of_another_cluster_is_refused(place: Place, tmp_path: Path) -> None:
    """It would be tried in the middle of a storm, and fail."""
    with KubeObjects(tmp_path / "elsewhere") as other:
        said = place.refused(
            place.run("--break-glass-file", str(other.kubeconfig), "--break-glass-context", "break-glass")
        )
    assert "cluster of the admin: it has another certificate authority" in said
    assert place.kube.writes() == []


@pytest.mark.parametrize(
    ("schemas", "says"),
    [
        ({"user-break-glass": "global-default"}, "break-glass is not exempt: its requests wait in priority level"),
        ({"chaoslib-cp-admin": "exempt"}, "admin is exempt from priority and fairness"),
        (
            {"chaoslib-cp-runner": "one-for-all", "chaoslib-cp-admin": "one-for-all"},
            "runner and admin share a flow in priority level workload-low (FlowSchema one-for-all)",
        ),
    ],
)
def test_what_spoils_a_run_is_told_beside_each_flow(place: Place, schemas: dict[str, str], says: str) -> None:
    """The file is made; what it means for a run is one warning."""
    place.flow_control.schema_of.update(schemas)
    done = place.run("--break-glass-context", "break-glass")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    warnings = [line for line in lines if line.startswith("Warning: ")]
    assert [says in line for line in warnings] == [True]
    flows = {line.split()[0]: line for line in lines[:4]}
    for user, schema in schemas.items():
        identity = user.removeprefix("chaoslib-cp-").removeprefix("user-")
        assert f"FlowSchema {schema}, priority level " in flows[identity]
    assert max(map(len, lines)) <= 200


def test_without_the_package_for_keys_it_says_how_to_get_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and nothing was sent that changes anything; tokens do without it."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.delitem(sys.modules, "chaoslib_cp.cluster.credentials.certificates")
    said = place.refused(place.run())
    assert "chaos cp kubeconfig needs the Python package cryptography, which is not installed; nothing was" in said
    assert place.kube.writes() == []
    place.signer.add_accounts()
    assert place.run("--tokens").exit_code == 0


def test_what_is_not_known_is_said(place: Place) -> None:
    """No break-glass, no names of flows, no priority and fairness at all, a shorter life."""
    place.kube.fail_next("GET", FLOW_CONTROL, Answer(403))
    place.flow_control.is_on = False
    place.signer.at_most_s = 3600
    done = place.run("--json")
    assert done.exit_code == 0
    warnings = json.loads(done.stdout)["warnings"]
    for says in (
        "FlowSchemas have no names here",
        "no context break-glass",
        "the API server has no priority and fairness",
        "the cluster gave less time than was asked for: runner ends at",
    ):
        assert sum(says in warning for warning in warnings) == 1
    assert {one["name"] for one in document(place.file)["contexts"]} == {"runner", "observer", "admin"}


def test_tokens_where_nobody_signs(place: Place) -> None:
    """ServiceAccounts in the place of users; tokens are never shown, and no request for a certificate is made."""
    place.signer.add_accounts()
    done = place.run("--tokens", "--break-glass-context", "break-glass")
    assert done.exit_code == 0, done.output
    assert "in other flows than a person's" in done.stdout
    assert "FlowSchema service-accounts, priority level workload-low" in done.stdout
    tokens = {name: user.get("token") for name, user in users(place.file).items()}
    accounts = "token-of-system:serviceaccount:chaoslib-cp:chaoslib-cp-"
    assert tokens == {**{name: accounts + name for name in ("runner", "observer", "admin")}, "break-glass": None}
    assert "token-of" not in done.output
    assert place.signer.requests == {}
