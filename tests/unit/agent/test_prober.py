"""The workload prober: what it asks, and the page that shows it."""

import asyncio
import itertools
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.agent import prober
from chaoslib_cp.agent.manifests import DnsPlace, ProberPods, prober_manifests
from chaoslib_cp.agent.prober import Prober
from chaoslib_cp.agent.prober_page import MAX_ACCOUNTS, RING_SAMPLES, Page, serve
from chaoslib_cp.agent.prober_settings import ProberSettings, settings_from
from chaoslib_cp.agent.resolv_conf import read_resolv_conf
from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.engine.load.account import Account, account_of
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.dns_server import FakeDnsServer, Record
from tests.scaffold.waiting import until_async

SENTINEL = "sentinel.chaoslib-cp.svc.cluster.local."
PODS = "kube-dns-pods.kube-system.svc.cluster.local."
EXTERNAL = "www.outside.test."


def settings(port: int) -> ProberSettings:
    """Ask one fake server for everything."""
    return ProberSettings("127.0.0.1", "127.0.0.1", SENTINEL, "192.0.2.1", PODS, EXTERNAL, port)


Samples = list[dict[str, Any]]


def probe(during: Callable[[FakeDnsServer, Page], Awaitable[None]]) -> Samples:
    """Run a prober against a healthy fake server while ``during`` lasts; returns what its page then holds."""

    async def run() -> Samples:
        async with FakeDnsServer() as server:
            server.knows_all()
            server.says(SENTINEL, Record(("192.0.2.1",)))
            server.says(PODS, Record(("127.0.0.1",)))
            server.says(EXTERNAL, Record(("192.0.2.80",)))
            asker = Prober(settings(server.port))
            asking = asyncio.ensure_future(asker.run())
            await during(server, asker.page)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            return in_order(asker.page)

    return asyncio.run(run())


def in_order(page: Page) -> Samples:
    """The samples in the order in which they began."""
    return sorted(json.loads(page.document(0))["samples"], key=lambda sample: float(sample["at_s"]))


def of(samples: Samples, vantage: str) -> Samples:
    """The samples of one vantage point."""
    return [sample for sample in samples if sample["vantage"] == vantage]


async def until_seen(page: Page, **at_least: int) -> None:
    """Wait until the page holds that many samples of each vantage point."""

    def are_there() -> bool:
        samples = in_order(page)
        return all(len(of(samples, vantage)) >= count for vantage, count in at_least.items())

    await until_async(are_there, f"the page holds {at_least}")


def test_all_vantage_points_are_asked_at_their_periods() -> None:
    """Cached and uncached every half second, a quarter apart; each DNS pod and the outside name too, all good."""
    samples = probe(
        lambda _, page: until_seen(page, dns_cached=3, dns_uncached=3, dns_pod=1, dns_external=2, dns_never_asked=1)
    )
    worst_lag_s = max(sample["lag_s"] for sample in samples) + 0.001  # no sample began later than it says of itself
    for vantage, period_s in (("dns_cached", 0.5), ("dns_uncached", 0.5), ("dns_external", 1.0)):
        for sooner, later in itertools.pairwise(of(samples, vantage)):
            due_s = sooner["at_s"] + period_s * (1 + later.get("missed", 0))
            assert later["at_s"] == pytest.approx(due_s, abs=worst_lag_s)
    cached, uncached = of(samples, "dns_cached")[0], of(samples, "dns_uncached")[0]
    assert uncached["at_s"] - cached["at_s"] == pytest.approx(0.25, abs=worst_lag_s)
    assert of(samples, "dns_external")[0]["answers"] == ["192.0.2.80"]
    assert all(sample["ok"] for sample in samples if sample["vantage"] != "dns_revision")
    assert 29 - cached["lag_s"] - cached["latency_s"] <= cached["ttl_s"] <= 30


def test_nobody_asks_before_the_page_is_read() -> None:
    """Probers on hundreds of nodes would be a herd; a look of the kubelet is no reader, one for samples is."""

    async def run() -> list[tuple[bool, bool]]:
        async with FakeDnsServer() as server:
            server.knows_all()
            asker = Prober(settings(server.port))
            asking = asyncio.ensure_future(asker.run_once_read())
            page = await serve(asker.page, "127.0.0.1", 0)
            seen = []
            for path in ("/", "/?after=0"):
                reader, writer = await asyncio.open_connection(*page.sockets[0].getsockname())
                writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
                begun = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])["asks_since_s"] is not None
                writer.close()
                if begun:
                    await until_async(lambda: bool(server.asked), "a question")
                seen.append((begun, bool(server.asked)))
            page.close()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            return seen

    assert asyncio.run(run()) == [(False, False), (True, True)]


