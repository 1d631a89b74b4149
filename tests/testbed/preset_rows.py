"""Every preset on a testbed: how large, with what prepared, and what of the API server gives way."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.engine.load.presets import preset
from tests.places import ROOT
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed
from tests.testbed.filled_inside import NAMESPACE
from tests.testbed.staging import API_SERVER, ETCD, Stage, groups_of, is_well, memory_kills, pid_of, staged

SPEC: Final = """
api_servers: 1
api_server_cpu_cores: 0.4
api_server_memory_mib: 3072
fake_nodes: 200
pods_per_fake_node: 10
# The ladder of agents was measured on this: 2,000 pods of 4 kB.
"""
PLAIN: Final = Stage(cpu_cores=0.4)
LASTS_S: Final = 50
_BEGINS_WITHIN_S: Final = 60.0
_LARGER: Final = (2, 4)
_CRD: Final = Path(__file__).parent / "cilium-crds.yaml"


@dataclass(frozen=True)
class Row:
    """One preset.

    Attributes:
        preset: Its name.
        nodes: Virtual nodes that play it at first.
        tips: What the probe may name; ``nothing`` for a preset that does not bite here.
        speed: How much shorter all periods are than the preset's: a testbed has fewer nodes.
        changes: Keys of the profile that are different.
        stage: Limits of the API server, and what is done to it.
        filled: What is made beforehand: resource, count, bytes of each.
        window_s: For how long is looked; a kill by memory must be within it.
    """

    preset: str
    nodes: int
    tips: tuple[str, ...]
    speed: float = 1.0
    changes: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = PLAIN
    filled: tuple[tuple[str, int, int], ...] = ()
    window_s: int = 20

    @property
    def document(self) -> dict[str, Any]:
        """The profile as a file has it."""
        if self.speed == 1:
            return {"preset": self.preset, **self.changes}
        requests = [
            {**one, "period_s": max(0.1, one["period_s"] / self.speed)}
            for one in preset(self.preset).profile["requests"]
        ]
        return {"preset": self.preset, "requests": requests, **self.changes}


@dataclass(frozen=True)
class Played:
    """What came of one.

    Attributes:
        looked: What ``what_is_saturated`` said in the middle of it.
        load: The result of ``chaos cp load``; empty where it was refused.
        refused: In which words it was refused; empty otherwise.
        api_mib: Most memory of the API server, and before.
        etcd_mib: The same of etcd.
        restarts: How often the API server was begun anew.
        memory_kills: How often the kernel killed it for its memory limit.
    """

    looked: Mapping[str, Any]
    load: Mapping[str, Any]
    refused: str
    api_mib: tuple[float, float]
    etcd_mib: tuple[float, float]
    restarts: int
    memory_kills: int

    @property
    def word(self) -> str:
        """What tipped: memory where the kernel says so, else what the probe says."""
        if self.memory_kills:
            return "memory"
        return str(self.looked.get("resource", "nothing"))


class Memory:
    """Looks at the memory of API server and etcd twice a second."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._ended = threading.Event()
        self._etcd = pid_of(testbed, ETCD)
        self._pids: list[int] = []
        self.api_mib: list[float] = []
        self.etcd_mib: list[float] = []
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    @property
    def restarts(self) -> int:
        """How often the API server had another process than before."""
        return len(self._pids) - 1

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.is_set():
            for pid in self._testbed.api_server_pids()[:1]:
                if pid not in self._pids:
                    self._pids.append(pid)
                self.api_mib += _rss_mib(pid)
            self.etcd_mib += _rss_mib(self._etcd)
            self._ended.wait(0.5)


def _rss_mib(pid: int) -> list[float]:
    try:
        return [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20]
    except OSError:  # it ended
        return []


@contextmanager
def filled(testbed: Testbed, row: Row) -> Iterator[None]:
    """Make what a row needs while the API server may do what it can; afterwards it is gone."""
    if not row.filled:
        yield
        return
    with ExitStack() as stack:
        groups_of(testbed).limit_cpu(API_SERVER, None)
        testbed.kubectl("create", "namespace", NAMESPACE)
        stack.callback(testbed.kubectl, "delete", "namespace", NAMESPACE, "--timeout=120s", timeout_s=150)
        if any("cilium" in resource for resource, _, _ in row.filled):
            testbed.kubectl("apply", "-f", str(_CRD))
            stack.callback(testbed.kubectl, "delete", "-f", str(_CRD), timeout_s=150)
            testbed.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=30s")
        for resource, count, text_bytes in row.filled:
            words = ("-m", "tests.testbed.filled_inside", resource, str(count), str(text_bytes))
            ended = testbed.run("python", *words, timeout_s=180, cwd=ROOT)
            assert ended.returncode == 0, ended.stderr
        yield
        groups_of(testbed).limit_cpu(API_SERVER, None)


