"""The prober as a workload: its C library, a connection to the answer, and names that nobody asked for before.

A C library asks port 53 of what /etc/resolv.conf names, so all of this runs in namespaces of its own.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.agent.prober import Prober
from chaoslib_cp.agent.prober_settings import settings_from
from chaoslib_cp.engine.sample.lookup import CLibrary
from tests.fakes.dns_server import FakeDnsServer, Record
from tests.scaffold.waiting import until_async

ROOT = Path(__file__).parents[3]
SENTINEL = "sentinel.chaoslib-cp.svc.cluster.local."
TRUTH, LIE = "127.0.0.9", "127.0.0.66"
RESOLV_CONF = "nameserver 127.0.0.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
POINTS = ("dns_lookup", "dns_connect", "dns_never_asked")
PHASES = {"healthy": "answer", "lie": "answer", "servfail": "servfail"}
GIVEN_UP_S = 0.3


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``inside`` tells."""
    if not shutil.which("bwrap"):
        pytest.skip("there is no bubblewrap: `make system` gets it")
    folder = tmp_path_factory.mktemp("pod")
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    binds = [one for name in ("resolv.conf", "nsswitch.conf") for one in ("--ro-bind", folder / name, f"/etc/{name}")]
    own = ["--unshare-user", "--unshare-net", "--unshare-pid", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    kept = ["--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    code = "from tests.unit.agent.test_workload import inside; inside()"
    done = subprocess.run(
        ["bwrap", *own, *kept, *binds, "--", sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "SENTINEL_SERVICE_HOST": TRUTH, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if b"bwrap: " in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def inside() -> None:
    """Run a prober in a pod of its own through all phases and print what it saw."""
    sys.stdout.write(json.dumps(asyncio.run(_seen())))


async def _seen() -> dict[str, Any]:
    async with FakeDnsServer(port=53) as server:
        service = await asyncio.start_server(lambda _reader, writer: writer.close(), TRUTH, 80)
        server.knows_all()
        settings, _ = settings_from(["--cluster-dns=127.0.0.1", f"--sentinel={SENTINEL.rstrip('.')}"])
        seen: dict[str, Any] = {}
        for phase, mode in PHASES.items():
            server.mode = mode
            server.says(SENTINEL, Record((LIE if phase == "lie" else TRUTH,)))
            seen[phase] = await _probed(Prober(settings))
        seen["asked"] = [name for _, name in server.asked]
        server.mode = "drop"
        seen["silence"] = [one.__dict__ for one in await _given_up()]
        service.close()
        return seen


async def _probed(asker: Prober) -> dict[str, dict[str, Any]]:
    """The first sample of each vantage point."""
    asking = asyncio.ensure_future(asker.run())
    found: dict[str, dict[str, Any]] = {}

    def are_there() -> bool:
        for sample in json.loads(asker.page.document(0))["samples"]:
            found.setdefault(sample["vantage"], sample)
        return set(POINTS) <= set(found)

    await until_async(are_there, "all are asked")
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return {point: found[point] for point in POINTS}


async def _given_up() -> list[Any]:
    """Lookups that nobody answers, more than may be under way at once."""
    library = CLibrary(at_once=2)
    return await asyncio.gather(*(library.look_up("sentinel.chaoslib-cp", GIVEN_UP_S) for _ in range(4)))


def test_a_healthy_cluster_serves_a_workload(told: dict[str, Any]) -> None:
    """The short name is found by the search list, the connection is made, and a new name does not exist."""
    assert {point: one["outcome"] for point, one in told["healthy"].items()} == dict.fromkeys(POINTS, "ok")
    assert told["healthy"]["dns_lookup"]["answers"] == [TRUTH]
    assert told["healthy"]["dns_connect"]["target"] == "sentinel.chaoslib-cp:80"
    # a search list has its price: the suffix of the pod's own namespace is asked first
    assert "sentinel.chaoslib-cp.shop.svc.cluster.local." in told["asked"]


def test_what_a_lie_does_to_a_workload_is_told(told: dict[str, Any]) -> None:
    """The lookup brings a wrong address, and where nobody listens there the connection is refused."""
    outcomes = {point: one["outcome"] for point, one in told["lie"].items()}
    assert outcomes == {"dns_lookup": "wrong", "dns_connect": "refused", "dns_never_asked": "ok"}


def test_servers_that_know_nothing_fail_workloads(told: dict[str, Any]) -> None:
    """SERVFAIL comes through the C library, too; no connection is tried."""
    assert {point: one["outcome"] for point, one in told["servfail"].items()} == dict.fromkeys(POINTS, "servfail")


def test_a_c_library_that_hangs_is_given_up_at_the_deadline(told: dict[str, Any]) -> None:
    """Also those that had no thread; the process ends although glibc would wait for 20 s."""
    assert {one["outcome"] for one in told["silence"]} == {"timeout"}
    assert all(GIVEN_UP_S <= one["latency_s"] < 3 for one in told["silence"])


def test_each_new_name_is_asked_once(told: dict[str, Any]) -> None:
    """Nothing that was asked for before says what an empty cache would."""
    names = [name for name in told["asked"] if name.endswith(".chaoslib-cp.svc.cluster.local.") and name != SENTINEL]
    assert len(names) == len(set(names)) >= len(PHASES)


def test_a_connection_elsewhere_is_a_wrong_answer() -> None:
    """A lie that leads to another service is told by its address: that one answers, too."""

    async def once() -> str:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        sample = await CLibrary().look_up_and_connect("127.0.0.1", server.sockets[0].getsockname()[1], 5)
        server.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SENTINEL_SERVICE_HOST", TRUTH)
            settings, _ = settings_from(["--cluster-dns=192.0.2.53", f"--sentinel={SENTINEL}"])
        return f"{sample.outcome}, {settings.judged(sample).outcome}"

    assert asyncio.run(once()) == "ok, wrong"
