"""Pinned node caches: the Corefile beside the pin stays as it is, and a real CoreDNS keeps answers as it is told."""

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.poison.pins import MOST_NAMES, Pin, pinned
from chaoslib_cp.engine.poison.revision import REVISION_NAME
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.corefiles import corefile
from tests.scaffold.waiting import until

API, OTHER, WORLD = "api.shop.svc.cluster.local.", "other.shop.svc.cluster.local.", "www.example.com."
TRUTH, TOLD_BY_CLUSTER, TOLD_BY_NODE = "10.96.0.50", "192.0.2.66", "198.51.100.7"
PIN_S = 40
CANARY = [
    "+rev.cp.invalid.:53 {",
    "+    bind 169.254.20.10 10.96.0.10",
    "+    reload 2s 1s",
    "+    template IN TXT {",
    '+        answer "{{ .Name }} 0 IN TXT \\"r-1\\""',
    "+    }",
    "+}",
]
ROUTE = [
    "+www.example.com.:53 {",
    "+    errors",
    "+    bind 169.254.20.10 10.96.0.10",
    "+    prometheus :9253",
    "+    cache {",
    "+        success 9984 {kept}",
    "+        denial 9984 3600",
    "+    }",
    "+    forward . __PILLAR__CLUSTER__DNS__ {",
    "+            force_tcp",
    "+    }",
    "+}",
]


def changes(before: str, after: str) -> list[str]:
    """The lines that are not in both."""
    compared = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in compared if not line.startswith(("---", "+++", "@@"))]


def route(kept: str) -> list[str]:
    """The block of a name that is asked of cluster DNS."""
    return [line.replace("{kept}", kept) for line in ROUTE]


@pytest.mark.parametrize(
    ("pin", "changed"),
    [
        (
            {"pin_s": 1200},
            ["-            success 9984 30", "+            success 9984 1200 1200", *CANARY],
        ),
        (
            {"pin_s": 60, "zone": "."},
            ["-    cache 30", "+    cache 30 {", "+        success 9984 60 60", "+    }", *CANARY],
        ),
        ({"names": ("www.example.com",)}, [*route("3600"), *CANARY]),
        (
            {"pin_s": 20, "names": ("www.example.com.",)},
            ["-            success 9984 30", "+            success 9984 20 20", *route("20 20"), *CANARY],
        ),
    ],
    ids=["cluster", "world", "route", "both"],
)
def test_only_the_pinned_cache_is_another_and_variables_stay(pin: dict[str, Any], changed: list[str]) -> None:
    """A variable that is lost would leave the caches without a server to ask; the last byte has no line end here."""
    before = corefile("nodelocal")
    after = pinned(before, Pin("r-1", **pin))
    assert changes(before, after) == changed
    assert after.count("__PILLAR__") == before.count("__PILLAR__") + len(pin.get("names", ()))


def block(cache: str) -> str:
    """A block with this behind the word cache."""
    return f"cluster.local:53 {{\n    {f'cache {cache}'.strip()}\n    forward . 10.96.0.10\n}}\n"


@pytest.mark.parametrize(
    ("cache", "made"),
    [
        ("", "{\n        success 9984 7 7\n    }"),
        ("cluster.local", "cluster.local {\n        success 9984 7 7\n    }"),
        ("30 {\n        denial 100 5\n    }", "30 {\n        success 9984 7 7\n        denial 100 5\n    }"),
        ("{ # mine\n  success 5000\n  denial 2500 5\n }", "{ # mine\n  success 5000 7 7\n  denial 2500 5\n }"),
        ("{\n success 1\n success 5000 30 5\n }", "{\n success 1\n success 5000 7 7\n }"),
    ],
)
def test_every_way_to_write_a_cache_is_pinned(cache: str, made: str) -> None:
    """The size of the cache stays; where it is said twice, the last one counts for CoreDNS, too."""
    assert pinned(block(cache), Pin("r-1", 7)).startswith(block(made))