def begin_anew(testbed: Testbed) -> None:
    """Restart the API server: what earlier loads left in its memory would count for this one."""
    [before] = testbed.api_server_pids()
    os.kill(before, signal.SIGKILL)
    # a supervisor waits longer after each restart, as a kubelet does
    until(lambda: testbed.api_server_pids() not in ([], [before]) and is_well(testbed), "a new API server", 200)


def play(testbed: Testbed, row: Row, folder: Path) -> Played:
    """Play a row as a user would, and look in the middle of it."""
    file = folder / f"{row.preset}.json"
    file.write_text(json.dumps(row.document))
    words = ["load", str(file), "--nodes", str(row.nodes), "--duration-s", str(LASTS_S), "--json"]
    with filled(testbed, row), ExitStack() as stack:
        if row.stage.memory_mib:
            begin_anew(testbed)
        stack.enter_context(staged(testbed, row.stage, folder))
        memory, kills = Memory(testbed), memory_kills(testbed)
        inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", *CHAOS, "--no-version-check", "cp", *words]
        load = subprocess.Popen(inside, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            looked = _look(testbed, folder, load, row.window_s)
            told, said = load.communicate(timeout=LASTS_S + 400)
        finally:
            load.terminate()
            memory.end()
        kills = memory_kills(testbed) - kills
    result = json.loads(told) if told.startswith("{") else {}
    refused = "" if result else said.strip().splitlines()[-1]
    return Played(looked, result, refused, _grown(memory.api_mib), _grown(memory.etcd_mib), memory.restarts, kills)


def play_until_it_tips(testbed: Testbed, row: Row, folder: Path) -> tuple[Row, Played]:
    """Play a row with more virtual nodes until something gives way: a faster machine bears more of them.

    Returns:
        The row as it was played last, and what came of it.
    """
    larger, played = row, play(testbed, row, folder)
    for factor in _LARGER:
        if played.refused or played.word not in ("nothing", "unknown"):
            break
        larger = replace(row, nodes=row.nodes * factor)
        played = play(testbed, larger, folder)
    return larger, played


def _grown(values: list[float]) -> tuple[float, float]:
    return values[0], max(values)


def _look(testbed: Testbed, folder: Path, load: "subprocess.Popen[str]", window_s: int) -> dict[str, Any]:
    """What the probe says while the load goes on; nothing where it was refused."""
    ends_s = time.monotonic() + _BEGINS_WITHIN_S
    while load.poll() is None and not _begun(testbed) and time.monotonic() < ends_s:
        time.sleep(0.5)
    if load.poll() is not None:
        return {}
    time.sleep(5)
    code = (
        "import json; from chaoslib_cp.apiserver.probes import what_is_saturated\n"
        f"print(json.dumps(what_is_saturated({window_s})))"
    )
    ended = testbed.run("python", "-c", code, timeout_s=120, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    looked: dict[str, Any] = json.loads(ended.stdout)
    return looked


def _begun(testbed: Testbed) -> bool:
    """Whether the load's process runs."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            is_ours = testbed.name.encode() in (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"chaoslib_cp.apiserver.overload" in words and is_ours:
            return True
    return False


ROWS: Final = (
    Row("openai-telemetry-2024", 100, ("cpu",)),
    Row("fluentd-datadog-2018", 150, ("cpu",), filled=(("events", 4000, 600),)),
    Row("prometheus-per-node-relabel", 200, ("cpu",)),
    Row("alloy-daemonset-discovery", 200, ("cpu",)),
    Row("kindling-startup-storm", 250, ("cpu",)),
    Row("palark-60-lists", 80, ("nothing",)),
    Row("fluentbit-pod-get", 500, ("cpu",)),
    Row("ksm-every-node", 200, ("cpu",)),
    Row(
        "cilium-identity-list", 100, ("cpu",),
        filled=(("ciliumendpoints", 1500, 900), ("ciliumidentities", 500, 300)),
    ),
    Row("kubelet-list-storm", 80, ("cpu",)),
    Row("defrag-fallback", 40, ("cpu",), stage=Stage(cpu_cores=0.4, etcd_stops_s=(4.5, 1.5))),
    Row("dashboard-yaml-table", 20, ("memory",), stage=Stage(cpu_cores=0.4, memory_mib=900), window_s=40),
    Row("secrets-informers-oom", 60, ("cpu",), filled=(("configmaps", 60, 900_000),)),
    Row("hung-client", 60, ("cpu", "memory")),
    Row("event-flood", 300, ("cpu", "etcd")),
    Row("node-join-surge", 150, ("cpu", "etcd")),
)  # fmt: skip
