"""The observer as a process: it asks the API through everything, and ends when it should."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.observe.plan import ObservePlan, read_plan
from chaoslib_cp.observe.session import start
from chaoslib_cp.observe.timeline import TIMELINE_FILE, read_timeline
from tests.fakes.api_server import HANG, Answer, FakeApiServer
from tests.fakes.certificates import Authority
from tests.fakes.metrics_page import page_text
from tests.scaffold.traps import lay_traps
from tests.scaffold.waiting import until

IDENTITIES = ("observer", "admin", "break-glass")
WRITES = "/api/v1/namespaces/chaoslib-cp/configmaps"
OFTEN = {"api_livez": 0.2, "api_version": 0.2, "api_read": 0.2, "admin_write": 0.4, "break_glass_write": 0.4}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of the test's own."""
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[FakeApiServer]:
    """A healthy API server."""
    with FakeApiServer(authority.server_context(ask_for_certificate=True)) as server:
        server.on("GET", "/livez", Answer(body=b"ok"))
        server.on("GET", "/version", Answer())
        server.on("GET", "/api/v1/namespaces/chaoslib-cp", Answer())
        server.on("POST", WRITES, lambda request: Answer(201, body=request.body))
        yield server


@pytest.fixture
def plan(tmp_path: Path, authority: Authority, server: FakeApiServer) -> ObservePlan:
    """A plan that asks the fake server often, for a minute at most."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(a_kubeconfig(authority, server.port)), encoding="utf-8")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    contexts = {identity: identity for identity in IDENTITIES}
    return ObservePlan(str(run_dir), str(kubeconfig), 60.0, contexts, periods_s=OFTEN)


def a_kubeconfig(authority: Authority, port: int) -> dict[str, Any]:
    """A kubeconfig with a certificate and a context for each identity."""
    files = {identity: authority.issue(identity) for identity in IDENTITIES}
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority.ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": cluster}],
        "users": [
            {"name": identity, "user": {"client-certificate": str(pem.cert), "client-key": str(pem.key)}}
            for identity, pem in files.items()
        ],
        "contexts": [{"name": name, "context": {"cluster": "fake", "user": name}} for name in IDENTITIES],
    }


def lines(plan: ObservePlan, **wanted: object) -> list[dict[str, Any]]:
    """The timeline's lines with these values."""
    path = Path(plan.run_dir) / TIMELINE_FILE
    found = read_timeline(path) if path.exists() else []
    return [line for line in found if all(line.get(key) == value for key, value in wanted.items())]


def wait_for(plan: ObservePlan, at_least: int, within_s: float = 20.0, **wanted: object) -> list[dict[str, Any]]:
    """Wait until that many such lines are there."""

    def enough() -> list[dict[str, Any]] | None:
        found = lines(plan, **wanted)
        return found if len(found) >= at_least else None

    return until(enough, f"{at_least} lines with {wanted}", within_s)


def test_every_vantage_point_is_sampled_as_its_identity(plan: ObservePlan, server: FakeApiServer) -> None:
    """All five come in, each asked as the identity it stands for; writes are dry runs on fresh connections."""
    with start(plan):
        for vantage in OFTEN:
            assert wait_for(plan, 2, vantage=vantage)[0]["ok"]
    asked = {(request.method, request.path): request for request in server.requests}
    assert asked["GET", "/livez"].peer_name == "observer"
    writes = [request for request in server.requests if request.method == "POST"]
    assert {request.peer_name for request in writes} == {"admin", "break-glass"}
    assert all(request.query["dryRun"] == "All" for request in writes)
    assert len({request.connection for request in writes}) == len(writes)
    reads = [request for request in server.requests if request.method == "GET"]
    assert len({request.connection for request in reads}) < len(reads)  # kept ones
    sample = lines(plan, vantage="admin_write")[0]
    assert sample["http_status"] == 201
    assert sample["lag_s"] >= 0


