"""Drivers reach machines by programs, never through a shell, and tell plainly what they could not do."""

import json
import stat
import sys
from pathlib import Path

import pytest

from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.infrastructure import node_container, open_driver
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS, OOM_KILL, RELOAD, RESTART, ContainerAct
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program
from chaoslib_cp.settings import read_settings


def program(folder: Path, name: str, body: str) -> Path:
    """Put a small program there."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, os, sys\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


DNS = ("kube-system", "k8s-app=kube-dns")
# What Docker lists of the kind cluster "mine", the proxy before its two control planes too: that one has no crictl.
CONTAINERS = "control-plane kind-a\nexternal-load-balancer kind-proxy\nworker kind-b"
# What crictl lists on the two nodes of the kind cluster "mine" (source: cri-tools, cmd/crictl/sandbox.go).
SANDBOXES = {
    "kind-a": [
        {"id": "box-1", "labels": {"k8s-app": "kube-dns", "io.kubernetes.pod.uid": "uid-1"}},
        {"id": "box-9", "labels": {"k8s-app": "kube-dns", "io.kubernetes.pod.uid": "uid-9"}},
        {"id": "box-0"},
    ],
    "kind-b": [{"id": "box-2", "labels": {"k8s-app": "kube-dns", "io.kubernetes.pod.uid": "uid-2"}}],
}


def status(state: str, reason: str = "", limit_bytes: str = "178257920") -> str:
    """What crictl says of a container."""
    resources = {"linux": {"memoryLimitInBytes": limit_bytes}}
    return json.dumps({"status": {"state": state, "reason": reason, "resources": resources}})


def docker(folder: Path, pods: str = 'json.dumps({"items": SANDBOXES[arguments[1]]})') -> Path:
    """Put a Docker there whose nodes have crictl, and return its log; ``pods`` is what that lists."""
    log = folder / "log"
    (folder / "status").write_text(status("CONTAINER_RUNNING"))
    (folder / "after").write_text("")
    program(
        folder,
        "docker",
        f"""SANDBOXES = {SANDBOXES!r}
arguments = sys.argv[1:]
open({str(log)!r}, "a").write(" ".join(arguments) + "\\n")
is_mine = "label=io.x-k8s.kind.cluster=mine" in arguments
assert arguments[0] != "ps" or arguments[-1] == '{{{{.Label "io.x-k8s.kind.role"}}}} {{{{.Names}}}}'
if arguments[0] == "ps": print({CONTAINERS!r} if is_mine else "")
elif arguments[3] == "pods": print({pods})
elif arguments[3] == "ps": print("c1-of-" + arguments[5], "c2-of-" + arguments[5])
elif arguments[3] == "inspect": print(open({str(folder / "status")!r}).read())
elif arguments[3] == "update":
    after = open({str(folder / "after")!r}).read()
    if arguments[5] == "4194304" and after: open({str(folder / "status")!r}, "w").write(after)
    if os.path.exists({str(folder / "stumbles")!r}): sys.exit("memory.max: no such file or directory")
