"""An armed Corefile on a real CoreDNS: reloaded once, lies by the clock, and the truth again after the way back."""

import time
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.poison.arming import BACKEND_PORT, Poison, armed, marked
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.parser import parse_corefile
from chaoslib_cp.engine.poison.revision import REVISION_NAME, Revision, read_revision
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold import coredns
from tests.scaffold.corefiles import TRUTH, stock
from tests.scaffold.waiting import until

API, OTHER, ZONE = "api.shop.svc.cluster.local.", "other.shop.svc.cluster.local.", "cluster.local"
FORGED = "192.0.2.66"
LIE = Lie("wrong-address", API, 40, (FORGED,))


def poison(begins_s: int = 1_000_000_000, ends_s: int = 2_000_000_000, **changed: Any) -> Poison:
    """One lie."""
    usual: dict[str, Any] = {"lies": (LIE,), "begins_at_epoch_s": begins_s, "ends_at_epoch_s": ends_s}
    return Poison(**{**usual, "revision": "r-1", **changed})


def revision(port: int) -> set[str]:
    """What the canary says."""
    return {data.split('"')[1] for data in coredns.said(coredns.ask(REVISION_NAME, "TXT", port))[1]}


@pytest.mark.programs
def test_a_lie_begins_and_ends_by_the_clock_and_the_cache_keeps_it(tmp_path: Path) -> None:
    """One reload to arm and one to go back; between them nothing is touched but one name."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    corefile.write_text(stock(port))

    def answers(name: str, at: int = port) -> dict[str, int]:
        return coredns.said(coredns.ask(name, "A", at))[1]

    with coredns.running(corefile):
        assert answers(API) == {TRUTH: 30}
        begins_s = round(time.time()) + 8  # noqa: TID251 - the clock of the DNS server
        ends_s = begins_s + 3
        corefile.write_text(armed(stock(port), poison(begins_s, ends_s), ZONE, port))
        until(lambda: revision(port) == {"r-1"}, "the armed Corefile")
        assert time.time() < begins_s  # noqa: TID251 - as above
        assert TRUTH in answers(OTHER)
        until(lambda: answers(API, BACKEND_PORT) == {FORGED: 40}, "the gate to open")
        assert answers(API) == {FORGED: 40}
        until(lambda: answers(API, BACKEND_PORT) == {TRUTH: 30}, "the gate to close")
        late_s = time.time() - ends_s  # noqa: TID251 - as above
        assert late_s < 2
        [(kept, left_s)] = answers(API).items()
        assert (kept, 30 <= left_s < 40) == (FORGED, True)
        assert TRUTH in answers(OTHER)
        corefile.write_text(stock(port))
        until(lambda: revision(port) == set(), "the Corefile as it was")
        assert answers(API) == {TRUTH: 30}


@pytest.mark.programs
def test_a_revision_alone_empties_the_caches_and_so_does_the_way_back(tmp_path: Path) -> None:
    """The TTL that counts down begins anew; nothing else is told. CoreDNS looks for the old one every 2 s."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    # kept for the 30 s of the cache; what it says of itself does not count down
    text = stock(port).replace("        disable success cluster.local\n", "").replace("cache 30 {\n    }", "cache 30")
    text = text.replace("reload 2s 1s", "reload 2s 1s\n    # the file's own")
    corefile.write_text(text)

    def kept_s() -> int:
        return coredns.said(coredns.ask(API, "A", port))[1][TRUTH]

    with coredns.running(corefile):
        for then, known in ((marked(text, "r-1", port), {"r-1"}), (text, set[str]())):
            assert kept_s() == 30
            until(lambda: kept_s() < 30, "a TTL that counts down")
            corefile.write_text(then)
            until(lambda known=known: revision(port) == known, "the other Corefile")  # type: ignore[misc]
            assert kept_s() == 30


def test_other_server_blocks_stay_as_they_are_byte_for_byte() -> None:
    """Whatever stands in them, and around them."""
    made = armed(stock(53), poison(), ZONE)
    assert made.startswith("# kept\n")
    before, after = parse_corefile(stock(53)), parse_corefile(made)
    assert before.source(before.blocks[1]) in made
    keys = [block.zones for block in after.blocks]
    assert keys == [
        ((".", 53),),
        ((".", BACKEND_PORT),),
        (("other.example.", 53),),
        ((REVISION_NAME, 53),),
        ((API, BACKEND_PORT),),
    ]
    front, backend = after.blocks[:2]
    assert [one.name for one in front.directives] == [
        "bind", "errors", "prometheus", "loadbalance", "cache", "forward", "reload",
    ]  # fmt: skip
    assert [one.name for one in backend.directives] == ["bind", "errors", "hosts", "kubernetes"]


