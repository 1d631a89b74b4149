"""The agent that looks names up as a process: whom it asks, what it tells, when it ends, and that it plays once."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.agent import dns_load
from chaoslib_cp.agent.prober_page import Page, serve
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.dns_server import FakeDnsServer, Record

RESOLV_CONF = "nameserver 127.0.0.1\nsearch a.svc.x.test svc.x.test x.test\noptions ndots:5\n"


class Pod:
    """The files of a pod, and its containers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "state").mkdir()
        self.write("resolv.conf", RESOLV_CONF)

    def write(self, name: str, text: str) -> None:
        """Put a file there."""
        (self.folder / name).write_text(text)

    def profile(self, **changes: Any) -> None:
        """Write the profile: 50 lookups each second, of one name and names nobody asked for."""
        usual = {"schema": 1, "names": ["api.shop.svc"], "hot_names": 1, "rate_per_s": 50, "never_asked_share": 0.2}
        self.write("profile.json", json.dumps({**usual, **changes}))

    def words(self, port: int) -> list[str]:
        """The arguments of a container."""
        files = {"--profile": "profile.json", "--state": "state", "--resolv-conf": "resolv.conf"}
        named = [word for key, name in files.items() for word in (key, str(self.folder / name))]
        return [*named, f"--port={port}"]

    async def start(self, port: int) -> Process:
        """Start a container."""
        words = ["-m", "chaoslib_cp.agent", "dns-load", *self.words(port)]
        return await asyncio.create_subprocess_exec(sys.executable, *words, stdout=PIPE, stderr=PIPE)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A pod."""
    return Pod(tmp_path)


async def line(container: Process) -> dict[str, Any]:
    """The next line of its log."""
    assert container.stdout is not None
    text = await container.stdout.readline()
    assert text, (await container.communicate())[1]
    decoded: dict[str, Any] = json.loads(text)
    return decoded


async def end(container: Process) -> int:
    """Send SIGTERM, and return its exit code."""
    container.send_signal(signal.SIGTERM)
    await container.communicate()
    return int(container.returncode or 0)


def test_it_asks_the_pods_nameserver_tells_and_plays_once(pod: Pod) -> None:
    """Names below the cluster's domain alone, over UDP; its account reaches the prober; a restart does nothing."""

    async def play() -> None:
        page = Page("prober-1", SteadyTime(SystemClock()))
        async with FakeDnsServer() as server, await serve(page, "127.0.0.1", 0) as listening:
            server.knows_all()
            server.says("api.shop.svc.x.test.", Record(("192.0.2.7",)))
            port = listening.sockets[0].getsockname()[1]
            pod.profile(duration_s=2, fault="dns_load-1", report_to=[f"127.0.0.1:{port}"])
            container = await pod.start(server.port)
            told = await line(container)
            assert (told["phase"], told["ended"]) == ("idle", "deadline")
            assert {*told["total"]["outcomes"]} - {"aborted"} == {"ok", "nxdomain"}
            assert 4 <= told["total"]["queries_per_lookup"] <= 6
            assert told["total"]["misread"] == 0
            assert {over for over, _ in server.asked} == {"udp"}
            assert all(name.endswith(".x.test.") for _, name in server.asked)
            [account] = json.loads(page.document(0))["accounts"]
            counts = account["counts"]
            assert (account["fault"], counts["agents_began"], counts["agents_running"]) == ("dns_load-1", 1, 0)
            assert counts["queries"] == told["total"]["queries"] == len(server.asked)
            assert 0 < counts["good"] < counts["answered"] <= counts["sent"] <= counts["due"]
            assert await end(container) == 0
            asked = len(server.asked)
            again = await pod.start(server.port)
            assert (await line(again))["reason"] == "this container was restarted; the load runs once"
            assert (await end(again), len(server.asked)) == (0, asked)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("resolv.conf", "search a.svc.x.test svc.x.test\n", "no nameserver"),
        (
            "resolv.conf",
            "nameserver 192.0.2.7\nsearch example.com\n",
            "has no search list of a cluster; nothing was sent",
        ),
        ("profile.json", "{", "lookup profile .*; nothing was sent; correct the file"),
        ("profile.json", '{"schema": 1, "rate_per_s": 1e9}', "rate_per_s is 1000000000.0, allowed"),
    ],
)
def test_what_cannot_be_played_is_refused(pod: Pod, file: str, text: str, problem: str) -> None:
    """One line, and nothing was sent."""
    pod.profile()
    pod.write(file, text)
    with pytest.raises(ProfileInvalid, match=problem):
        dns_load.main(pod.words(53))
