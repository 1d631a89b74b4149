"""`what_is_saturated` against real causes: it names the one that was staged, and nothing on a healthy cluster."""

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from chaoslib_cp.apiserver.saturated.memory import SETTLED_S
from chaoslib_cp.clock import SystemClock
from tests.places import ROOT
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.waiting import until
from tests.testbed.conftest import CHAOS, Testbed, brought_up, of_session_or_own
from tests.testbed.staging import API_SERVER, PODS, YAML, Stage, Storm, pid_of, staged

pytestmark = pytest.mark.testbed

_LOGGER: Final = logging.getLogger(__name__)
SPEC: Final = """
api_servers: 1
api_server_cpu_cores: 0.4
api_server_memory_mib: 3072
fake_nodes: 20
pods_per_fake_node: 20
pod_bytes: 16384
# 400 pods of 16 kB: a list of them as YAML or as a table needs memory that shows.
"""
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
LISTS: Final = Storm(12)
NODES: Final = "/api/v1/nodes?resourceVersion=0"
OBJECT: Final = "/api/v1/namespaces/kube-system"
JAIL: Final = {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {
    "type": "Queue", "queuing": {"queues": 1, "handSize": 1, "queueLengthLimit": 4}}}  # fmt: skip
ONE_SEAT: Final = {"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}
QUEUE: Final = {**JAIL, "nominalConcurrencyShares": 1}
FROM_API: Final = "tcp sport 6443"
TO_API: Final = "tcp dport 6443"


def lost(percent: int) -> tuple[str, ...]:
    """Rules that lose so many of the packets to and from the API server."""
    return tuple(f"{side} numgen random mod 100 < {percent} drop" for side in (TO_API, FROM_API))


# The word, what is staged, and for how long is looked.
CASES: Final[dict[str, tuple[str, Stage, float]]] = {
    "cpu: lists at 0.4 core": ("cpu", Stage(cpu_cores=0.4, storms=(LISTS,)), 11),
    "cpu: lists at 0.2 core": ("cpu", Stage(cpu_cores=0.2, storms=(LISTS,)), 11),
    "cpu: scrapes at 0.3 core": ("cpu", Stage(cpu_cores=0.3, storms=(Storm(8, path="/metrics"),)), 11),
    "cpu: handshakes at 0.1 core": (
        "cpu",
        Stage(cpu_cores=0.1, storms=(Storm(20, path="/version", connection="fresh"),)),
        11,
    ),
    "cpu: YAML at 0.4 core": ("cpu", Stage(cpu_cores=0.4, storms=(Storm(3, accept=YAML),)), 11),
    # With more CPU the server is killed within 3 s of its start, before anybody could have read its page.
    "memory: YAML": ("memory", Stage(cpu_cores=0.4, memory_mib=900, storms=(Storm(4, accept=YAML),)), 30),
    "memory: two clients of YAML": (
        "memory",
        Stage(cpu_cores=0.4, memory_mib=650, storms=(Storm(2, accept=YAML),)),
        30,
    ),
    "memory: tables": ("memory", Stage(cpu_cores=0.8, memory_mib=600, storms=(Storm(12, accept=TABLE),)), 30),
    "memory: pretty lists": (
        "memory",
        Stage(cpu_cores=0.8, memory_mib=700, storms=(Storm(12, path=f"{PODS}&pretty=true"),)),
        30,
    ),
    "seats: none for the administrator": (
        "seats",
        Stage(level=JAIL, storms=(Storm(12, 0.2, path="/version"),)),
        11,
    ),
    "seats: one for the administrator, others rejected": (
        "seats",
        Stage(level=ONE_SEAT, storms=(Storm(8, 0.1),)),
        11,
    ),
    "seats: one for observer and administrator": (
        "seats",
        Stage(level=ONE_SEAT, level_users=("admin", "observer"), storms=(Storm(8, 0.1),)),
        11,
    ),
    "seats: none for the observer": (
        "seats",
        Stage(level=JAIL, level_users=("observer",), storms=(Storm(2, 0.5, path="/version"),)),
        11,
    ),
    "etcd: stands still for 0.4 of 0.5 s": ("etcd", Stage(etcd_stops_s=(0.4, 0.1)), 11),
    "etcd: stands still for 1.5 of 1.6 s": ("etcd", Stage(etcd_stops_s=(1.5, 0.1)), 11),
    "etcd: 0.01 core": ("etcd", Stage(etcd_quota_us=1000, storms=(Storm(24, 0.1, path=OBJECT),)), 11),
    "etcd: 0.01 core, more clients": ("etcd", Stage(etcd_quota_us=1000, storms=(Storm(48, 0.05, path=OBJECT),)), 11),
    "network: 15 % lost": ("network", Stage(packets=lost(15)), 11),
    "network: 30 % lost": ("network", Stage(packets=lost(30)), 11),
    "network: a pipe of 8 Mbit/s": (
        "network",
        Stage(pipe=("tbf", "rate", "8mbit", "burst", "128kb", "latency", "1500ms"), storms=(Storm(6),)),
        11,
    ),
}  # fmt: skip
# As in a run: what a server has while it is calm is noted before anything is played.
_PLAY: Final = """
import json, sys
from pathlib import Path
from chaoslib_cp.apiserver.probes import what_is_saturated
run = {"chaoslib_cp_run_dir": sys.argv[1]}
(Path(sys.argv[1]) / "timeline.jsonl").touch()
what_is_saturated(1.0, configuration=run)
print("calm", flush=True)
print(json.dumps(what_is_saturated(float(sys.stdin.readline()), configuration=run)))
"""


# Their API server is killed again and again, which the testbed of the session must not be.
KILLS: Final = "memory"
HEALTHY: Final = Stage(cpu_cores=0.4, storms=(Storm(2, 0.5), Storm(2, 0.2, path=OBJECT)))


def drawn() -> list[str]:
    """The causes that are staged: all of them, or a few that leave the testbed of the session as it was."""
    amount = part.amount("testbed, saturated: causes")
    names = [name for name, (resource, _, _) in CASES.items() if part.is_whole() or resource != KILLS]
    return [row[0] for row in part.of([(name,) for name in names], "saturated", at_least=amount, columns=0)]


@pytest.fixture(scope="module")
def staging(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """The testbed of the session; for all causes one of its own."""
    with of_session_or_own(request, tmp_path_factory, SPEC, "saturated") as found:
        yield found


@contextmanager
def of_our_own(folder: Path, name: str) -> Iterator[Testbed]:
    """A testbed with the pods that the stages need."""
    spec = folder / "saturated.yaml"
    spec.write_text(SPEC)
    with brought_up(str(spec), f"{name}-{os.getpid()}") as own:
        yield own


@contextmanager
def where_it_is_staged(resource: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Testbed]:
    """The testbed of all stages; for one whose API server is killed a new one.

    What restarts a server that died waits longer each time, and would have no server there in the next look.
    """
    if resource != KILLS:
        yield request.getfixturevalue("staging")
        return
    request.getfixturevalue("can_run_testbeds")
    with of_our_own(folder, "killed") as own:
        until(lambda: api_server_age_s(own) >= SETTLED_S, "the API server is past its start", 2 * SETTLED_S)
        yield own


def api_server_age_s(testbed: Testbed) -> float:
    """How long its API server has been there, seconds."""
    return SystemClock().epoch_s() - Path(f"/proc/{pid_of(testbed, API_SERVER)}").stat().st_mtime


@contextmanager
def looking(testbed: Testbed, folder: Path) -> Iterator[Callable[[float], dict[str, Any]]]:
    """Play the probe inside, as a run would: first while all is calm, and then for the seconds that are asked for."""
    inside = [*CHAOS, "cp", "exec", "--name", testbed.name, "--", "python", "-c", _PLAY, str(folder)]
    process = subprocess.Popen(inside, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline() == "calm\n"
        yield lambda window_s: _told(process, window_s)
    finally:
        process.kill()
        process.wait(20)


def _told(process: "subprocess.Popen[str]", window_s: float) -> dict[str, Any]:
    stdout, _ = process.communicate(f"{window_s}\n", timeout=120)
    assert process.returncode == 0
    assert len(stdout) < 4096
    told: dict[str, Any] = json.loads(stdout)
    _LOGGER.info("%s", json.dumps(told))
    return told


@pytest.mark.proof
@pytest.mark.parametrize("name", drawn())
def test_what_was_staged_is_named(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each real cause has its word."""
    resource, stage, window_s = CASES[name]
    with (
        where_it_is_staged(resource, request, tmp_path) as testbed,
        looking(testbed, tmp_path) as look,
        staged(testbed, stage, tmp_path),
    ):
        told = look(window_s)
    assert told["resource"] == resource, told
    note("saturated", causes=1, healthy=0)


@pytest.mark.proof
@pytest.mark.parametrize("number", range(part.amount("testbed, saturated: healthy looks")))
def test_nothing_is_named_on_a_healthy_cluster(staging: Testbed, number: int, tmp_path: Path) -> None:
    """Calm, and each second time with a load that it bears."""
    stage = HEALTHY if number % 2 else Stage(cpu_cores=0.4)
    with looking(staging, tmp_path) as look, staged(staging, stage, tmp_path):
        told = look(6)
    assert (told["ok"], told["resource"]) == (True, "nothing"), told
    note("saturated", causes=0, healthy=1)