""",
    )
    return log


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAOSLIB_CP_INFRASTRUCTURE", raising=False)


@pytest.mark.parametrize(
    ("chosen", "error", "says"),
    [
        ("none", TargetRefused, "no infrastructure driver"),
        ("", TargetRefused, "no infrastructure driver"),
        ("gcp", ProfileInvalid, "'gcp'"),
        ("command:restart.sh", ProfileInvalid, "full path"),
        ("command:", ProfileInvalid, "full path"),
    ],
)
def test_a_driver_that_cannot_be_is_refused_with_what_to_set(
    chosen: str, error: type[ControlPlaneError], says: str
) -> None:
    """Nothing was changed, and which words are known."""
    with pytest.raises(error, match=says) as caught:
        open_driver(read_settings({"infrastructure": chosen}))
    assert "nothing was changed" in str(caught.value)


@pytest.mark.parametrize("act", CONTAINER_ACTS.values(), ids=CONTAINER_ACTS)
def test_your_own_program_gets_arguments_and_answers_in_json(tmp_path: Path, act: ContainerAct) -> None:
    """What it is given is not read by any shell."""
    path = program(tmp_path, "mine", f"print(json.dumps({{{act.answer!r}: sys.argv[1:]}}))")
    done = open_driver(read_settings({"infrastructure": f"command:{path}"})).act_on_containers(
        act, "a; rm -rf /", "k=$(v)", ["uid-1", "uid 2"], 10
    )
    told = [act.name, "--namespace", "a; rm -rf /", "--label", "k=$(v)"]
    assert done == [*told, "--pod-uid", "uid-1", "--pod-uid", "uid 2"]


@pytest.mark.parametrize(
    ("body", "within_s", "says"),
    [
        ("sys.exit('no such node')", 60, "ended with 1: no such node"),
        ("print('done')", 60, "did not answer"),
        ("print(json.dumps({'killed': 3}))", 60, "did not answer"),
        ("import time; time.sleep(60)", 1, "took more than 1 s"),
    ],
)
def test_a_failing_program_is_told_in_one_line(tmp_path: Path, body: str, within_s: float, says: str) -> None:
    """Some containers may have been killed: it says so."""
    path = program(tmp_path, "mine", body)
    with pytest.raises(TargetUnreachable, match=says) as caught:
        open_driver(read_settings({"infrastructure": f"command:{path}"})).act_on_containers(
            RESTART, "n", "k=v", ["u"], within_s
        )
    assert "what it had done stays" in str(caught.value)


@pytest.mark.parametrize("act", [RELOAD, OOM_KILL], ids=lambda act: act.name)
def test_a_program_that_can_only_restart_is_found_out(tmp_path: Path, act: ContainerAct) -> None:
    """One that does not look at what it is told has killed, and its answer says so."""
    path = program(tmp_path, "mine", "print(json.dumps({'killed': ['dns']}))")
    with pytest.raises(TargetUnreachable, match=f"mine {act.name} did not answer .*{act.answer}.*what it had done"):
        open_driver(read_settings({"infrastructure": f"command:{path}"})).act_on_containers(act, *DNS, ["u"], 10)


def test_a_missing_or_unstartable_program_changes_nothing(tmp_path: Path) -> None:
    """Refused, not failed."""
    with pytest.raises(TargetRefused, match="not installed"):
        run_program([str(tmp_path / "nothing")], 1)
    path = tmp_path / "odd"
    path.write_text("#!/nonexistent/interpreter\n")
    path.chmod(0o755)
    with pytest.raises(TargetRefused, match="cannot be started"):
        run_program([str(path)], 1)


def test_kind_nodes_are_reached_by_docker_and_crictl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pods' running containers on each node of that cluster are stopped without grace; nobody else's are."""
    log = docker(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    driver = open_driver(read_settings({"infrastructure": "kind:mine"}))
    killed = [f"kind-{node}/c{number}-of-box-{box}" for node, box in (("a", 1), ("b", 2)) for number in (1, 2)]
    assert driver.act_on_containers(RESTART, *DNS, ["uid-1", "uid-2"], 20) == killed
    stopped = [line for line in log.read_text().splitlines() if " stop " in line]
    assert stopped == [
        f"exec {node} crictl stop --timeout 0 {container}" for node, container in (one.split("/") for one in killed)
    ]
    assert "exec kind-b crictl pods --namespace kube-system --label k8s-app=kube-dns --state ready" in log.read_text()
    with pytest.raises(TargetRefused, match="no node of a kind cluster named 'kind'"):
        open_driver(read_settings({"infrastructure": "kind"})).act_on_containers(RESTART, *DNS, ["uid-1"], 20)


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker with the kind cluster "mine"; its log."""
    log = docker(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return log


def act_on_kind(act: ContainerAct) -> list[str]:
    """Act on the DNS pod of one node of "mine"."""
    return open_driver(read_settings({"infrastructure": "kind:mine"})).act_on_containers(act, *DNS, ["uid-1"], 20)


def test_kind_containers_are_told_to_reload_by_containerd(kind: Path) -> None:
    """For crictl has no signals; the pods' containers get one, and nobody else's."""
    assert act_on_kind(RELOAD) == [f"kind-a/c{number}-of-box-1" for number in (1, 2)]
    signalled = [line for line in kind.read_text().splitlines() if " ctr " in line]
    asked = "exec kind-a ctr --namespace k8s.io tasks kill --signal SIGUSR1"
    assert signalled == [f"{asked} c{number}-of-box-1" for number in (1, 2)]


@pytest.mark.parametrize("stumbles", [False, True])
def test_kind_containers_are_killed_by_a_lower_memory_limit(kind: Path, stumbles: bool) -> None:
    """The kernel kills; the runtime may stumble over that while it still sets the limit."""
    (kind.parent / "after").write_text(status("CONTAINER_EXITED", "OOMKilled"))
    if stumbles:
        (kind.parent / "stumbles").touch()
    assert act_on_kind(OOM_KILL)
    updates = [line for line in kind.read_text().splitlines() if " update " in line]
    assert updates == [f"exec kind-a crictl update --memory 4194304 c{number}-of-box-1" for number in (1, 2)]


def test_a_kind_container_that_was_not_killed_gets_its_own_limit_back(
    kind: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, with what stays changed: nothing."""
    monkeypatch.setattr(node_container, "OOM_KILL_WITHIN_S", 0.0)
    with pytest.raises(TargetUnreachable, match=r"c1-of-box-1 was not killed .*: it lives on; no limit stays changed"):
        act_on_kind(OOM_KILL)
    updates = [line.split()[5] for line in kind.read_text().splitlines() if " update " in line]
    assert updates == ["4194304", "178257920"]


@pytest.mark.parametrize(
    ("said", "error", "says"),
    [
        (status("CONTAINER_RUNNING", limit_bytes="0"), TargetRefused, "has no memory limit .*; nothing was changed"),
        ("ID 7", TargetUnreachable, "as JSON"),
    ],
)
def test_kind_containers_without_a_known_limit_are_left_alone(
    kind: Path, said: str, error: type[ControlPlaneError], says: str
) -> None:
    """No kernel ever kills those for their memory; and none is touched before all have been looked at."""
    (kind.parent / "status").write_text(said)
    with pytest.raises(error, match=says):
        act_on_kind(OOM_KILL)
    assert " update " not in kind.read_text()


@pytest.mark.parametrize("uids", [["uid-of-another-cluster"], ["uid"], []])
def test_kind_pods_of_another_cluster_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uids: list[str]
) -> None:
    """A cluster's name is a default that many have: DNS pods that are not those asked for go on running."""
    log = docker(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert open_driver(read_settings({"infrastructure": "kind:mine"})).act_on_containers(RESTART, *DNS, uids, 20) == []
    assert " stop " not in log.read_text()


@pytest.mark.parametrize(
    "said", ["'POD ID  CREATED'", "'[]'", """'{"items": "box-1"}'""", """'{"items": ["box-1"]}'"""]
)
def test_pods_that_crictl_does_not_list_as_expected_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """When a node's pods cannot be told apart none is touched, on any node."""
    log = docker(tmp_path, said)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetRefused, match="kind-a did not list its pods as JSON; nothing was changed"):
        open_driver(read_settings({"infrastructure": "kind:mine"})).act_on_containers(RESTART, *DNS, ["uid-1"], 20)
    assert " stop " not in log.read_text()


