"""Flushing cluster DNS: every server reloads and says so, and the Corefile is given back at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.dns.actions import flush_dns_caches, start_dns_poison
from chaoslib_cp.dns.armed import ANNOTATION
from chaoslib_cp.fault import Delivers, Injected, read
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.armed_dns import CONFIG_MAP, COREFILE, SERVERS, ArmedDns, armed_dns
from tests.fakes.kube_objects import KubeObjects

QUICK: dict[str, Any] = {"arm_within_s": 2.0}


@pytest.fixture
def dns(kube: KubeObjects) -> Iterator[ArmedDns]:
    """Two DNS servers."""
    with armed_dns(kube) as made:
        yield made


def told(dns: ArmedDns) -> dict[str, Any]:
    """Configuration of a run without an observer."""
    return dns.kube.configuration(chaoslib_cp_run_dir="/runs/flush-1")


def touched(dns: ArmedDns) -> list[str]:
    """What DNS pods were told to hand on, in turn."""
    patches = [one for one in dns.kube.writes() if one.method == "PATCH" and "/pods/" in one.path]
    return [str(one.json()["metadata"]["annotations"][ANNOTATION]) for one in patches]


def test_every_server_reloads_and_the_corefile_is_as_it_was(dns: ArmedDns) -> None:
    """Nothing is left of it, and it is over when the action returns."""
    made = read(flush_dns_caches(configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers("DNS servers flushed", wanted=2, share=1.0, done=2)
    assert (made.kind, made.lasts, made.expects) == ("dns_flush", False, ())
    assert made.details["flushed_after_s"].keys() == made.details["disarmed_after_s"].keys() == set(SERVERS.values())
    assert None not in made.details["disarmed_after_s"].values()
    assert touched(dns) == [made.details["revision"]] * 2 + ["None"] * 2
    assert (dns.corefile, open_logs()) == (COREFILE, [])


def test_without_the_right_to_patch_pods_nobody_is_hurried(dns: ArmedDns) -> None:
    """It takes longer, and is delivered all the same."""
    made = read(flush_dns_caches(touch_pods=False, configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers is not None
    assert (made.delivers.done, touched(dns)) == (2, [])


def test_a_server_that_does_not_reload_is_not_counted(dns: ArmedDns) -> None:
    """The others are flushed; the Corefile is given back for all of them."""
    dns.behind.add("10.0.0.2")
    made = read(flush_dns_caches(configuration=told(dns), **QUICK))
    assert isinstance(made, Injected)
    assert made.delivers == Delivers("DNS servers flushed", wanted=2, share=1.0, done=1)
    assert made.details["flushed_after_s"]["10.0.0.2"] is None
    assert (dns.corefile, open_logs()) == (COREFILE, [])


def test_an_edit_of_somebody_else_is_never_overwritten(dns: ArmedDns) -> None:
    """The entry stays open for whoever decides."""

    def edited_as_soon_as_it_is_read(request: Request) -> Answer:
        if "dns-flush" in dns.corefile:
            dns.kube.objects[CONFIG_MAP]["data"]["Corefile"] = "theirs"
        return json_answer(dns.kube.objects[request.path])

    dns.kube.server.on("GET", CONFIG_MAP, edited_as_soon_as_it_is_read)
    with pytest.raises(ActivityFailed, match="was edited by somebody else since"):
        flush_dns_caches(configuration=told(dns), **QUICK)
    assert (dns.corefile, len(open_logs())) == ("theirs", 1)


def test_an_unwell_api_is_no_time_for_a_reload(dns: ArmedDns) -> None:
    """A CoreDNS that reloads without the API forgets the cluster."""
    dns.kube.server.on("GET", "/readyz", lambda _: Answer(500))
    with pytest.raises(ActivityFailed, match=r"the API of .* is unwell .*, and a reload of CoreDNS would then lose"):
        flush_dns_caches(configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []


def test_servers_that_are_armed_keep_what_they_tell(dns: ArmedDns) -> None:
    """A flush would be the end of a lie."""
    start_dns_poison("api.shop.svc.cluster.local", duration_s=10.0, arm_within_s=1.0, configuration=told(dns))
    before = dns.corefile
    with pytest.raises(ActivityFailed, match=r"on port 5399 already, as an armed one has; nothing was changed"):
        flush_dns_caches(configuration=told(dns), **QUICK)
    assert dns.corefile == before


@pytest.mark.parametrize(
    ("corefile", "arguments", "words"),
    [
        (COREFILE, {"arm_within_s": 0}, "arm_within_s is 0; nothing was changed; use a number from 1 to 300"),
        (".:53 {", QUICK, "Corefile"),
        (".:5353 {\n    whoami\n}\n", QUICK, "no server block without a view answers on port 53; nothing was changed"),
    ],
    ids=["no time", "unparsable", "another port"],
)
def test_what_cannot_be_flushed_is_refused(dns: ArmedDns, corefile: str, arguments: dict[str, Any], words: str) -> None:
    """One clear line, and nothing was changed."""
    dns.put_there(corefile=corefile)
    with pytest.raises(ActivityFailed, match=words):
        flush_dns_caches(configuration=told(dns), **arguments)
    assert dns.kube.writes() == []


def test_a_server_that_nobody_sees_is_refused(dns: ArmedDns) -> None:
    """Whether it was flushed could not be told."""
    dns.unseen.add("10.0.0.1")
    with pytest.raises(ActivityFailed, match=r"no answer from DNS server coredns-a \(10.0.0.1\)"):
        flush_dns_caches(configuration=told(dns), **QUICK)
    assert dns.kube.writes() == []