def test_each_api_server_is_asked_by_itself(plan: ObservePlan, server: FakeApiServer, authority: Authority) -> None:
    """Behind one address nobody would see which of them is down; and each tells its memory and when it began."""
    with ExitStack() as stack:
        second = stack.enter_context(FakeApiServer(authority.server_context()))
        second.on("GET", "/livez", Answer(body=b"ok"))
        for number, one in enumerate((server, second)):
            one.on("GET", "/metrics", Answer(body=page_text(rss_mib=100.0 * (number + 4), started_s=7.0).encode()))
        servers = (f"127.0.0.1:{server.port}", f"127.0.0.1:{second.port}")
        often = {**OFTEN, "api_server_livez": 0.2, "api_server_memory": 0.2}
        with start(dataclasses.replace(plan, api_servers=servers, periods_s=often)):
            for address in servers:
                assert wait_for(plan, 2, vantage="api_server_livez", target=address)[0]["ok"]
                wait_for(plan, 1, vantage="api_server_memory", target=address)
            stack.close()
            wait_for(plan, 1, vantage="api_server_livez", target=servers[1], outcome="refused")
    told = [lines(plan, vantage="api_server_memory", target=address)[0]["counts"] for address in servers]
    assert told == [{"rss_bytes": mib * 2**20, "started_s": 7.0} for mib in (400, 500)]
    assert all(line["ok"] for line in lines(plan, vantage="api_server_livez", target=servers[0]))


def test_plan_and_timeline_hold_no_secret(plan: ObservePlan) -> None:
    """The orders and the samples name contexts and paths, never a key or a token."""
    with start(plan):
        wait_for(plan, 1, vantage="admin_write")
    for path in Path(plan.run_dir).iterdir():
        assert "PRIVATE KEY" not in path.read_text(encoding="utf-8")
        assert "BEGIN" not in path.read_text(encoding="utf-8")