@pytest.mark.parametrize("act", CONTAINER_ACTS.values(), ids=CONTAINER_ACTS)
def test_the_testbed_is_spoken_to_by_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: ContainerAct
) -> None:
    """As any other infrastructure."""
    program(tmp_path, "python", f"print(json.dumps({{{act.answer!r}: [' '.join(sys.argv[sys.argv.index('cp'):])]}}))")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert open_driver(read_settings({"infrastructure": "testbed"})).act_on_containers(
        act, *DNS, ["uid-1", "uid-2"], 10
    ) == [f"cp {act.name} --namespace kube-system --label k8s-app=kube-dns --pod-uid uid-1 --pod-uid uid-2 --json"]


def test_the_testbed_counts_cpu_time_by_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All API servers together; nothing where the kernel counts nothing; told plainly when the testbed is gone."""
    said = tmp_path / "said"
    program(tmp_path, "python", f"print(open({str(said)!r}).read())")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    driver = open_driver(read_settings({"infrastructure": "testbed"}))
    said.write_text('{"cpu_s": {"kube-apiserver-0": 2.0, "kube-apiserver-1": 3.0, "farm": 0.5, "worker-1-3f": 9.0}}')
    assert driver.cpu_seconds(10) == CpuSeconds(api_servers_s=5.0, agents_s=0.5)
    said.write_text('{"phase": "ready", "cpu_s": {}}')
    assert driver.cpu_seconds(10) is None
    said.write_text('{"phase": "down"}')
    with pytest.raises(TargetUnreachable, match="is the testbed up"):
        driver.cpu_seconds(10)


@pytest.mark.parametrize("chosen", ["kind", f"command:{sys.executable}"])
def test_other_drivers_count_no_cpu_time(chosen: str) -> None:
    """So amplification is null with its reason there, and never a guess."""
    assert open_driver(read_settings({"infrastructure": chosen})).cpu_seconds(10) is None
