"""Imports of files: what a distribution's Corefile becomes with what its owner added, and what is not followed."""

import re
from pathlib import Path

import pytest

from chaoslib_cp.engine.poison.arming import BACKEND_PORT, Poison, armed
from chaoslib_cp.engine.poison.imports import Beside, imported_folders, with_imports
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.corefiles import corefile, stock

CUSTOM = "/etc/coredns/custom"
LIE = Lie("wrong-address", "api.shop.svc.cluster.local.", 40, ("192.0.2.66",))
HOSTS = "hosts {\n    192.0.2.7 old.example\n    fallthrough\n}\n"
POISON = Poison((LIE,), 1_000_000_000, 2_000_000_000, "r-1")


def beside(**files: str) -> Beside:
    """The folder of the owner's own files, mounted; ``__`` in a name is a dot."""
    named = {f"{CUSTOM}/{name.replace('__', '.')}": text for name, text in files.items()}
    return Beside("/etc/coredns", frozenset({CUSTOM}), named)


def blocks(text: str) -> dict[str, list[str]]:
    """The plugins of each server block, by its first key."""
    return {block.keys[0]: [one.name for one in block.directives] for block in parse_corefile(text).blocks}


@pytest.mark.parametrize("name", ["aks", "k3s"])
def test_imports_that_bring_nothing_stay_where_they_stand(name: str) -> None:
    """A pattern without a match is only warned of; the one in the block goes with what knows the truth."""
    text = corefile(name)
    made = armed(text, POISON, "cluster.local", beside=beside())
    found = blocks(made)
    assert "import" not in found[".:53"]
    assert "import" in found[f".:{BACKEND_PORT}"]
    before, after = parse_corefile(text), parse_corefile(made)
    assert [after.source(one) for one in after.imports] == [before.source(one) for one in before.imports]
    behind = text[before.blocks[0].span.end :]
    assert behind in made


@pytest.mark.parametrize(
    ("added", "front", "backend"),
    [
        (HOSTS, [], ["import"]),
        ("rewrite name a.example b.example\n" + HOSTS, [], ["import"]),
        ("log\n", ["log"], []),
        ("log\n" + HOSTS, ["log"], ["hosts"]),
        ("# nothing yet\n", [], ["import"]),
    ],
    ids=["about the truth", "both about the truth", "of the front", "of both", "a comment"],
)
def test_what_an_owner_added_goes_where_it_belongs(added: str, front: list[str], backend: list[str]) -> None:
    """As an import where all of it is about the truth; else line by line."""
    found = blocks(armed(corefile("aks"), POISON, "cluster.local", beside=beside(mine__override=added)))
    stock = blocks(armed(corefile("aks"), POISON, "cluster.local", beside=beside()))
    assert [one for one in found[".:53"] if one not in stock[".:53"]] == front
    usual = {*stock[f".:{BACKEND_PORT}"]} - {"import"}
    assert [one for one in found[f".:{BACKEND_PORT}"] if one not in usual] == backend


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"mine__override": "autopath @kubernetes\n"},
            "autopath: it searches .* counted with what the Corefile imports",
        ),
        ({"mine__override": "cache {\n serve_stale\n}\n"}, "serve_stale: it answers from what has expired"),
        ({"mine__override": "import other\n"}, "mine.override', which the Corefile imports, imports something itself"),
        ({"mine__override": "log\n}\nx {\n"}, "ends the server block that imports it"),
        (
            {"mine__server": "cluster.local {\n kubernetes cluster.local\n}\n"},
            "is in a file that the Corefile imports",
        ),
        ({"mine__server": f"a.example:{BACKEND_PORT} {{\n whoami\n}}\n"}, "on port 5399 already"),
        ({"mine__override": 'log "\n'}, "mine.override', which the Corefile imports, cannot be read"),
        ({"a__server": "a.example {\n"}, "a.server', which the Corefile imports, cannot be read"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_what_stands_against_a_front_cache_is_found_in_files_too(files: dict[str, str], words: str) -> None:
    """They are a part of the Corefile."""
    with pytest.raises(ProfileInvalid, match=words) as refused:
        armed(corefile("aks"), POISON, "cluster.local", beside=beside(**files))
    assert "nothing was changed" in str(refused.value)


@pytest.mark.parametrize(
    "pattern",
    ["/elsewhere/*.override", "custom/[a].override", "custom/{$NAME}", "*/a.override", "custom/**", "custom/missing"],
)
def test_an_import_that_nobody_can_follow_stays_and_is_refused(pattern: str) -> None:
    """Nobody could tell what it brings in."""
    text = corefile("aks").replace("custom/*.override", pattern)
    assert f"import {pattern}" in with_imports(text, beside(a__override="log"))
    with pytest.raises(ProfileInvalid, match="brings in what the text does not tell"):
        armed(text, POISON, "cluster.local", beside=beside(a__override="log"))


def test_files_are_put_in_by_name_and_only_where_the_pattern_says() -> None:
    """In the order of their names, each on lines of its own."""
    files = beside(b__override="log", a__override="any", c__server="x.example {\n    whoami\n}", other="debug")
    found = parse_corefile(with_imports(corefile("aks"), files))
    assert [one.name for one in found.blocks[0].directives if one.name in ("any", "log", "debug")] == ["any", "log"]
    assert [block.keys for block in found.blocks] == [(".:53",), ("x.example",)]
    assert imported_folders(corefile("aks"), "/etc/coredns") == {CUSTOM}


def test_snippets_of_the_block_go_where_their_lines_belong() -> None:
    """A cache that a snippet brings in would keep the truth from being asked for behind the front."""
    text = (
        "(usual) {\n    errors\n    log\n    cache 30\n}\n.:53 {\n    import usual\n    kubernetes cluster.local\n}\n"
    )
    found = blocks(armed(text, POISON, "cluster.local"))
    assert found[".:53"] == ["errors", "log", "cache", "forward", "reload"]
    assert found[f".:{BACKEND_PORT}"] == ["errors", "kubernetes"]


@pytest.mark.programs
@pytest.mark.parametrize(
    ("address", "added"),
    [
        ("127.0.0.55", ""),
        ("127.0.0.56", "hosts {\n    192.0.2.7 added.example\n}\n"),
        ("127.0.0.57", "log\nhosts {\n    192.0.2.7 added.example\n}\n"),
    ],
    ids=["nothing", "hosts", "log and hosts"],
)
def test_coredns_takes_an_armed_corefile_with_what_its_owner_added(tmp_path: Path, address: str, added: str) -> None:
    """The front asks the backend, whose port is the same everywhere; and what was added is still answered."""
    port = coredns.free_port()
    # the plugin hosts may be there once
    text = re.sub(
        r"    hosts \{.*?\n    \}\n", f"    import {tmp_path}/*.override\n", stock(port), count=1, flags=re.DOTALL
    ).replace("127.0.0.1", address)
    if added:
        (tmp_path / "mine.override").write_text(added)
    files = {str(tmp_path / "mine.override"): added} if added else {}
    (tmp_path / "Corefile").write_text(
        armed(text, POISON, "cluster.local", port, Beside(str(tmp_path), frozenset({str(tmp_path)}), files))
    )
    with coredns.running(tmp_path / "Corefile", port=port):
        assert coredns.said(coredns.ask("api.shop.svc.cluster.local.", "A", port, address))[1] == {"192.0.2.66": 40}
        if added:
            assert "192.0.2.7" in coredns.said(coredns.ask("added.example.", "A", port, address))[1]
