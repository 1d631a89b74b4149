"""The commands `chaos cp ...` against a testbed that is up."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from chaoslib_cp.check.table import CHECKS
from chaoslib_cp.testbed.commands import GONE_WITHIN_S
from tests.places import ROOT
from tests.testbed.conftest import CHAOS, Testbed, chaos_cp

pytestmark = pytest.mark.testbed

EXPERIMENT = ROOT / "experiments" / "openai-2024-12-11.json"


def test_exec_keeps_exit_code_and_standard_output(testbed: Testbed) -> None:
    """`exec` is transparent: what the command prints and how it ends is what the caller gets."""
    ended = testbed.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ended.returncode, ended.stdout) == (7, "out\n")
    assert "err" in ended.stderr


def test_exec_json_is_one_value(testbed: Testbed) -> None:
    """With --json a program can read the result, whatever the command itself writes."""
    ended = chaos_cp("exec", "--name", testbed.name, "--json", "--", "sh", "-c", "echo noise; exit 3")
    assert json.loads(ended.stdout) == {"command": ["sh", "-c", "echo noise; exit 3"], "exit_code": 3}
    assert "noise" in ended.stderr
    assert ended.returncode == 3


def test_commands_inside_know_their_testbed(testbed: Testbed) -> None:
    """Inside, `--name` need not be given again."""
    ended = testbed.run("chaos", "cp", "status", "--json")
    assert json.loads(ended.stdout)["name"] == testbed.name


def test_down_from_inside_is_refused_at_once(testbed: Testbed) -> None:
    """Nobody can end the namespace he is in: `down` says where to run it instead, and the testbed stays up."""
    started_at_s = time.monotonic()
    ended = testbed.run("chaos", "cp", "down")
    assert time.monotonic() - started_at_s < GONE_WITHIN_S
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "cannot be taken down from inside; nothing was changed; leave its shell" in ended.stderr
    assert f"run: chaos cp down --name {testbed.name}" in ended.stderr
    assert testbed.kubectl("get", "--raw", "/readyz") == "ok"


def test_env_names_every_context(testbed: Testbed) -> None:
    """`env` prints the kubeconfig and the four people in it."""
    ended = chaos_cp("env", "--name", testbed.name, "--json")
    answer = json.loads(ended.stdout)
    assert answer["variables"]["KUBECONFIG"] == testbed.state["kubeconfig"]
    assert answer["contexts"] == ["runner", "admin", "break-glass", "observer", "agent"]


def test_plain_chaos_run_from_outside_is_refused_with_the_command_that_works(testbed: Testbed, tmp_path: Path) -> None:
    """Outside nothing answers at the testbed's addresses; the refusal names the way in, and nothing is played."""
    outside = {key: value for key, value in os.environ.items() if key != "CHAOSLIB_CP_TESTBED"}
    ended = subprocess.run(
        [*CHAOS, "run", str(EXPERIMENT)],
        env={**outside, "KUBECONFIG": testbed.state["kubeconfig"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert f"run: chaos cp exec --name {testbed.name} -- chaos run" in ended.stderr
    assert "roll the telemetry agent out" not in ended.stderr


def test_mark_needs_the_uid_that_it_told(testbed: Testbed) -> None:
    """A cluster is marked only by somebody who has read which one it is; asking first changes nothing."""
    before = marked_by(testbed)
    asked = testbed.run("chaos", "cp", "mark", "--owner", "somebody else")
    assert asked.returncode == 1
    assert f"--cluster-uid {testbed.state['cluster_uid']}" in asked.stderr
    wrong = testbed.run("chaos", "cp", "mark", "--owner", "somebody else", "--cluster-uid", "0000")
    assert wrong.returncode == 1
    assert marked_by(testbed) == before


def test_mark_can_be_renewed(testbed: Testbed) -> None:
    """The owner marks again, and the gate sees the new owner."""
    uid = testbed.state["cluster_uid"]
    ended = testbed.run("chaos", "cp", "mark", "--owner", "me@example.org", "--cluster-uid", uid, "--json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["cluster_uid"] == uid
    assert marked_by(testbed) == "me@example.org"


def marked_by(testbed: Testbed) -> str:
    """Return the owner whom the mark names."""
    mark = testbed.get("configmap", "--namespace", "kube-public", "chaoslib-cp-test-cluster")
    return str(mark["data"]["owner"])


def test_check_finds_nothing_wrong_and_changes_nothing(testbed: Testbed) -> None:
    """A testbed has all that the shipped experiment needs; every check has looked."""
    ended = testbed.run("chaos", "cp", "check", "--json", str(EXPERIMENT))
    findings = json.loads(ended.stdout)
    assert [one for one in findings if one["level"] != "ok"] == []
    assert (ended.returncode, {one["check"] for one in findings}) == (0, {"experiment", *(row.name for row in CHECKS)})
    flows = {one["on"]: one["what"] for one in findings if one["check"] == "flows"}
    assert flows["break-glass"] == "FlowSchema exempt, priority level exempt"


def test_manifests_are_accepted_by_a_cluster(testbed: Testbed, tmp_path: Path) -> None:
    """What `manifests` prints is what `kubectl apply` takes."""
    listed = tmp_path / "manifests.yaml"
    listed.write_text(chaos_cp("manifests").stdout)
    said = testbed.kubectl("apply", "--dry-run=server", "--filename", str(listed))
    assert "daemonset.apps/workload-prober" in said


def test_restarted_containers_come_back(testbed: Testbed) -> None:
    """`restart-containers` crashes what it is told to, without the API, and the kubelet starts it again."""
    dns_pods = ("pods", "--namespace", "kube-system", "--selector", "k8s-app=kube-dns")
    uids = [pod["metadata"]["uid"] for pod in testbed.get(*dns_pods)["items"]]
    asked = ("chaos", "cp", "restart-containers", "--namespace", "kube-system", "--label", "k8s-app=kube-dns", "--json")
    ended = testbed.run(*asked, "--pod-uid", "of-another-cluster")
    assert json.loads(ended.stdout) == {"killed": []}
    ended = testbed.run(*asked, *(word for uid in uids for word in ("--pod-uid", uid)))
    assert len(json.loads(ended.stdout)["killed"]) == len(uids)
    testbed.kubectl("rollout", "status", "--namespace", "kube-system", "--timeout=60s", "deployment/coredns")
    pods = testbed.get(*dns_pods)["items"]
    assert all(pod["status"]["containerStatuses"][0]["restartCount"] >= 1 for pod in pods)
