"""What in a Corefile makes an outage worse is told with its line, its level, and what to do."""

import pytest

from chaoslib_cp.engine.poison.weaknesses.served import Version, read_served
from chaoslib_cp.engine.poison.weaknesses.table import ROWS, corefile_weaknesses
from chaoslib_cp.engine.poison.weaknesses.weakness import LEVELS, Place, Weakness
from chaoslib_cp.errors import ProfileInvalid
from tests.places import ROOT
from tests.scaffold.corefiles import NAMES, PORTS, corefile

# Name of the row, level and line; the other Corefiles have none but the last.
STOCK = {
    "aks": [("max_concurrent", "low", 13), ("reload", "low", 16), ("import", "low", 18), ("import", "low", 28)],
    "crlf": [("max_concurrent", "low", 17), ("loop", "low", 3), ("no reload", "low", 3)],
    "eks": [("short TTL", "low", 7), ("max_concurrent", "low", 12), ("reload", "low", 15)],
    "k3s": [
        ("short TTL", "low", 5),
        ("max_concurrent", "low", 20),
        ("lameduck", "low", 3),
        ("reload", "low", 17),
        ("import", "low", 19),
        ("import", "low", 22),
    ],
    "kind": [("not cached", "low", 20), ("reload", "low", 24)],
    "kops": [("reload", "low", 18)],
    "kubeadm-1.24": [("reload", "low", 18)],
    "kubeadm-1.28": [("reload", "low", 18)],
    "kubeadm-1.32": [("not cached", "low", 17), ("reload", "low", 21)],
    "minikube": [("not cached", "low", 22), ("reload", "low", 26)],
    "no-braces": [
        ("ready", "medium", 1),
        ("short TTL", "low", 3),
        ("lameduck", "low", 1),
        ("no reload", "low", 1),
    ],
    "nodelocal": [("mask", "low", 4)],
    "openshift": [("short TTL", "low", 26), ("max_concurrent", "low", 31), ("loop", "low", 16), ("reload", "low", 37)],
    "rke2": [("max_concurrent", "low", 13), ("reload", "low", 16)],
    "schemes": [
        ("long NXDOMAIN", "medium", 13),
        ("ready", "medium", 10),
        ("short TTL", "low", 16),
        ("lameduck", "low", 10),
        ("no reload", "low", 10),
    ],
    "snippets": [("lameduck", "low", 28), ("no reload", "low", 19)],
}
GOOD = """. {
    health {
        lameduck 5s
    }
    ready
    loop
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    kubernetes cluster.local in-addr.arpa {
        ttl 30
%s    }
    cache 30 {
%s    }
    reload
%s}
"""
NOT_VERIFYING = "serve_stale, which answers before it asks"
OLD, NEW = (1, 14, 3), (1, 14, 4)
ROWS_OF_ONE = [
    ("cache", "serve_stale", OLD, ("serve_stale", "high", 14, NOT_VERIFYING)),
    ("cache", "serve_stale 2h immediate", OLD, ("serve_stale", "high", 14, "serve_stale 2h immediate, which")),
    ("cache", "serve_stale", None, ("serve_stale", "medium", 14, "serve_stale, and the image tells no version")),
    ("cache", "serve_stale", NEW, ("stale answers", "low", 14, "serve_stale")),
    ("cache", "serve_stale 1h verify", OLD, ("stale answers", "low", 14, "serve_stale 1h verify")),
    ("cache", "prefetch 10 1m 20%", NEW, ("prefetch", "low", 14, "prefetch 10 1m 20%")),
    ("cache", "keepttl", NEW, ("keepttl", "low", 14, "keepttl")),
    ("cache", "disable success", NEW, ("not cached", "low", 14, "answers for cluster.local are not kept")),
    ("cache", "disable success local", NEW, ("not cached", "low", 14, "answers for cluster.local are not kept")),
    ("cache", "disable success example.org", NEW, None),
    ("cache", "success 9984 1200 1200", NEW, ("long TTL", "medium", 14, "answers for cluster.local live 1200 s")),
    ("cache", "success 9984 1200", NEW, None),
    ("cache", "success 9984 5", NEW, ("short TTL", "low", 14, "answers for cluster.local live 5 s")),
    ("cache", "success 9984 {$TTL} 1200", NEW, None),
    ("cache", "denial 9984 1800", NEW, ("long NXDOMAIN", "medium", 14, "NXDOMAIN is kept for up to 1800 s")),
    ("cache", "denial 9984 60", NEW, None),
    ("cache", "denial 9984 {$TTL}", NEW, None),
    ("cache", "servfail 5m", NEW, ("long SERVFAIL", "medium", 14, "SERVFAIL is kept for 300 s")),
    ("cache", "servfail 1m30s", NEW, ("long SERVFAIL", "medium", 14, "SERVFAIL is kept for 90 s")),
    ("cache", "servfail 10s", NEW, None),
    ("cache", "servfail 0", NEW, None),
    ("cache", "servfail soon", NEW, None),
    ("kubernetes", "fallthrough", NEW, ("bare fallthrough", "medium", 12, "kubernetes hands on all")),
    ("kubernetes", "fallthrough in-addr.arpa", NEW, None),
    ("kubernetes", "pods verified", NEW, ("pods verified", "medium", 12, "pods verified")),
    ("kubernetes", "ttl {$TTL}", NEW, None),
    ("kubernetes", "import more", NEW, ("import", "low", 12, "import 'more'")),
    ("block", "autopath @kubernetes", NEW, ("autopath", "low", 16, "autopath")),
]