@pytest.mark.parametrize(
    ("cache", "kept"),
    [
        ("cache 30", ["9984 40", "9984 40"]),
        ("cache", ["9984 3600", "9984 3600"]),
        ("cache 300 {\n success 5000 600\n denial 2500 20\n }", ["9984 600", "9984 40"]),
        ("", ["9984 40", "9984 40"]),
    ],
)
def test_the_truth_is_kept_for_as_long_as_before_and_the_lie_for_its_ttl(cache: str, kept: list[str]) -> None:
    """A cap of 30 s would cut a lie of 40 s short."""
    text = f".:53 {{\n kubernetes cluster.local\n {cache}\n}}\n"
    [made] = [one for one in parse_corefile(armed(text, poison(), ZONE)).blocks[0].directives if one.name == "cache"]
    assert [" ".join(one.arguments) for one in made.body][:2] == kept


def test_a_pin_keeps_every_good_answer_for_its_time() -> None:
    """The mask of twenty minutes needs no lie at all."""
    made = armed(stock(53), poison(lies=(), pin_s=1200, watched=((API, "A"),)), ZONE)
    assert "success 9984 1200 1200\n" in made
    assert 'expr now() >= date("2001-09-09T01:46:40Z") && now() < date("2033-05-18T03:33:20Z")\n' in made
    told = read_revision([made.partition(" 0 IN TXT ")[2].replace("\\", "").partition("\n")[0]])
    assert told == Revision("r-1", 1_000_000_000, 2_000_000_000, ((API, "A"),), lies=False)
    assert told.is_truthful_at(1_500_000_000, 2)


def test_a_cache_keeps_something_where_nothing_says_how_much() -> None:
    """CoreDNS refuses a cache that keeps nothing."""
    made = armed(".:53 {\n kubernetes cluster.local\n}\n", poison(lies=(), pin_s=1200), ZONE)
    assert "denial 9984 5\n" in made
    assert "9984 0" not in made


@pytest.mark.parametrize(
    ("text", "changed", "words"),
    [
        (".:53 {\n forward . 1.1.1.1\n}\n", {}, "shows no kubernetes plugin"),
        (".:5353 {\n kubernetes cluster.local\n}\n", {}, "no server block without a view answers for cluster.local."),
        (".:53 {\n kubernetes cluster.local\n acl {\n block\n }\n}\n", {}, "acl: it lets clients in by their address"),
        (".:53 {\n kubernetes cluster.local\n cache {\n serve_stale\n }\n}\n", {}, "serve_stale: it answers from what"),
        (
            f".:53 {{\n kubernetes cluster.local\n}}\n.:{BACKEND_PORT} {{\n whoami\n}}\n",
            {},
            "has . on port 5399 already",
        ),
        (
            f".:53 {{\n kubernetes cluster.local\n}}\n{REVISION_NAME} {{\n whoami\n}}\n",
            {},
            "has rev.cp.invalid. on port",
        ),
        (".:53 {", {}, "line 1"),
        ("", {"lies": ()}, "there is no lie and no pin"),
        ("", {"ends_at_epoch_s": 1e9}, "the lie would end before it begins"),
        ("", {"revision": 'x"'}, "cannot stand in a Corefile"),
        ("", {"pin_s": 4000}, "pin_s is 4000"),
        ("", {"lies": (LIE, LIE)}, f"two lies are about {API} A"),
    ],
)
def test_what_cannot_be_armed_is_refused(text: str, changed: dict[str, Any], words: str) -> None:
    """In one line, and nothing was changed."""
    with pytest.raises(ProfileInvalid) as refused:
        armed(text, poison(**changed), ZONE)
    assert words in str(refused.value)
    assert "nothing was changed" in str(refused.value)


def test_an_armed_corefile_is_not_armed_again() -> None:
    """A second fault would be told over the first."""
    with pytest.raises(ProfileInvalid, match="already, as an armed one has; nothing was changed"):
        armed(armed(stock(53), poison(), ZONE), poison(), ZONE)
