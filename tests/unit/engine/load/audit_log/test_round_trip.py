"""A load is played, written down as an API server would, turned into a profile and played again: the same requests."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.load.audit_log.agent_profile import profile_of
from chaoslib_cp.engine.load.audit_log.reading import read_agent
from chaoslib_cp.engine.load.channel import Credentials
from chaoslib_cp.engine.load.presets import preset_names, profile_document
from chaoslib_cp.engine.load.profile import HTTP_1, LoadProfile, parse_profile
from chaoslib_cp.engine.load.runner import LoadRunner
from tests.fakes.memory_peer import MemoryPeer
from tests.scaffold.audit import AGENT, line, text
from tests.scaffold.profiles import WRITERS
from tests.scaffold.virtual_time import VirtualClock, VirtualLoop, run_virtual

PLAYED_S = 120.0
NODES = 12
WITHIN = 0.15


def play(profile: LoadProfile, nodes: int) -> list[tuple[float, str, str]]:
    """Play a profile for two minutes of virtual time; returns when, by which node and for what was asked."""
    loop = VirtualLoop()
    heads: list[tuple[float, bytes]] = []

    async def run() -> None:
        peer = MemoryPeer(loop)
        runner = LoadRunner(profile, "10.96.0.1", peer.connect, VirtualClock(loop), loop)
        names = [f"node-{number}" for number in range(nodes)]
        places = {name: {"node": name, "namespace": "default", "pod": name} for name in names}
        runner.add_agents({name: Credentials(headers=(("X-Node", name),)) for name in names}, places)
        await runner.wait_until_over()
        heads.extend(peer.heads)

    run_virtual(loop, run())
    asked = []
    for at_s, head in heads:
        first, *headers = head.decode().split("\r\n")
        node = next(one.partition(": ")[2] for one in headers if one.startswith("X-Node"))
        asked.append((at_s, node, first.split(" ")[1]))
    return asked


def logged(asked: list[tuple[float, str, str]], is_told_apart: bool) -> list[dict[str, Any]]:
    """What an API server writes down of it: by which node, only where each has an address of its own."""
    lines = [
        line(at_s, uri, "watch" if "watch=" in uri else "get", address=node if is_told_apart else "10.0.0.1")
        for at_s, node, uri in asked
    ]
    return [*lines, line(PLAYED_S, "/readyz", "get", user="somebody", user_agent="kubelet/1")]


def by_path(asked: list[tuple[float, str, str]]) -> Counter[str]:
    """Requests by path, names of nodes left out."""
    return Counter(uri.partition("?")[0].replace(node, "") for _, node, uri in asked)


@pytest.mark.parametrize("is_told_apart", [True, False], ids=["an address each", "one address"])
@pytest.mark.parametrize("name", sorted(set(preset_names()) - set(WRITERS)))
def test_the_profile_of_a_log_asks_as_often_as_the_agents_did(tmp_path: Path, name: str, is_told_apart: bool) -> None:
    """Each preset, in bursts or not: within what its cost may differ by, each kind of request and all together."""
    # the peer in memory speaks no HTTP/2; when requests come due is the same
    document = {**profile_document(name), "duration_s": PLAYED_S, "protocol": HTTP_1}
    asked = play(parse_profile(document), NODES)
    log = tmp_path / "audit.log"
    log.write_text(text(logged(asked, is_told_apart)))
    made = profile_of(read_agent(log, [AGENT]), "agent")
    again = play(parse_profile({**made.document, "duration_s": PLAYED_S}), made.nodes)
    assert len(again) == pytest.approx(len(asked), rel=WITHIN / 2)
    once, twice = by_path(asked), by_path(again)
    assert once.keys() == twice.keys()
    assert [twice[path] for path in once] == [pytest.approx(count, rel=WITHIN) for count in once.values()]
    assert not is_told_apart or made.nodes == pytest.approx(NODES, abs=1)