def weaknesses(text: str, version: Version | None = NEW, port: int = 53, place: Place = "servers") -> list[Weakness]:
    """What is found, apart from what a Corefile with ``reload`` always has."""
    found = corefile_weaknesses(read_served(text, "", port, version, 30), "ConfigMap kube-system/coredns", place)
    assert all(len(one.sentence()) <= 200 and "\n" not in one.sentence() for one in found)
    assert all(one.what and one.why and one.fix and one.source for one in found)
    return found


def told(found: list[Weakness]) -> list[tuple[str, str, int]]:
    """Name, level and line of each."""
    return [(one.name, one.level, int(one.on.rpartition(" line ")[2])) for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_what_distributions_ship_has_nothing_grave(name: str) -> None:
    """Each finding of each of them, with its line; none can by itself take DNS away."""
    place: Place = "node caches" if name == "nodelocal" else "servers"
    assert told(weaknesses(corefile(name), port=PORTS.get(name, 53), place=place)) == STOCK[name]


@pytest.mark.parametrize(("where", "line", "version", "expected"), ROWS_OF_ONE)
def test_each_weakness_alone(
    where: str, line: str, version: Version | None, expected: tuple[str, str, int, str] | None
) -> None:
    """It is found on its line, also where a snippet brings it in; what is like it and does no harm is not."""
    text = GOOD % tuple(f"        {line}\n" if where == place else "" for place in ("kubernetes", "cache", "block"))
    found = [one for one in weaknesses(text, version) if one.name != "reload"]
    assert told(found) == ([expected[:3]] if expected else [])
    assert not expected or found[0].what.startswith(expected[3])
    brought_in = f"(s) {{\n    {line}\n}}\n{text.replace(line, 'import s')}"
    again = [one for one in weaknesses(brought_in, version) if one.name != "reload"]
    assert told(again) == ([(*expected[:2], 2)] if expected else [])


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("    loop\n", ("loop", "low", 1)),
        ("    ready\n", ("ready", "medium", 1)),
        ("        lameduck 5s\n", ("lameduck", "low", 2)),
        ("    reload\n", ("no reload", "low", 1)),
        ("        max_concurrent 1000\n", ("max_concurrent", "low", 7)),
        ("        ttl 30\n", ("short TTL", "low", 10)),
    ],
)
def test_what_is_missing_is_told_with_the_line_where_it_belongs(gone: str, expected: tuple[str, str, int]) -> None:
    """The line of the block, or of the plugin that has such an option."""
    found = [one for one in weaknesses((GOOD % ("", "", "")).replace(gone, "")) if one.name != "reload"]
    assert told(found) == [expected]


@pytest.mark.parametrize(
    ("text", "level", "kept_s"),
    [
        ("cache 30", "low", 30),
        ("cache {\n success 9984 1200 1200\n}", "medium", 1200),
        ("cache {\n success 9984 20\n}", "low", 20),
        ("cache 30 {\n disable success\n}", "", 0),
    ],
)
def test_a_node_cache_tells_how_long_it_masks(text: str, level: str, kept_s: int) -> None:
    """Out of what arrives from the DNS servers, 30 s here, and its own limits."""
    found = [
        one
        for one in weaknesses(f"cluster.local {{\n{text}\nforward . 10.96.0.10\n}}\n", place="node caches")
        if one.name == "mask"
    ]
    assert [one.level for one in found] == ([level] if level else [])
    assert all(one.what == f"answers for cluster.local are kept for up to {kept_s} s" for one in found)


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        (". {\n    errors", "", "Corefile line"),
        ("", "", "no server block without a view answers for 'cluster.local' on port 53"),
        ("a.local {\n}\n", "b.local.", "no server block without a view answers for 'b.local' on port 53"),
    ],
)
def test_what_cannot_be_judged_is_one_line(text: str, zone: str, words: str) -> None:
    """Nothing found would be good news of a text that nobody looked at."""
    with pytest.raises(ProfileInvalid, match=words) as refused:
        read_served(text, zone, 53, NEW)
    assert "\n" not in str(refused.value)


def test_the_domain_is_the_one_that_kubernetes_answers_for() -> None:
    """Its first zone that is no reverse zone, or that of its block."""
    assert read_served(". {\nkubernetes 10.in-addr.arpa Shop.Local\n}\n", "", 53, NEW).zone == "shop.local"
    assert read_served("shop.local {\nkubernetes\n}\n", "", 53, NEW).zone == "shop.local"
    assert read_served(". {\nwhoami\n}\n", "", 53, NEW).zone == "cluster.local"


def test_the_gravest_come_first_and_every_row_is_explained() -> None:
    """Whoever reads only the first line reads what matters most; the page of probes names every row."""
    worst = GOOD % ("        pods verified\n", "        serve_stale\n        prefetch 3\n", "")
    levels = [LEVELS.index(one.level) for one in weaknesses(worst, OLD)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == LEVELS.index("high")
    page = (ROOT / "probes" / "README.md").read_text()
    assert [row.name for row in ROWS if f"**{row.name}**" not in page] == []
