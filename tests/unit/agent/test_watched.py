"""What the prober makes of an armed DNS server: it watches what is lied about, at every layer, against the truth."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.agent.prober import Prober
from chaoslib_cp.agent.prober_settings import ProberSettings
from chaoslib_cp.agent.watched import Truths, Watch
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.poison.arming import Poison, armed
from chaoslib_cp.engine.poison.lies import Lie
from chaoslib_cp.engine.poison.revision import Revision
from chaoslib_cp.engine.sample.dns import DnsSample
from tests.scaffold import coredns
from tests.scaffold.corefiles import TRUTH, stock
from tests.scaffold.waiting import until_async

API, OTHER, PODS = (f"{name}.shop.svc.cluster.local." for name in ("api", "other", "pods"))
ASKED = (API, "A")
LAYERS = ("dns_watched_cached", "dns_watched_uncached", "dns_watched_pod")
ADDRESS = "127.0.0.53"  # the backend's port is the same everywhere, so another test may have it at 127.0.0.1
BEGINS_IN_S, LASTS_S, TTL_S = 4, 7, 6
FLOOR_S = 5  # CoreDNS keeps every answer for so long at least (source: plugin cache, minTTL)


@pytest.mark.parametrize(
    ("sample", "outcome"),
    [
        (DnsSample("ok", 0, "NOERROR", ("10.0.0.2", "10.0.0.3")), "ok"),
        (DnsSample("ok", 0, "NOERROR", ("10.0.0.1",)), "stale"),
        (DnsSample("ok", 0, "NOERROR", ("10.0.0.2",)), "wrong"),
        (DnsSample("nxdomain", 0, "NXDOMAIN"), "nxdomain"),
        (DnsSample("timeout", 1.9), "timeout"),
    ],
    ids=["the truth, in any order", "what was true before", "half of the truth", "no such name", "no answer"],
)
def test_an_answer_is_judged_against_what_is_true_and_what_was(sample: DnsSample, outcome: str) -> None:
    """Wrong and stale are outcomes of their own; a failure stays what it is."""
    truths = Truths()
    truths.learn(ASKED, DnsSample("ok", 0, "NOERROR", ("10.0.0.1",)))
    truths.learn(ASKED, DnsSample("servfail", 0, "SERVFAIL"))
    truths.learn(ASKED, DnsSample("ok", 0, "NOERROR", ("10.0.0.3", "10.0.0.2")))
    assert truths.judged(ASKED, sample).outcome == outcome


def test_that_a_name_does_not_exist_can_be_the_truth() -> None:
    """A hijacked search list gives names an address that never had one."""
    truths = Truths()
    truths.learn(ASKED, DnsSample("nxdomain", 0, "NXDOMAIN"))
    assert truths.judged(ASKED, DnsSample("nxdomain", 0, "NXDOMAIN")).outcome == "ok"
    assert truths.judged(ASKED, DnsSample("ok", 0, "NOERROR", ("10.0.0.1",))).outcome == "wrong"


def test_a_pinned_node_cache_is_no_server_that_lies() -> None:
    """It has a revision and no backend: nothing is asked there, and what is watched elsewhere goes on."""
    watch = Watch(ProberSettings("169.254.20.10", "10.96.0.10", OTHER, TRUTH), SteadyTime(SystemClock()))
    watch.heard("169.254.20.10", Revision("pin-1"))
    assert watch.questions() == {}
    watch.heard("10.0.0.1", Revision("r-1", 1, 2, (ASKED,)))
    asked = watch.questions().keys()
    watch.heard("169.254.20.10", Revision("pin-2"))
    assert watch.questions().keys() == asked
    assert asked


@pytest.mark.programs
def test_a_lie_is_seen_at_every_layer_and_ends_at_each_in_its_time(tmp_path: Path) -> None:
    """The prober is told by the server alone: true before the lie, false until each copy is too old, true again."""
    port, corefile = coredns.free_port(), tmp_path / "Corefile"
    begins_s = round(time.time()) + BEGINS_IN_S  # noqa: TID251 - the clock of the DNS server
    ends_s = begins_s + LASTS_S
    # a cache that holds the truth asks for the lie only when that is too old
    text = stock(port).replace("ttl 30", f"ttl 1\n        127.0.0.1 {PODS}").replace("127.0.0.1", ADDRESS)
    poison = Poison((Lie("wrong-address", API, TTL_S, ("192.0.2.66",)),), begins_s, ends_s, "r-1")
    corefile.write_text(armed(text, poison, "cluster.local", port))
    with coredns.running(corefile):
        samples = asyncio.run(_probed(port, ends_s + TTL_S + 2))
    assert '"r-1"' in str([one["answers"] for one in samples if one["vantage"] == "dns_revision"][-1])
    [backend] = {_outcomes(samples, "dns_watched_backend")}
    assert backend == ("ok", "wrong", "ok")
    for layer in LAYERS:
        assert _outcomes(samples, layer) == ("ok", "wrong", "ok"), layer
        wrong = [one for one in samples if one["vantage"] == layer and one["outcome"] == "wrong"]
        assert {tuple(one["answers"]) for one in wrong} == {("192.0.2.66",)}
        assert begins_s - 1 < wrong[0]["at_s"] < begins_s + FLOOR_S + 2
        assert ends_s < wrong[-1]["at_s"] < ends_s + TTL_S + 1, "a cache keeps it for its TTL, no longer"
        assert wrong[-1]["ttl_s"] < wrong[0]["ttl_s"] <= TTL_S
    controls = [one["outcome"] for one in samples if one["vantage"] in ("dns_cached", "dns_uncached", "dns_pod")]
    assert set(controls) == {"ok"}, "a name that nobody lies about is never touched"


def _outcomes(samples: list[dict[str, Any]], vantage: str) -> tuple[str, ...]:
    """The outcomes of one vantage point, each once for as long as it stays."""
    seen = [str(one["outcome"]) for one in samples if one["vantage"] == vantage]
    return tuple(seen[:1] + [later for earlier, later in pairwise(seen) if later != earlier])


async def _probed(port: int, until_s: float) -> list[dict[str, Any]]:
    """The samples of a prober that asks one server for everything until a moment."""
    asker = Prober(ProberSettings(ADDRESS, ADDRESS, OTHER, TRUTH, PODS, dns_port=port))
    asking = asyncio.ensure_future(asker.run())
    await until_async(lambda: time.time() > until_s, "the lie to be over", 40)  # noqa: TID251 - as above
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    found: list[dict[str, Any]] = json.loads(asker.page.document(0))["samples"]
    return sorted(found, key=lambda one: float(one["at_s"]))
