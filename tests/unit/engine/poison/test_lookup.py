"""Which block answers, and what its imports stand for, as CoreDNS decides it."""

import pytest

from chaoslib_cp.engine.poison.lookup import block_for, resolve_snippets
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.corefiles import NAMES, PORTS, corefile

BLOCKS = """
(gated) {
    view gate {
        expr true
    }
}
. {
}
cluster.local {
}
shop.svc.cluster.local {
    import gated
}
api.shop.svc.cluster.local {
    view gate {
        expr true
    }
}
cluster.local:5399 {
}
tls://pay.cluster.local:53 {
}
{$ZONE} {
}
"""


@pytest.mark.parametrize(
    ("name", "port", "key"),
    [
        ("cluster.local", 53, "cluster.local"),
        ("CLUSTER.local.", 53, "cluster.local"),
        ("x.shop.svc.cluster.local", 53, "cluster.local"),
        ("api.shop.svc.cluster.local", 53, "cluster.local"),
        ("pay.cluster.local", 53, "cluster.local"),
        ("mycluster.local", 53, "."),
        ("example.org", 53, "."),
        (".", 53, "."),
        ("a.cluster.local", 5399, "cluster.local:5399"),
        ("example.org", 5399, None),
        ("example.org", 54, None),
    ],
)
def test_the_longest_zone_on_the_port_answers(name: str, port: int, key: str | None) -> None:
    """By whole labels, without regard to case; a view is passed over."""
    found = block_for(parse_corefile(BLOCKS), name, port)
    assert (found.keys[0] if found else None) == key


@pytest.mark.parametrize("name", NAMES)
def test_every_real_corefile_has_a_block_for_the_cluster(name: str) -> None:
    """With the plugin that knows the services, except in a cache on the nodes."""
    parsed = parse_corefile(corefile(name))
    block = block_for(parsed, "cluster.local", PORTS.get(name, 53))
    assert block is not None
    names = [directive.name for directive in resolve_snippets(parsed, block)]
    assert ("kubernetes" in names) is (name != "nodelocal")
    assert block_for(parsed, "cluster.local", 54) is None


def test_snippets_are_put_in_at_every_depth() -> None:
    """In the order in which CoreDNS would read them."""
    parsed = parse_corefile(corefile("snippets"))
    first, second = (resolve_snippets(parsed, block) for block in parsed.blocks)
    assert [one.name for one in first] == ["errors", "log", "cache", "kubernetes", "health", "ready"]
    assert [one.arguments for one in first[2].body] == [("9984", "{$SUCCESS_TTL}"), ("9984", "5")]
    assert [one.name for one in second] == ["errors", "log", "forward", "cache", "loop"]


def test_what_is_no_snippet_yet_stays_an_import() -> None:
    """A file, a pattern, and a snippet that stands further down, which CoreDNS takes for a file."""
    parsed = parse_corefile(". {\n    import later\n    import a/*.conf\n}\n(later) {\n    errors\n}\n")
    assert [one.name for one in resolve_snippets(parsed, parsed.blocks[0])] == ["import", "import"]


@pytest.mark.parametrize(
    "text",
    [
        "(a) {\nimport b\n}\n(b) {\nimport a\n}\n. {\nimport a\n}",
        "(a) {\nx {\nimport a\n}\n}\n. {\nimport a\n}",
        "(s0) {\nx\n}\n" + "".join(f"(s{n + 1}) {{\nimport s{n}\n}}\n" for n in range(40)) + ". {\nimport s40\n}",
    ],
)
def test_imports_without_end_are_refused(text: str) -> None:
    """Instead of memory without end."""
    parsed = parse_corefile(text)
    with pytest.raises(ProfileInvalid, match="too deep or too often"):
        resolve_snippets(parsed, parsed.blocks[0])


def test_imports_that_multiply_are_refused() -> None:
    """Ten lines each, nine deep: a thousand million lines."""
    snippets = "".join(f"(s{n + 1}) {{\n{f'import s{n}{chr(10)}' * 10}}}\n" for n in range(9))
    parsed = parse_corefile(f"(s0) {{\nx\n}}\n{snippets}. {{\nimport s9\n}}")
    with pytest.raises(ProfileInvalid, match="too deep or too often"):
        resolve_snippets(parsed, parsed.blocks[0])