def test_another_address_is_a_wrong_answer() -> None:
    """An answer that is not the sentinel's true address is wrong, however quickly it comes; outside names have none."""

    async def lie(server: FakeDnsServer, page: Page) -> None:
        server.says(SENTINEL, Record(("192.0.2.66",)))
        await until_seen(page, dns_cached=1, dns_external=1)

    samples = probe(lie)
    assert {sample["outcome"] for sample in of(samples, "dns_cached")} == {"wrong"}
    assert {sample["outcome"] for sample in of(samples, "dns_external")} == {"ok"}


def test_silent_server_does_not_thin_out_the_samples() -> None:
    """While no question is answered, questions go on at their times; each is a timeout in the end."""

    async def drop(server: FakeDnsServer, page: Page) -> None:
        server.mode = "drop"
        await until_seen(page, dns_uncached=3)

    samples = of(probe(drop), "dns_uncached")
    assert {sample["outcome"] for sample in samples} == {"timeout"}
    for sooner, later in itertools.pairwise(samples):
        assert later["at_s"] < sooner["at_s"] + sooner["latency_s"], "it waited for the answer to the one before"


def test_dns_pods_are_asked_on_while_they_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last known DNS pods are kept while the lookup of them fails."""
    monkeypatch.setattr(prober, "FIND_PODS_PERIOD_S", 0.1)

    async def fail(server: FakeDnsServer, page: Page) -> None:
        await until_seen(page, dns_pod=1)
        server.mode = "servfail"
        lookups = server.asked.count(("udp", PODS))
        # by the second lookup the first has failed
        await until_async(lambda: server.asked.count(("udp", PODS)) >= lookups + 2, "the lookup has failed")
        await until_seen(page, dns_pod=len(of(in_order(page), "dns_pod")) + 1)

    outcomes = [sample["outcome"] for sample in of(probe(fail), "dns_pod")]
    assert (outcomes[0], outcomes[-1]) == ("ok", "servfail")
    assert outcomes == sorted(outcomes)  # none is good after the first that was not


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("search a b\n# nameserver 192.0.2.7\nnameserver 192.0.2.8\nnameserver 192.0.2.9\n", ("192.0.2.8", "")),
        ("nameserver 10.43.0.10\nsearch x.svc.cluster.local svc.cluster.local cluster.local\n",
         ("10.43.0.10", "cluster.local")),
        ("search old\nsearch x.svc.corp.example. svc.corp.example. corp.example lan\nnameserver fd00:10:96::a\n",
         ("fd00:10:96::a", "corp.example")),
    ],
)  # fmt: skip
def test_a_resolv_conf_is_read_as_a_c_library_reads_it(text: str, says: tuple[str, str]) -> None:
    """The first nameserver and the last search list count; the cluster's domain stands behind svc."""
    read = read_resolv_conf(text)
    assert (read.nameservers[0], read.domain) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("options ndots:5 edns0\nsearch a.svc.x svc.x. x\n", (("a.svc.x", "svc.x", "x"), 5)),
        ("options attempts:2\noptions ndots:2\n", ((), 2)),
        ("options ndots:many\n", ((), 1)),
    ],
)
def test_the_search_list_is_read_with_its_ndots(text: str, says: tuple[tuple[str, ...], int]) -> None:
    """Without ndots it is 1 (source: resolv.conf(5))."""
    read = read_resolv_conf(f"nameserver 192.0.2.7\n{text}")
    assert (read.search, read.ndots) == says


def test_a_resolv_conf_without_a_nameserver_is_refused() -> None:
    """Nothing could be asked."""
    with pytest.raises(ProfileInvalid, match="no nameserver"):
        read_resolv_conf("search a\n")