@pytest.mark.parametrize(
    ("text", "pin", "words"),
    [
        ("cluster.local:53 {", {"pin_s": 7}, "line 1"),
        (
            corefile("nodelocal"),
            {"pin_s": 7, "zone": "corp.example"},
            "no block for corp.example.:53, only for cluster",
        ),
        (corefile("nodelocal"), {"pin_s": 7, "domain": "k8s.example"}, "no block for k8s.example.:53"),
        (block("{\n  serve_stale\n }"), {"pin_s": 7}, "line 3: serve_stale: it answers from what has exp"),
        (block("{\n  prefetch 2\n }"), {"pin_s": 7}, "line 3: prefetch: it asks again before an answer"),
        (block("{\n  keepttl\n }"), {"pin_s": 7}, "line 3: keepttl: it hides how a TTL counts down"),
        (block("{\n  disable success\n }"), {"pin_s": 7}, "line 3: no good answer is cached here"),
        (block("30 corp.example"), {"pin_s": 7}, "line 2: the cache is for corp.example only"),
        ("cluster.local {\n forward . 10.96.0.10\n}\n", {"pin_s": 7}, "the block for cluster.local. has no cache"),
        (
            "(c) {\n cache 30\n}\ncluster.local {\n import c\n}\n",
            {"pin_s": 7},
            "'cache' is not in the block that begins",
        ),
        ("cluster.local {\n cache\n}\n", {"names": ("a.example",)}, "does not say where it asks"),
        (
            f"{block('30')}a.example {{\n}}\n",
            {"names": ("a.example",)},
            "is a block for a.example. already",
        ),
        (pinned(corefile("nodelocal"), Pin("r-0", 7)), {"pin_s": 8}, "is a block for rev.cp.invalid. already"),
        ("", {"pin_s": 3601}, "pin_s is 3601"),
        ("", {"pin_s": 7.5}, "pin_s is 7.5"),
        ("", {}, "pin_s is 0 and there are no names"),
        ("", {"pin_s": 7, "revision": 'x"'}, "cannot stand in a Corefile"),
        ("", {"names": ("a b.example",)}, "is no DNS name"),
        ("", {"names": ("api.shop.svc.cluster.local",)}, "is in the cluster's domain"),
        ("", {"names": tuple(f"{n}.example" for n in range(MOST_NAMES + 1))}, "17 names are given"),
    ],
)
def test_what_cannot_be_pinned_is_refused(text: str, pin: dict[str, Any], words: str) -> None:
    """In one line, with the line of the Corefile, and nothing was changed."""
    with pytest.raises(ProfileInvalid) as refused:
        pinned(text, Pin(**{"revision": "r-1", **pin}))
    assert words in str(refused.value)
    assert "nothing was changed" in str(refused.value)
    assert "\n" not in str(refused.value)


# A node's cache, the cluster DNS behind it, and the resolver that the node itself has.
NODE = """cluster.local:{node} {{
    bind 127.0.0.1
    cache {{
        success 9984 30
        denial 9984 5
    }}
    reload 30s
    forward . 127.0.0.1:{cluster} {{
        force_tcp
        max_fails 0
    }}
}}
.:{node} {{
    bind 127.0.0.1
    cache 30
    reload 30s
    forward . 127.0.0.1:{resolver}
}}
"""
SERVER = """.:{port} {{
    bind 127.0.0.1
    hosts {{
        {truth} api.shop.svc.cluster.local other.shop.svc.cluster.local
        {world} www.example.com
        ttl 5
        no_reverse
    }}
}}
"""


class NodeCache:
    """A cache with cluster DNS and a resolver behind it, each a CoreDNS of its own."""

    def __init__(self, folder: Path, pin: Pin) -> None:
        self.port, self.cluster_port, self.resolver_port = (coredns.free_port() for _ in range(3))
        self.stock = NODE.format(node=self.port, cluster=self.cluster_port, resolver=self.resolver_port)
        self.files = {name: folder / name for name in ("node", "cluster", "resolver")}
        self.files["node"].write_text(pinned(self.stock, pin, self.port))
        for name, port, world in (
            ("cluster", self.cluster_port, TOLD_BY_CLUSTER),
            ("resolver", self.resolver_port, TOLD_BY_NODE),
        ):
            self.files[name].write_text(SERVER.format(port=port, truth=TRUTH, world=world))

    def answers(self, name: str, type_: str = "A") -> dict[str, int]:
        """What the cache says, with each record's TTL."""
        return coredns.said(coredns.ask(name, type_, self.port))[1]


@pytest.fixture
def node_cache(tmp_path: Path) -> Iterator[NodeCache]:
    """A pinned cache; cluster DNS runs until its test stops it."""
    made = NodeCache(tmp_path, Pin("r-1", PIN_S, names=(WORLD,)))
    with coredns.running(made.files["resolver"]), coredns.running(made.files["node"]):
        yield made


@pytest.mark.programs
def test_a_pinned_cache_outlives_cluster_dns_and_the_way_back_is_short(node_cache: NodeCache) -> None:
    """A record of 5 s is kept for the pin; a name of the world is asked of cluster DNS; back again within seconds."""
    with coredns.running(node_cache.files["cluster"]):
        assert node_cache.answers(API) == {TRUTH: PIN_S}
        assert node_cache.answers(WORLD) == {TOLD_BY_CLUSTER: PIN_S}
        assert node_cache.answers(REVISION_NAME, "TXT") == {'"r-1"': 0}
    [(kept, left_s)] = node_cache.answers(API).items()
    assert (kept, 0 < left_s <= PIN_S) == (TRUTH, True)
    assert node_cache.answers(OTHER) == {}
    node_cache.files["node"].write_text(node_cache.stock)
    # the pin's own interval: the 30 s of the other blocks would be too long for this
    until(lambda: node_cache.answers(REVISION_NAME, "TXT") == {}, "the Corefile as it was", within_s=10)
    assert node_cache.answers(WORLD) == {TOLD_BY_NODE: 5}
    assert node_cache.answers(API) == {}
