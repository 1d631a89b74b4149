"""CoreDNS takes what the editor yields: each Corefile is brought to this machine by edits alone, armed, and started."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from chaoslib_cp.engine.poison.arming import Poison, armed
from chaoslib_cp.engine.poison.corefile import Corefile, Directive, ServerBlock
from chaoslib_cp.engine.poison.edits import append, insert_directive, remove_directive, replace_block, replace_directive
from chaoslib_cp.engine.poison.lies import LIES
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.corefiles import NAMES, corefile
from tests.unit.engine.poison.test_lies import lie

pytestmark = pytest.mark.programs

HOME = "127.0.0.58"
"""Of its own: two servers with the backend's port at one address share the questions, and one of them is stopped."""
# What listens on a port of its own, reads what only a cluster has, or asks others as soon as it starts.
ELSEWHERE = {"health", "ready", "prometheus", "loop", "bind", "tls", "forward"}
# An API server that nobody is; CoreDNS starts without it, and is told not to wait for it.
NO_API = f"kubernetes cluster.local {{\n    endpoint http://{HOME}:1\n    startup_timeout 1ms\n}}"
CANARY = f"rev.cp.invalid:%d {{\n    bind {HOME}\n    template IN TXT {{\n        rcode NXDOMAIN\n    }}\n}}"


# What stands against a cache in front, or answers for no cluster.
REFUSED = {"aks", "k3s", "nodelocal"}


def each_block(text: str, edit: Callable[[Corefile, ServerBlock], str]) -> str:
    """Edit one block after the other."""
    for number in range(len(parse_corefile(text).blocks)):
        parsed = parse_corefile(text)
        text = edit(parsed, parsed.blocks[number])
    return text


def listening_on(port: int) -> Callable[[Corefile, ServerBlock], str]:
    """An edit of a block's keys: the same zones on this port."""

    def edit(parsed: Corefile, block: ServerBlock) -> str:
        keys = " ".join(dict.fromkeys(f"{zone}:{port}" for zone, _ in block.zones))
        lines = "\n".join(parsed.source(directive) for directive in block.directives)
        return replace_block(parsed, block, f"{keys} {{\n{lines}\n}}")

    return edit


def without(plugin: str) -> Callable[[Corefile, ServerBlock], str]:
    """An edit that takes a plugin out, wherever it is in the block."""

    def edit(parsed: Corefile, block: ServerBlock) -> str:
        found = named(block, plugin)
        return remove_directive(parsed, block, found[0]) if found else parsed.text

    return edit


def named(block: ServerBlock, plugin: str) -> list[Directive]:
    """The directives of a block that are of a plugin."""
    return [directive for directive in block.directives if directive.name == plugin]


def alone(parsed: Corefile, block: ServerBlock) -> str:
    """An edit that gives the kubernetes plugin an API server that is not there."""
    found = named(block, "kubernetes")
    return replace_directive(parsed, block, found[0], NO_API) if found else parsed.text


def at_home(name: str, port: int) -> str:
    """A Corefile that starts on this machine, on the loopback address only."""
    text = corefile(name)
    for plugin in sorted(ELSEWHERE):
        text = each_block(text, without(plugin))
    text = each_block(text, alone)
    text = each_block(text, lambda parsed, block: insert_directive(parsed, block, f"bind {HOME}"))
    return each_block(text, listening_on(port))


def armed_at_home(name: str, port: int) -> tuple[str, bool]:
    """The same with every kind of lie, one for some clients and a pin; or with a canary where that is refused."""
    text = at_home(name, port)
    some = replace(lie("wrong-address"), clients=("10.244.3.0/24", "fd00::17/128"))
    told = [
        replace(one, name=f"n{number}.shop.svc.cluster.local.") for number, one in enumerate([*map(lie, LIES), some])
    ]
    poison = Poison(tuple(told), 1_000_000_000, 2_000_000_000, "r-1", pin_s=600)
    with suppress(ProfileInvalid):
        return armed(text, poison, "cluster.local", port), True
    return append(parse_corefile(text), CANARY % port), False


@pytest.mark.parametrize("name", NAMES)
def test_coredns_starts_with_an_edited_corefile(name: str, tmp_path: Path) -> None:
    """It says its version only when every plugin has taken its lines and every address is listened on."""
    port = coredns.free_port()
    path = tmp_path / "Corefile"
    text, is_armed = armed_at_home(name, port)
    assert is_armed is (name not in REFUSED)
    path.write_bytes(text.encode())
    with coredns.running(path, port=port, environment={"SUCCESS_TTL": "30"}) as said:
        assert f"rev.cp.invalid.:{port} on {HOME}" in said.read_text()
