"""Plugins: what they give is used, what they do wrong is one line without their words, and none holds us up."""

import time
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.cluster.door import exec_plugin
from chaoslib_cp.cluster.door.connect import describe, open_cluster
from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.kubeconfigs import a_plugin, replace_user, says

CANARY = "canary-token-7f3a9"


def test_its_token_is_used(kube: KubeObjects, tmp_path: Path) -> None:
    """And it is told that nobody can answer it."""
    told = tmp_path / "told"
    replace_user(kube, "runner", a_plugin(tmp_path, f'echo "$KUBERNETES_EXEC_INFO $A" > {told}; {says(CANARY)}'))
    document = kube.kubeconfig.read_text().replace(
        "interactiveMode: Never", "interactiveMode: Never\n      env: [{name: A, value: b}]"
    )
    kube.kubeconfig.write_text(document)
    with open_cluster(kube.settings()) as cluster:
        cluster.get("/version")
    assert kube.server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"
    assert '"interactive": false' in told.read_text()
    assert told.read_text().endswith("} b\n")


def test_its_certificate_is_used(kube: KubeObjects, tmp_path: Path) -> None:
    """As some clouds' plugins give one."""
    pem = {
        key: (kube.folder / f"user-admin.{end}").read_text().replace("\n", "\\\\n")
        for key, end in (("clientCertificateData", "crt"), ("clientKeyData", "key"))
    }
    replace_user(kube, "runner", a_plugin(tmp_path, says(**pem)))
    with open_cluster(kube.settings()) as cluster:
        cluster.get("/version")
    assert kube.server.requests[-1].peer_name == "user-admin"


def test_one_that_hangs_is_killed_with_what_it_started_and_not_waited_for_again(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a browser that nobody has: kubelogin#1366."""
    pid_file = tmp_path / "pid"
    monkeypatch.setattr(exec_plugin.Plugin.run, "__defaults__", (0.5,))
    replace_user(kube, "runner", a_plugin(tmp_path, f"sleep 600 & echo $! > {pid_file}; wait"))
    began_s = time.monotonic()
    with pytest.raises(TargetUnreachable, match=r"its plugin .*/plugin did not end within .* and was killed"):
        open_cluster(kube.settings())
    with pytest.raises(TargetUnreachable, match="was not run again: it hung a moment ago"):
        open_cluster(kube.settings())
    assert time.monotonic() - began_s < 5
    assert not Path(f"/proc/{int(pid_file.read_text())}/root").exists() or _is_dead(int(pid_file.read_text()))


def _is_dead(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_it_gave_is_used_for_other_connections_while_it_is_good(kube: KubeObjects, tmp_path: Path) -> None:
    """A run opens dozens; the plugins of clouds need seconds."""
    count = tmp_path / "count"
    far = "$(date -u -d '+10 minutes' +%Y-%m-%dT%H:%M:%SZ)"
    replace_user(kube, "runner", a_plugin(tmp_path, f"echo x >> {count}; {says('t', far)}"))
    for _ in range(3):
        open_cluster(kube.settings()).close()
    assert count.read_text() == "x\n"
    assert 500 < describe(kube.settings()).login.due_in_s() < 600


ANSWERS = {
    "no JSON": ("echo hello", "gave no ExecCredential with a status"),
    "a failure": (f"echo {CANARY} >&2; exit 3", "ended with status 3"),
    "another version": ('printf \'%s\' \'{"apiVersion":"v9","kind":"ExecCredential","status":{}}\'', "of client"),
    "nothing": (says(), "gave neither a token nor a certificate"),
    "a certificate alone": (says(clientCertificateData="x"), "gave a certificate without its key"),
    "a time that is none": (says(CANARY, "tomorrow"), "gave no ExecCredential with a status"),
    "a line break in a token": (says(CANARY + "\\\\nx"), "its token holds a line break"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_is_none_is_refused_without_its_words(kube: KubeObjects, tmp_path: Path, case: str) -> None:
    """They may hold a token."""
    script, words = ANSWERS[case]
    replace_user(kube, "runner", a_plugin(tmp_path, script))
    with pytest.raises(TargetRefused, match=words) as caught:
        open_cluster(kube.settings())
    assert CANARY not in str(caught.value)
    assert "; nothing was changed; " in str(caught.value)
    assert kube.server.requests == []


SPECS: dict[str, tuple[dict[str, Any], str]] = {
    "no command": ({"command": ""}, "has no command that is text"),
    "no such command": ({"command": "no-such-program", "installHint": "install it"}, r"No such file.*\(install it\)"),
    "a terminal": ({"interactiveMode": "Always"}, "always wants a terminal"),
    "no mode": ({"interactiveMode": None}, "must say interactiveMode"),
    "a version of old": ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "has another apiVersion than"),
    "arguments as text": ({"args": "get-token"}, "the exec has args, which must be a list"),
    "variables as a mapping": ({"env": {"A": "b"}}, "the exec has env, which must be a list"),
    "a key that nobody knows": ({"timeout": 5}, "the exec has a key 'timeout', which is not known here"),
}


@pytest.mark.parametrize("case", SPECS)
def test_a_plugin_that_cannot_be_run_is_refused(kube: KubeObjects, tmp_path: Path, case: str) -> None:
    """By what is wrong with it."""
    changed, words = SPECS[case]
    user = a_plugin(tmp_path, says("t"))
    user["exec"].update(changed)
    replace_user(kube, "runner", user)
    with pytest.raises(TargetRefused, match=words):
        open_cluster(kube.settings())
    assert kube.server.requests == []
