"""DNS containers are crashed, reloaded or killed for their memory past the API: those of the cluster meant."""

import json
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.dns.actions import restart_dns_pods
from chaoslib_cp.fault import Delivers, Injected, read
from chaoslib_cp.infrastructure.container_act import OOM_KILL, RELOAD, RESTART, ContainerAct
from chaoslib_cp.settings import read_settings
from tests.fakes.api_server import HANG, RESET, Answer
from tests.fakes.kube_objects import KubeObjects

pytestmark = pytest.mark.usefixtures("dns_pods")

PODS = "/api/v1/namespaces/kube-system/pods"


def settings(kube: KubeObjects, **more: Any) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return kube.configuration(chaoslib_cp_run_dir="/runs/dns-1", **more)


def executable(path: Path, body: str) -> None:
    """Make a program."""
    path.write_text(f"#!{sys.executable}\nimport json, sys\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def own_driver(folder: Path, *done: str, answer_as: str = "killed") -> str:
    """Configure a driver program that answers so and leaves its arguments beside it."""
    answer = json.dumps({answer_as: done})
    executable(folder / "driver", f'json.dump(sys.argv[1:], open(sys.argv[0] + ".args", "w"))\nprint({answer!r})')
    return f"command:{folder / 'driver'}"


def told(folder: Path) -> list[str]:
    """The arguments of that driver."""
    arguments: list[str] = json.loads((folder / "driver.args").read_text())
    return arguments


def uids(kube: KubeObjects) -> list[str]:
    """UIDs of the DNS pods there are now."""
    return [found["metadata"]["uid"] for path, found in kube.objects.items() if path.startswith(PODS)]


def crash(kube: KubeObjects, infrastructure: str, coupling: str = "restart-containers") -> dict[str, Any]:
    """Restart the containers past the API."""
    configuration = settings(kube, infrastructure=infrastructure)
    result: dict[str, Any] = restart_dns_pods(coupling=coupling, configuration=configuration)
    return result


@pytest.mark.parametrize(
    ("act", "label", "delivers", "after"),
    [
        (RESTART, "DNS restart", "DNS containers killed", "starts them again"),
        (RELOAD, "DNS reload", "DNS containers told to reload", "they run on"),
        (OOM_KILL, "DNS memory kill", "DNS containers killed by their memory limit", "the limit of their pod"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_dns_servers_lose_what_they_know_by_the_infrastructure(
    kube: KubeObjects, tmp_path: Path, act: ContainerAct, label: str, delivers: str, after: str
) -> None:
    """By a crash, a reload or a memory kill, without the API; what was done is delivered, and nothing is to undo."""
    driver = own_driver(tmp_path, "worker-1/abc", "worker-2/def", answer_as=act.answer)
    injected = read(result := crash(kube, driver, act.name))
    assert isinstance(injected, Injected)
    assert (injected.kind, injected.label, injected.lasts) == ("dns_restart", label, False)
    assert injected.delivers == Delivers(delivers, wanted=2, done=2)
    assert result["details"]["restart"][act.answer] == 2
    wanted = [act.name, "--namespace", "kube-system", "--label", "k8s-app=kube-dns"]
    assert told(tmp_path) == [*wanted, *(word for uid in uids(kube) for word in ("--pod-uid", uid))]
    assert kube.writes() == []
    assert open_logs() == []
    (log,) = undo_folder().glob("*.jsonl")
    assert after in log.read_text()


def test_pods_that_were_replaced_since_the_gate_are_the_ones_to_crash(kube: KubeObjects, tmp_path: Path) -> None:
    """A restart through the API earlier in the run, or an eviction, has made them anew."""
    check_gate(read_settings(settings(kube)))
    del kube.objects[f"{PODS}/coredns-a"]
    kube.add_dns_pod("coredns-c")
    crash(kube, own_driver(tmp_path, "one"))
    assert set(uids(kube)) <= set(told(tmp_path))
    assert len(told(tmp_path)) == 5 + 2 * 2


@pytest.mark.parametrize(
    ("answer", "act"),
    [*((answer, RESTART) for answer in (Answer(429), Answer(401), RESET, HANG)), (RESET, RELOAD), (RESET, OOM_KILL)],
)
def test_a_drowned_api_keeps_nobody_from_the_pods_the_gate_noted(
    kube: KubeObjects, tmp_path: Path, answer: Answer, act: ContainerAct
) -> None:
    """It is asked once, for two seconds at most."""
    check_gate(read_settings(settings(kube)))
    kube.fail_next("GET", PODS, answer, times=99)
    began_s = time.monotonic()
    restart = crash(kube, own_driver(tmp_path, "one", answer_as=act.answer), act.name)["details"]["restart"]
    assert restart[act.answer] == 1
    assert time.monotonic() - began_s < 5
    assert set(uids(kube)) <= set(told(tmp_path))


def test_another_cluster_behind_the_infrastructures_name_is_left_alone(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG leads to the marked cluster; "kind", the default name, is somebody's cluster that nobody marked."""
    log = tmp_path / "docker.log"
    theirs = {"items": [{"id": "box", "labels": {"io.kubernetes.pod.uid": "uid-of-theirs"}}]}
    executable(
        tmp_path / "docker",
        f"""open({str(log)!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "ps": print("control-plane kind-control-plane")
elif "pods" in sys.argv: print({json.dumps(theirs)!r})
elif "ps" in sys.argv: print("c1")""",
    )
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(ActivityFailed) as refused:
        crash(kube, "kind")
    assert "infrastructure kind runs no container of the DNS pods kube-system/coredns-a, coredns-b" in str(
        refused.value
    )
    assert "nothing was changed; set configuration.infrastructure to the one of this cluster" in str(refused.value)
    assert "crictl pods" in log.read_text()
    assert " stop " not in log.read_text()
    assert open_logs() == []


def test_a_driver_that_killed_nothing_is_no_success(kube: KubeObjects, tmp_path: Path) -> None:
    """And the undo log does not say that something was restarted."""
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*nothing was changed"):
        crash(kube, own_driver(tmp_path))
    assert open_logs() == []
    (log,) = undo_folder().glob("*.jsonl")
    assert "nothing to undo: nothing was changed" in log.read_text()
    assert "starts them again" not in log.read_text()


@pytest.mark.parametrize("gate_saw_them", [True, False])
def test_without_a_dns_pod_no_driver_is_started(kube: KubeObjects, tmp_path: Path, gate_saw_them: bool) -> None:
    """Without a UID nothing could be told from what is somebody else's."""
    if gate_saw_them:
        check_gate(read_settings(settings(kube)))
    for path in [path for path in kube.objects if path.startswith(PODS)]:
        del kube.objects[path]
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*no pod with k8s-app=kube-dns.*nothing was changed"):
        crash(kube, own_driver(tmp_path, "one"))
    assert not (tmp_path / "driver.args").exists()
    assert open_logs() == []


def test_a_missing_driver_is_refused_before_anything_happens(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the setting."""
    monkeypatch.delenv("CHAOSLIB_CP_INFRASTRUCTURE", raising=False)
    with pytest.raises(ActivityFailed, match=r"TargetRefused.*infrastructure"):
        restart_dns_pods(coupling="restart-containers", configuration=settings(kube))
    assert kube.writes() == []