def told_by(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> ProberSettings:
    """Settings of a prober in a pod with that resolv.conf."""
    monkeypatch.setenv("SENTINEL_SERVICE_HOST", "192.0.2.1")
    (tmp_path / "resolv.conf").write_text(text)
    given = ["--sentinel=sentinel.chaoslib-cp.svc", "--dns-pods=kube-dns-pods.openshift-dns.svc", *arguments]
    return settings_from(given, tmp_path / "resolv.conf")[0]


SEARCH = "search chaoslib-cp.svc.corp.example svc.corp.example corp.example\n"


@pytest.mark.parametrize("address", ["10.43.0.10", "172.20.0.10", "fd00:10:96::a"])
def test_address_and_domain_of_cluster_dns_are_what_pods_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """k3s, EKS and IPv6 clusters have other addresses than kubeadm; nobody has to type them."""
    told = told_by(tmp_path, f"{SEARCH}nameserver {address}\n", monkeypatch, "--dns-pods-port=5353")
    assert (told.nameserver, told.cluster_dns, told.nameservers) == (address, address, (address,))
    assert told.sentinel == "sentinel.chaoslib-cp.svc.corp.example"
    assert (told.dns_pods, told.pods_port) == ("kube-dns-pods.openshift-dns.svc.corp.example", 5353)
    named = told_by(tmp_path, f"{SEARCH}nameserver {address}\n", monkeypatch, "--cluster-dns=192.0.2.53")
    assert named.cluster_dns == "192.0.2.53"


@pytest.mark.parametrize("address", ["169.254.20.10", "127.0.0.53", "fe80::1%eth0"])
def test_a_cache_on_the_node_is_not_taken_for_cluster_dns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Its answers would be called uncached."""
    with pytest.raises(ProfileInvalid, match=r"a cache on their node; .*--cluster-dns ADDRESS"):
        told_by(tmp_path, f"{SEARCH}nameserver {address}\n", monkeypatch)


def test_a_pod_without_the_clusters_search_list_must_be_told_the_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guessing cluster.local would make every answer wrong elsewhere."""
    with pytest.raises(ProfileInvalid, match="--cluster-domain DOMAIN"):
        told_by(tmp_path, "nameserver 10.43.0.10\n", monkeypatch)


@pytest.mark.parametrize(
    ("expected", "records", "outside"),
    [
        ("fd00:10:96::1234", {"dns_cached": True, "dns_uncached": True, "dns_external": True}, "2001:db8::80"),
        ("fd00:10:96:0:0:0:0:1234", {"dns_cached": True, "dns_external": True}, "192.0.2.80"),
        ("fd00:10:96::9", {"dns_cached": False, "dns_external": True}, "192.0.2.80"),
        ("192.0.2.1", {"dns_cached": False, "dns_external": True}, "2001:db8::80"),
    ],
)
def test_a_cluster_with_ipv6_is_asked_for_aaaa(expected: str, records: dict[str, bool], outside: str) -> None:
    """The sentinel has records of one family only; a name outside is good in either, as for a C library."""

    async def run() -> Samples:
        async with FakeDnsServer() as server:
            server.says(SENTINEL, Record(("fd00:10:96::1234",)))
            server.says(EXTERNAL, Record((outside,)))
            made = ProberSettings("127.0.0.1", "127.0.0.1", SENTINEL, expected, "", EXTERNAL, server.port)
            asker = Prober(made)
            asking = asyncio.ensure_future(asker.run())
            await until_seen(asker.page, **dict.fromkeys(records, 1))
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            return in_order(asker.page)

    samples = asyncio.run(run())
    assert {vantage: of(samples, vantage)[0]["ok"] for vantage in records} == records


def test_single_dns_pods_are_asked_at_their_own_port() -> None:
    """OpenShift's answer at 5353, behind a Service that answers 53."""

    async def run() -> Samples:
        async with FakeDnsServer() as service, FakeDnsServer() as pod:
            service.says(SENTINEL, Record(("192.0.2.1",)))
            service.says(PODS, Record(("127.0.0.1",)))
            pod.says(SENTINEL, Record(("192.0.2.1",)))
            asker = Prober(replace(settings(service.port), pods_port=pod.port))
            asking = asyncio.ensure_future(asker.run())
            await until_seen(asker.page, dns_pod=1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert pod.asked[0] == ("udp", SENTINEL)
            return in_order(asker.page)

    assert of(asyncio.run(run()), "dns_pod")[0]["ok"]


@pytest.mark.parametrize("has_ipv6", [True, False])
def test_the_page_is_at_every_address_of_the_pod(monkeypatch: pytest.MonkeyPatch, has_ipv6: bool) -> None:
    """Dual stack and IPv6 alone; where the kernel has no IPv6, IPv4 alone."""
    if not has_ipv6:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)

    async def run() -> list[bytes]:
        server = await serve(Page("p", SteadyTime(SystemClock()), ["fd00::a"]), "", 0)
        port = server.sockets[0].getsockname()[1]
        pages = []
        for address in ("127.0.0.1", "::1") if has_ipv6 else ("127.0.0.1",):
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            pages.append((await reader.read()).partition(b"\r\n\r\n")[2])
            writer.close()
        server.close()
        return pages

    assert [json.loads(page)["nameservers"] for page in asyncio.run(run())] == [["fd00::a"]] * (1 + has_ipv6)


def test_prober_without_a_sentinel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sentinel's address nothing can be called right or wrong, so the prober refuses to start."""
    monkeypatch.delenv("SENTINEL_SERVICE_HOST", raising=False)
    with pytest.raises(ProfileInvalid, match="create Service 'sentinel'"):
        settings_from(["--cluster-dns", "192.0.2.10", "--sentinel", SENTINEL])


def a_page(samples: int) -> Page:
    """A page with that many samples."""
    steady = SteadyTime(SystemClock())
    page = Page("abcd", steady)
    for number in range(samples):
        page.add({"kind": "sample", "vantage": "m", "n": number})
    return page


def request(wire: bytes, samples: int = 3) -> tuple[int, bytes]:
    """Send ``wire`` to a served page; returns status and body."""

    async def run() -> bytes:
        server = await serve(a_page(samples), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(wire)
        answer = await reader.read()
        writer.close()
        server.close()
        await server.wait_closed()
        return answer

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_page_shows_what_came_after() -> None:
    """A reader gets everything, or what came after the number it knows, or nothing when it knows all."""
    for after, expected in (("", [1, 2, 3]), ("?after=1", [2, 3]), ("?after=3", []), ("?after=99", [])):
        status, body = request(f"GET /{after} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert status == 200
        assert [sample["seq"] for sample in json.loads(body)["samples"]] == expected


def test_page_keeps_the_last_6000() -> None:
    """The ring drops the oldest, and numbers go on, so that a reader sees the gap."""
    numbers = [sample["seq"] for sample in json.loads(a_page(RING_SAMPLES + 5).document(0))["samples"]]
    assert (len(numbers), numbers[0], numbers[-1]) == (RING_SAMPLES, 6, RING_SAMPLES + 5)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /?after=-1 HTTP/1.1\r\n\r\n", 404),
        (b"GET /?after=1&x=2 HTTP/1.1\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 405),
        (b"DELETE / HTTP/1.1\r\n\r\n", 405),
        (b"\x16\x03\x01 hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_page_is_the_only_page_and_read_only(wire: bytes, status: int) -> None:
    """Other paths, methods, protocols and endless headers are refused, not answered."""
    assert request(wire) == (status, b"{}")


ACCOUNT = account_of("agent_rollout-1", "worker-1", Totals(), 1, 1)


def post(body: bytes, path: str = "/account") -> bytes:
    """The bytes of a POST."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (post(ACCOUNT.as_json()), 200),
        (post(b"{}"), 400),
        (post(b"x" * 2049), 413),
        (b"POST /account HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST /account HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /account HTTP/1.1\r\n\r\n", 405),
        (b"PUT /account HTTP/1.1\r\n\r\n", 405),
        (post(ACCOUNT.as_json(), "/account?x=1"), 404),
    ],
)
def test_page_takes_accounts_and_nothing_else(wire: bytes, status: int) -> None:
    """What is no account, or too long, is refused: nobody can make the prober do something."""
    assert request(wire) == (status, b"{}")


def accounts_of(page: Page, after: int = 0) -> list[tuple[str, float]]:
    """Whose accounts the page shows, and how many requests each has sent."""
    return [(one["target"], one["counts"]["sent"]) for one in json.loads(page.document(after))["accounts"]]


def told(source: str, sent: int) -> Account:
    """An account of that source."""
    return Account("agent_rollout-1", source, {**ACCOUNT.counts, "sent": sent})


def test_page_shows_the_last_account_of_each_source() -> None:
    """Accounts are running totals: an older one says nothing more."""
    page = a_page(0)
    for account in (told("worker-1", 5), told("worker-2", 1), told("worker-1", 9)):
        page.hear(account)
    assert accounts_of(page) == [("worker-2", 1), ("worker-1", 9)]
    [last] = [one for one in json.loads(page.document(0))["accounts"] if one["target"] == "worker-1"]
    assert (last["kind"], last["vantage"], last["fault"], last["ok"]) == (
        "sample",
        "agent_load",
        "agent_rollout-1",
        True,
    )


def test_a_flood_of_accounts_costs_no_sample_and_has_a_bound() -> None:
    """Whoever tells too much loses accounts, never what was measured."""
    page = a_page(RING_SAMPLES)
    for number in range(MAX_ACCOUNTS + 3):
        page.hear(told(f"worker-{number}", 1))
    assert len(json.loads(page.document(0))["samples"]) == RING_SAMPLES
    assert len(accounts_of(page)) == MAX_ACCOUNTS
    assert accounts_of(page)[0] == ("worker-3", 1)


def test_an_account_that_was_read_is_left_out_once_a_later_sample_was_read() -> None:
    """A reader that asks for what came after a sample is not sent all accounts of the cluster each second."""
    page = a_page(3)
    page.hear(told("worker-1", 1))
    page.add({"kind": "sample"})
    page.hear(told("worker-2", 1))
    assert accounts_of(page, after=3) == [("worker-1", 1), ("worker-2", 1)]
    assert accounts_of(page, after=4) == [("worker-2", 1)]
    assert accounts_of(page, after=99) == [("worker-2", 1)]


def test_manifest_is_restricted_and_needs_no_rights() -> None:
    """The pod meets the restricted Pod Security Standard and has no token; nothing but its own names is created."""
    manifests = prober_manifests("10.96.0.10", "chaoslib-cp:9", external_name="www.outside.test")
    pod = manifests[-1]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == "chaoslib-cp:9"
    assert (pod["nodeSelector"], "imagePullSecrets" in pod) == ({"kubernetes.io/os": "linux"}, False)
    assert "--external=www.outside.test" in container["args"]
    assert settings_arguments_parse(container["args"])
    assert {manifest["metadata"]["labels"]["app.kubernetes.io/managed-by"] for manifest in manifests} == {"chaoslib-cp"}


def test_each_node_has_a_prober_and_shows_its_page() -> None:
    """On all Linux nodes, or those with a label; the prober knows its node, and its NodePort leads to it alone."""
    for nodes, wanted in (((), {}), ((("chaoslib-cp/prober", "yes"),), {"chaoslib-cp/prober": "yes"})):
        manifests = prober_manifests("10.96.0.10", "chaoslib-cp:9", pods=ProberPods(nodes=nodes))
        pod = manifests[-1]["spec"]["template"]["spec"]
        assert (manifests[-1]["kind"], pod["nodeSelector"]) == ("DaemonSet", {"kubernetes.io/os": "linux", **wanted})
        assert pod["containers"][0]["env"][0]["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
        [page] = [one for one in manifests if one["metadata"]["name"] == "workload-prober" and one["kind"] == "Service"]
        assert page["spec"]["externalTrafficPolicy"] == "Local"


def test_manifest_can_be_made_for_dns_elsewhere_and_a_private_image() -> None:
    """OpenShift: the DNS pods' own namespace, labels and port; nothing about addresses, which the prober finds."""
    place = DnsPlace("openshift-dns", (("dns.operator.openshift.io/daemonset-dns", "default"),), 5353)
    made = prober_manifests("", "registry.example.org/cp:1", cluster_domain="", dns=place, pods=ProberPods("regcred"))
    [over_pods] = [one for one in made if one["metadata"]["name"] == "kube-dns-pods"]
    assert over_pods["metadata"]["namespace"] == "openshift-dns"
    assert over_pods["spec"]["selector"] == {"dns.operator.openshift.io/daemonset-dns": "default"}
    pod = made[-1]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "regcred"}]
    assert "--dns-pods=kube-dns-pods.openshift-dns.svc" in pod["containers"][0]["args"]
    assert "--dns-pods-port=5353" in pod["containers"][0]["args"]


def test_manifest_file_can_be_applied_as_it_is() -> None:
    """The file, without the function, is what the function makes of its defaults: kubectl users get the same."""
    text = files("chaoslib_cp.agent.manifests").joinpath("prober.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load_all(text)) == prober_manifests("10.96.0.10", "chaoslib-cp:latest")


def settings_arguments_parse(arguments: list[str]) -> bool:
    """Whether the prober itself understands the manifest's arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SENTINEL_SERVICE_HOST", "192.0.2.1")
        made, port = settings_from(arguments[1:])
    return arguments[0] == "prober" and made.external == "www.outside.test" and port == 8080
