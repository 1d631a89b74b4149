"""The telemetry agent as a process: what it sends, when it ends, and that it stays idle afterwards."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.agent.prober_page import Page, serve
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.engine.load.result import merged
from chaoslib_cp.engine.load.schedule import due_offsets
from chaoslib_cp.engine.load.virtual_nodes import node_name
from chaoslib_cp.observe.load_results import read_results
from tests.fakes.api_server import HANG, Answer, FakeApiServer, Request
from tests.fakes.certificates import Authority
from tests.fakes.late_file import fill_late_file, make_late_file
from tests.scaffold.waiting import until

CLOCK = SystemClock()
GRACE_S = 1.0


class Pod:
    """The files of a pod, and its containers: processes that run the agent."""

    def __init__(self, folder: Path, port: int, ca_file: Path) -> None:
        self.folder = folder
        self._port = port
        (folder / "state").mkdir()
        (folder / "account").mkdir()
        (folder / "account" / "ca.crt").write_bytes(ca_file.read_bytes())
        (folder / "account" / "namespace").write_text("monitoring")
        self.token = folder / "account" / "token"
        self.token.write_text("first\n")
        self.within: list[str] = []
        self.containers: list[subprocess.Popen[str]] = []

    def profile(self, **changes: Any) -> None:
        """Write the profile: ten requests a second for at most a minute."""
        (self.folder / "profile.json").write_text(profile_of(changes))

    def start_with_deadline(self, within_s: float) -> tuple[subprocess.Popen[str], float]:
        """Start a container; returns it and its deadline, which is drawn when it reads its profile."""
        make_late_file(self.folder / "profile.json")
        container = self.start()
        ends_s = 0.0

        def profile() -> str:
            nonlocal ends_s
            ends_s = CLOCK.epoch_s() + within_s
            return profile_of({"deadline_epoch_s": ends_s})

        fill_late_file(self.folder / "profile.json", profile)
        return container, ends_s

    def start(self, *more: str, index: str = "", state: str = "state") -> subprocess.Popen[str]:
        """Start a container; with an index, one of a pod of an Indexed Job."""
        environment = {
            **os.environ,
            **({"JOB_COMPLETION_INDEX": index} if index else {}),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self._port),
            "HOSTNAME": "telemetry-x",
        }
        words = ["load", "--profile", "profile.json", "--state", state, "--service-account", "account", *more]
        container = subprocess.Popen(
            [*self.within, sys.executable, "-m", "chaoslib_cp.agent", *words],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.containers.append(container)
        return container

    def clean_up(self) -> None:
        """Stop what is left."""
        for container in self.containers:
            container.kill()
            container.wait(10)
            for stream in (container.stdin, container.stdout, container.stderr):
                if stream is not None:
                    stream.close()


def profile_of(changes: dict[str, Any]) -> str:
    """Return the usual profile with changes."""
    return json.dumps({"schema": 1, "requests": [{"path": "/metrics", "period_s": 0.1}], "duration_s": 60, **changes})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeApiServer]:
    """An API server that answers /metrics."""
    with FakeApiServer(Authority(tmp_path).server_context()) as started:
        started.on("GET", "/metrics", Answer(body=b"metric 1\n" * 1000))
        yield started


@pytest.fixture
def pod(tmp_path: Path, server: FakeApiServer) -> Iterator[Pod]:
    """A pod beside it."""
    folder = tmp_path / "pod"
    folder.mkdir()
    made = Pod(folder, server.port, tmp_path / "test-ca.pem")
    made.profile()
    yield made
    made.clean_up()


def line(container: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next status line."""
    assert container.stdout is not None
    text = container.stdout.readline()
    assert text, container.communicate()[1]
    decoded: dict[str, Any] = json.loads(text)
    return decoded


def wait_for(server: FakeApiServer, count: int) -> None:
    """Wait until the server has seen that many requests."""
    until(lambda: len(server.requests) >= count, f"{count} requests")


def test_it_asks_with_its_token_ends_and_idles_until_sigterm(pod: Pod, server: FakeApiServer) -> None:
    """After its duration no request leaves, the process stays (a DaemonSet would restart it) and obeys SIGTERM."""
    own = {"pattern": "get-pod", "period_s": 0.5}
    pod.profile(duration_s=2, requests=[{"path": "/metrics", "period_s": 0.1}, own])
    container = pod.start()
    account = line(container)
    assert account["phase"] == "idle"
    assert account["agents"]["ended"] == {"deadline": 1}
    assert account["total"]["outcomes"]["ok"] >= 8
    assert account["total"]["received_bytes"] > 8 * 9000
    assert account["cpu_s"] > 0
    assert {one.headers["authorization"] for one in server.requests} == {"Bearer first"}
    assert {one.path for one in server.requests} == {"/metrics", "/api/v1/namespaces/monitoring/pods/telemetry-x"}
    sent = len(server.requests)
    assert container.poll() is None
    container.send_signal(signal.SIGTERM)
    assert container.wait(10) == 0
    assert len(server.requests) == sent


