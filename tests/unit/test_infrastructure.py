"""Drivers reach machines by programs, never through a shell, and tell plainly what they could not do."""

import stat
import sys
from pathlib import Path

import pytest

from chaoslib_cp.errors import ControlPlaneError, ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.infrastructure import open_driver
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program


def program(folder: Path, name: str, body: str) -> Path:
    """Put a small program there."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys, json\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


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
        open_driver({"infrastructure": chosen})
    assert "nothing was changed" in str(caught.value)


def test_your_own_program_gets_arguments_and_answers_in_json(tmp_path: Path) -> None:
    """What it is given is not read by any shell."""
    path = program(tmp_path, "mine", "print(json.dumps({'killed': sys.argv[1:]}))")
    killed = open_driver({"infrastructure": f"command:{path}"}).restart_containers("a; rm -rf /", "k=$(v)", 10)
    assert killed == ["restart-containers", "--namespace", "a; rm -rf /", "--label", "k=$(v)"]


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
        open_driver({"infrastructure": f"command:{path}"}).restart_containers("n", "k=v", within_s)
    assert "what it had done stays" in str(caught.value)


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
    """Each ready pod's running containers on each node of that cluster are stopped without grace."""
    log = tmp_path / "log"
    program(
        tmp_path,
        "docker",
        f"""
arguments = " ".join(sys.argv[1:])
open({str(log)!r}, "a").write(arguments + "\\n")
if arguments.startswith("ps"): print("kind-a\\nkind-b" if "cluster=mine" in arguments else "")
elif "crictl pods" in arguments and "kind-a" in arguments: print("pod1")
elif "crictl ps" in arguments: print("c1\\nc2")
""",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert open_driver({"infrastructure": "kind:mine"}).restart_containers("kube-system", "k8s-app=kube-dns", 20) == [
        "kind-a/c1",
        "kind-a/c2",
    ]
    assert "exec kind-a crictl stop --timeout 0 c2" in log.read_text()
    with pytest.raises(TargetRefused, match="no node of a kind cluster named 'kind'"):
        open_driver({"infrastructure": "kind"}).restart_containers("kube-system", "k8s-app=kube-dns", 20)


def test_the_testbed_is_spoken_to_by_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any other infrastructure."""
    program(tmp_path, "chaos", "print(json.dumps({'killed': [' '.join(sys.argv[1:])]}))")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert open_driver({"infrastructure": "testbed"}).restart_containers("kube-system", "k8s-app=kube-dns", 10) == [
        "cp restart-containers --namespace kube-system --label k8s-app=kube-dns --json"
    ]


def test_the_testbed_counts_cpu_time_by_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All API servers together; nothing where the kernel counts nothing; told plainly when the testbed is gone."""
    said = tmp_path / "said"
    program(tmp_path, "chaos", f"print(open({str(said)!r}).read())")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    driver = open_driver({"infrastructure": "testbed"})
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
    assert open_driver({"infrastructure": chosen}).cpu_seconds(10) is None