def test_nothing_that_lies_around_on_the_host_stops_it(
    plan: ObservePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a team's own `dns.py` in the working folder, and no variable that was meant for other Python programs."""
    traps = tmp_path / "traps"
    traps.mkdir()
    lay_traps(traps)
    monkeypatch.chdir(traps)
    host = {"PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONIOENCODING": "utf-16", "PYTHONOPTIMIZE": "2"}
    for name, value in host.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", "", prepend=os.pathsep)  # an empty part means the working folder
    session = start(plan)
    wait_for(plan, 1, vantage="api_livez")
    assert session.stop() == 0


def test_it_ends_when_its_stdin_does(plan: ObservePlan) -> None:
    """Closing stdin ends it, with a last line that tallies what it did."""
    session = start(plan)
    wait_for(plan, 3, vantage="api_livez")
    assert session.stop() == 0
    assert not session.running
    (ended,) = lines(plan, event="observer_ended")
    assert ended["reason"] == "stopped"
    assert ended["samples"] == len(lines(plan, kind="sample"))


def test_it_ends_when_its_parent_is_killed(plan: ObservePlan) -> None:
    """SIGKILL of the parent leaves no observer behind."""
    code = (
        "import sys, time; from pathlib import Path; from chaoslib_cp.observe.plan import read_plan\n"
        "from chaoslib_cp.observe.session import start\n"
        "session = start(read_plan(Path(sys.argv[1]))); print(session.pid, flush=True); time.sleep(60)\n"
    )
    orders = Path(plan.run_dir) / "orders.json"
    plan.write(orders)
    parent = subprocess.Popen([sys.executable, "-c", code, str(orders)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    observer = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(plan, 1, event="observer_ended")
    until_s = time.monotonic() + 5
    while alive(observer) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not alive(observer)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_ends_at_its_deadline(plan: ObservePlan) -> None:
    """Nobody has to stop it: its duration over, it ends by itself."""
    with start(dataclasses.replace(plan, duration_s=1.0)) as session:
        assert wait_for(plan, 1, event="observer_ended")[0]["reason"] == "deadline"
        until_s = time.monotonic() + 5
        while session.running and time.monotonic() < until_s:
            time.sleep(0.02)
        assert not session.running


def test_it_can_be_run_by_hand(plan: ObservePlan) -> None:
    """From cron, with no stdin to hold open, it observes for its duration."""
    orders = Path(plan.run_dir) / "orders.json"
    dataclasses.replace(plan, duration_s=3.0).write(orders)
    command = [sys.executable, "-m", "chaoslib_cp.observe", str(orders)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["ready"] is True
    assert lines(plan, event="observer_ended")[0]["reason"] == "deadline"
    assert len(lines(plan, vantage="api_livez")) >= 3


def test_it_survives_the_death_of_the_api(plan: ObservePlan, server: FakeApiServer) -> None:
    """With the server gone, each attempt goes on at its time and says how it failed; when it is back, so are they."""
    with start(plan):
        wait_for(plan, 2, vantage="api_livez", ok=True)
        server.on("GET", "/livez", Answer(resets=True))
        server.on("POST", WRITES, Answer(429, {"Retry-After": "1"}))
        wait_for(plan, 3, vantage="api_livez", outcome="reset")
        wait_for(plan, 2, vantage="admin_write", outcome="http_429")
        server.on("GET", "/livez", Answer(body=b"ok"))
        before = len(lines(plan, vantage="api_livez", ok=True))
        wait_for(plan, before + 2, vantage="api_livez", ok=True)
    assert lines(plan, event="observer_ended")


def test_hanging_api_does_not_thin_out_the_samples(plan: ObservePlan, server: FakeApiServer) -> None:
    """Open model: while every write hangs, writes go on at their period, and each ends at its deadline."""
    server.on("POST", WRITES, HANG)
    quick = dataclasses.replace(plan, deadlines_s={"admin_write": 1.2, "break_glass_write": 1.2})
    with start(quick):
        wait_for(quick, 5, vantage="admin_write", outcome="timeout")
    began = [line["at_s"] for line in lines(quick, vantage="admin_write")]
    gaps = [later - sooner for sooner, later in itertools.pairwise(began)]
    assert sorted(gaps)[len(gaps) // 2] < 0.8  # a sampler that waited for answers would need 1.2
    assert all(line["latency_s"] < 4 for line in lines(quick, vantage="admin_write"))


def test_no_prober_is_said(plan: ObservePlan) -> None:
    """Without a prober the timeline says that workload DNS is not measured."""
    with start(plan):
        assert "not measured" in wait_for(plan, 1, event="prober_lost")[0]["reason"]


def test_time_of_the_control_is_taken_over(plan: ObservePlan) -> None:
    """With the control's offset both processes write one steady time."""
    offset_s = time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_BOOTTIME) - 500
    with start(dataclasses.replace(plan, epoch_offset_s=offset_s)):
        line = wait_for(plan, 1, event="observer_started")[0]
    assert abs(line["at_s"] - (time.clock_gettime(time.CLOCK_REALTIME) - 500)) < 30


def test_unknown_context_is_told_before_anything_is_asked(plan: ObservePlan, server: FakeApiServer) -> None:
    """A context that is not in the kubeconfig is the caller's error, in the caller's process, and nothing is left."""
    with pytest.raises(TargetRefused, match="no context 'nobody'"):
        start(dataclasses.replace(plan, contexts={"observer": "nobody"}))
    assert server.requests == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("duration_s", 0, "duration_s is 0"),
        ("duration_s", 1e9, "at most 21600"),
        ("periods_s", {"api_livez": 0.001}, "periods_s.api_livez is 0.001"),
        ("periods_s", {"api_lives": 1}, "one of api_livez"),
        ("deadlines_s", {"admin_write": 0}, "deadlines_s.admin_write is 0"),
    ],
)
def test_absurd_plan_is_refused(plan: ObservePlan, key: str, value: Any, words: str) -> None:
    """A plan that would hammer the API, or never end, names its wrong key."""
    with pytest.raises(ProfileInvalid, match=words):
        dataclasses.replace(plan, **{key: value})


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 9}', '{"schema": 1, "token": "x"}', '{"schema": 1}'])
def test_file_that_is_no_plan(tmp_path: Path, text: str) -> None:
    """A broken plan file is one clear error."""
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileInvalid, match="nothing was asked"):
        read_plan(path)


def test_plan_survives_its_file(plan: ObservePlan, tmp_path: Path) -> None:
    """What is written is what is read."""
    plan.write(tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_environment_kubeconfig_is_not_needed(plan: ObservePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan names the kubeconfig; another one in the environment changes nothing."""
    monkeypatch.setitem(os.environ, "KUBECONFIG", "/nonexistent")
    with start(plan):
        assert wait_for(plan, 1, vantage="api_version")[0]["ok"]