@contextlib.contextmanager
def prober_page() -> Iterator[tuple[Page, str]]:
    """A prober's page with nothing on it, and its address."""
    steady = SteadyTime(CLOCK)
    page = Page("p", steady)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve(page, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield page, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


def test_it_tells_the_prober_what_it_did_and_once_more_at_its_end(pod: Pod, server: FakeApiServer) -> None:
    """The account comes over an address of its own, while the load goes on; the last one is complete."""
    with prober_page() as (page, address):
        pod.profile(duration_s=3, fault="agent_rollout-1", report_to=[address])
        container = pod.start()

        def account() -> dict[str, Any]:
            told = json.loads(page.document(0))["accounts"]
            return dict(told[0]) if told else {}

        until(lambda: account().get("counts", {}).get("agents_running"), "it tells that it runs")
        final = line(container)
        last = account()
    assert (last["target"], last["fault"]) == ("telemetry-x", "agent_rollout-1")
    counts = last["counts"]
    assert (counts["agents_began"], counts["agents_running"]) == (1, 0)
    assert counts["due"] == final["total"]["due"]
    assert counts["sent"] == len(server.requests) == final["total"]["sent"]
    assert counts["answered"] == final["total"]["outcomes"]["ok"]


def test_a_prober_that_is_not_there_costs_one_line_and_no_request(pod: Pod, server: FakeApiServer) -> None:
    """Nobody takes the account: the load goes on as if nothing had happened."""
    pod.profile(duration_s=3, fault="agent_rollout-1", report_to=["127.0.0.1:9"])
    container = pod.start()
    trouble, final = line(container), line(container)
    assert trouble == {"phase": "load", "account": "the prober did not take the account: refused; the load goes on"}
    assert final["total"]["outcomes"]["ok"] >= 20
    assert len(server.requests) >= 20


def test_pods_of_a_job_play_what_one_process_would_and_exit(pod: Pod, server: FakeApiServer) -> None:
    """They begin together; what they tell adds up to the schedule of all virtual nodes, and each exits at its end."""
    (pod.folder / "state-1").mkdir()
    begins_s = CLOCK.epoch_s() + 5  # two Pythons start meanwhile, on a machine that may be busy
    with prober_page() as (_, address):
        pod.profile(
            requests=[{"path": "/metrics", "period_s": 0.5}],
            duration_s=2,
            deadline_epoch_s=begins_s + 2,
            fault="x-1",
            report_to=[address],
        )
        told = ("--virtual-nodes", "3", "--begins-epoch-s", f"{begins_s:.3f}")
        containers = [pod.start(*told, index="0"), pod.start(*told, index="1", state="state-1")]
        assert [container.wait(20) for container in containers] == [0, 0]
        results = read_results([address], "x-1", ["pod-0", "pod-1"], 0.0, CLOCK)
    made = parse_profile(json.loads((pod.folder / "profile.json").read_text()))
    due = [at_s for number in range(6) for at_s in until_s(due_offsets(made, node_name(number), 0), 2)]
    whole = merged(list(results.values()))
    assert (whole.nodes, whole.reason) == (6, "at its own end")
    # what comes due within a few milliseconds of the end may or may not be before it
    assert sum(at_s < 1.9 for at_s in due) <= whole.total.due == len(server.requests) <= len(due)
    # on a busy machine an answer may come after the end
    assert whole.total.outcomes["ok"] >= sum(at_s < 1.5 for at_s in due)
    assert whole.total.outcomes["ok"] + whole.total.outcomes.get("aborted", 0) == whole.total.due
    assert whole.per_second.due[0] == pytest.approx(sum(at_s < 1 for at_s in due), abs=2)
    assert all(result.cpu_s > 0 for result in results.values())


def until_s(offsets: Iterator[float], end_s: float) -> list[float]:
    """Those before the end."""
    return list(itertools.takewhile(lambda at_s: at_s < end_s, offsets))


def test_a_pod_of_a_job_that_is_deleted_tells_what_it_came_to(pod: Pod, server: FakeApiServer) -> None:
    """SIGTERM in mid-load, as when the Job is deleted; before its begin it has nothing to tell and sends nothing."""
    (pod.folder / "state-1").mkdir()
    with prober_page() as (_, address):
        pod.profile(fault="x-1", report_to=[address])
        playing = pod.start("--virtual-nodes", "2", index="0")
        wait_for(server, 5)
        waiting = pod.start("--virtual-nodes", "2", "--begins-epoch-s", f"{CLOCK.epoch_s() + 60}", index="1",
                            state="state-1")  # fmt: skip
        assert line(waiting)["phase"] == "waiting"
        for container in (playing, waiting):
            container.send_signal(signal.SIGTERM)
        assert [container.wait(20) for container in (playing, waiting)] == [0, 0]
        results = read_results([address], "x-1", ["pod-0", "pod-1"], 0.0, CLOCK)
    assert [(one.reason, one.nodes) for _, one in sorted(results.items())] == [("stopped", 2), ("stopped", 0)]
    assert results["pod-0"].total.due >= 5
    assert results["pod-1"].total.due == 0


def test_a_restarted_container_only_idles(pod: Pod, server: FakeApiServer) -> None:
    """Killed in mid-storm and restarted by the kubelet, it does not begin again."""
    first = pod.start()
    wait_for(server, 2)
    first.kill()
    first.wait(10)
    sent = len(server.requests)
    second = pod.start()
    assert line(second) == {"phase": "idle", "reason": "this container was restarted; the load runs once"}
    assert len(server.requests) == sent


def test_sigterm_in_mid_load_stops_it_at_once(pod: Pod, server: FakeApiServer) -> None:
    """Deleting the pod stops the traffic within the second, also while the server hangs."""
    arrived_s: list[float] = []

    def hang(_: Request) -> Answer:
        arrived_s.append(time.monotonic())
        return HANG

    server.on("GET", "/metrics", hang)
    pod.profile(request_timeout_s=60, max_in_flight_per_agent=64)
    container = pod.start()
    wait_for(server, 3)
    told_s = time.monotonic()
    container.send_signal(signal.SIGTERM)
    assert container.wait(10) == 0
    assert arrived_s[-1] - told_s <= GRACE_S


def test_it_ends_with_its_starter_when_told(pod: Pod, server: FakeApiServer) -> None:
    """As a child process it cannot outlive its parent, however that one died."""
    container = pod.start("--until-stdin-eof")
    wait_for(server, 2)
    assert container.stdin is not None
    container.stdin.close()
    assert container.wait(10) == 0


def test_a_deadline_in_the_past_means_no_load_at_all(pod: Pod, server: FakeApiServer) -> None:
    """A pod that the rollout creates after the deadline asks nothing."""
    pod.profile(deadline_epoch_s=1.0e9)
    assert line(pod.start())["total"]["due"] == 0
    assert server.requests == []


@pytest.mark.parametrize("offset_s", [86_400, -600])
def test_a_machine_whose_uptime_is_another_than_its_timers_ends_in_time(
    pod: Pod, server: FakeApiServer, offset_s: int
) -> None:
    """After a suspend the two differ by as long as it took, for good: only differences of one and the same count."""
    pod.within = ["unshare", "--time", "--boottime", str(offset_s), "--fork", "--kill-child"]
    if subprocess.run([*pod.within, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may make no time namespace, or the machine has just been started")
    container, ends_s = pod.start_with_deadline(4)
    account = line(container)
    assert CLOCK.epoch_s() - ends_s <= GRACE_S
    assert account["agents"]["ended"] == {"deadline": 1}
    assert len(server.requests) > 3


def test_a_container_whose_clock_is_an_hour_behind_ends_by_its_duration(pod: Pod, server: FakeApiServer) -> None:
    """It takes the deadline for one that is an hour away; its own duration does not depend on what o'clock it is."""
    pod.profile(duration_s=2, deadline_epoch_s=CLOCK.epoch_s() + 3600)
    container = pod.start()
    wait_for(server, 1)
    began_s = time.monotonic()
    assert line(container)["agents"]["ended"] == {"deadline": 1}
    assert time.monotonic() - began_s <= 2 + GRACE_S


def test_a_container_whose_clock_is_an_hour_ahead_asks_nothing(pod: Pod, server: FakeApiServer) -> None:
    """In doubt it takes the storm for over."""
    pod.profile(duration_s=60, deadline_epoch_s=CLOCK.epoch_s() + 60 - 3600)
    assert line(pod.start())["total"]["due"] == 0
    assert server.requests == []


def test_a_container_that_was_frozen_over_its_end_sends_nothing_when_it_is_thawed(
    pod: Pod, server: FakeApiServer
) -> None:
    """Stopped with requests due, as a machine or a cgroup is that is paused: it wakes up to its end."""
    container, ends_s = pod.start_with_deadline(4)
    wait_for(server, 2)
    container.send_signal(signal.SIGSTOP)
    while CLOCK.epoch_s() < ends_s:
        time.sleep(0.05)
    sent = len(server.requests)
    thawed_s = time.monotonic()
    container.send_signal(signal.SIGCONT)
    assert line(container)["agents"]["ended"] == {"deadline": 1}
    assert time.monotonic() - thawed_s <= GRACE_S
    assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("profile.json", "load profile profile.json"),
        ("account/token", "token account/token"),
        ("account/ca.crt", "ca.crt"),
        ("state", "state folder state"),
    ],
)
def test_a_missing_file_is_one_clear_line_and_no_load(pod: Pod, server: FakeApiServer, damage: str, words: str) -> None:
    """A wrong mount shows in the pod's log as one line that names the file."""
    (pod.folder / damage).rename(pod.folder / "away")
    out, errors = pod.start().communicate(timeout=20)
    assert pod.containers[0].returncode == 1
    assert out == ""
    assert words in errors
    assert errors.count("\n") == 1
    assert server.requests == []


def test_an_unknown_program_is_a_usage_error() -> None:
    """The image's entry point says what it can run."""
    done = subprocess.run(
        [sys.executable, "-m", "chaoslib_cp.agent", "nonsense"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        "usage: python -m chaoslib_cp.agent load|dns-load|prober|dns-rogue [arguments]\n",
    )
