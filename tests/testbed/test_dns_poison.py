"""Every lie on real DNS servers: it is told, it is proven, it ends by itself, and the way back leaves nothing.

With the API servers stopped and the runner killed, too; docs/dns-faults.md has the rows with what was measured.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.dns.poison_plan import told_of
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.waiting import until
from tests.testbed import rogue_seen
from tests.testbed.conftest import CHAOS, Testbed, brought_up
from tests.testbed.prober_samples import ProberSamples, Sample
from tests.testbed.test_runner_killed import stopped_api_servers

pytestmark = [pytest.mark.testbed, pytest.mark.proof]

# The truth of names is kept for 5 s, so that a lie need not last for long to be heard everywhere.
TRUTH_TTL_S = 5
SPEC = (
    "fake_nodes: 1\npods_per_fake_node: 1\nkubelet_nodes: 2\ndns_replicas: 2\n"
    "cluster_dns_ttl_s: 5\nnode_cache_ttl_s: 5\n"
)
# Shorter than all TTLs but the shortest: what caches took at the begin is there when nobody tells it any more.
ARM_WITHIN_S, LASTS_S = 14.0, 10
# One question in two is told a lie, once a second: in less time all of them may be, or none.
ROGUE_LASTS_S = 13
# A minute is a long time in `make test`, where other tests want the machine at the same moment.
LATE_S = 1.0 if part.is_whole() else 5.0
TTLS_S = (5, 40, 300) if part.is_whole() else (20,)
COREFILE = ("configmap", "--namespace", "kube-system", "coredns")
ADDRESS, OTHER = "192.0.2.66", "10.96.77.7"  # the last is that of SERVICES
PINS_S = (20, 60, 300)
STALE_S = 10  # for so long a pin goes on when the stale answer in it has become too old


WITH_DATA = ("wrong-address", "zone", "search-hijack", "srv", "ptr", "pin")
"""Lies whose TTL the prober tells: a denial has one, too, but no record that it is about."""
LAYERS = ("dns_watched_backend", "dns_watched_pod", "dns_watched_uncached", "dns_watched_cached")
NOBODY = "10.244.255.1"
"""A client that is not there: the prober's own pod is one, too, and where it asks as workloads do, its node asks."""
ITS_NODE = "the cache of the prober's node"


class Row(NamedTuple):
    """One row of the taxonomy.

    Attributes:
        what: What is told.
        lie: Arguments of the lie.
        layers: Where it must be heard within the time.
    """

    what: str
    lie: dict[str, Any]
    layers: tuple[str, ...] = LAYERS


def _of(name: str, lie: str, **more: Any) -> dict[str, Any]:
    return {"name": f"{name}.shop.svc.cluster.local", "lie": lie, **more}


ROWS = (
    Row("wrong address, a black hole", _of("black-hole", "wrong-address", addresses=[ADDRESS])),
    Row("wrong address, a port that refuses", _of("refused", "wrong-address", addresses=[OTHER])),
    Row("wrong address, another service", _of("another", "wrong-address", addresses=["10.96.0.1"])),
    Row("headless Service, several addresses", _of("pods", "wrong-address", addresses=["192.0.2.9", "192.0.2.10"])),
    Row("one host of a headless Service", _of("pod-0.pods", "wrong-address", addresses=[ADDRESS])),
    Row("no such name (NXDOMAIN)", _of("gone", "nxdomain")),
    Row("no IPv4 address (NODATA)", _of("no-a", "nodata-a")),
    Row("the server fails (SERVFAIL)", _of("failing", "servfail")),
    Row(
        "another name (CNAME) for an ExternalName Service",
        _of("external", "cname", target="another.shop.svc.cluster.local"),
    ),
    Row("another host and port (SRV)", _of("_http._tcp.pods", "srv", target="nowhere.shop.svc.cluster.local", port=81)),
    Row(
        "another name for an address (PTR)",
        {"name": "7.77.96.10.in-addr.arpa", "lie": "ptr", "target": "nowhere.shop.svc.cluster.local"},
    ),
    Row("a whole namespace", {"name": "stage.svc.cluster.local", "lie": "zone", "addresses": [ADDRESS]}),
    Row(
        "names of the world, through the search list",
        {"name": "shop.svc.cluster.local", "lie": "search-hijack", "addresses": [ADDRESS]},
    ),
    # past the cache each server tells everybody the truth; behind the cache of its node the prober is another client
    Row(
        "wrong address, to one client",
        _of("one-client", "wrong-address", addresses=[ADDRESS], clients=[NOBODY]),
        LAYERS[1:3],
    ),
    Row(
        "wrong address, to one node",
        _of("one-node", "wrong-address", addresses=[ADDRESS], clients=[ITS_NODE]),
        LAYERS[1:],
    ),
    # caches keep the truth for the 60 s that it says of itself; caches of nodes ask others than these servers for it
    Row("a name outside the cluster", {"name": "www.outside.test", "lie": "nxdomain"}, LAYERS[:1]),
    # nothing is forged: what is heard is a stale address, and past their caches servers tell the truth
    Row(
        "address of a deleted endpoint", {"name": "decoy-pods.chaoslib-cp.svc.cluster.local", "lie": "pin"}, LAYERS[1:]
    ),
)
DRAWN = part.of(
    list(enumerate(ROWS)), "testbed, DNS poison", at_least=part.amount("testbed, DNS poison: rows"), columns=0
)
SERVICES = ("black-hole", "refused", "another", "gone", "no-a", "failing", "one-node", "one-client")

START = """
import json, os, signal, sys
from chaoslib_cp.dns.actions import start_dns_poison
print(json.dumps(start_dns_poison(**json.loads(sys.argv[1]))), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
REPLACE = """
import json, os, signal, sys
from chaoslib_cp.dns.actions import replace_endpoints, start_dns_poison
pinned = start_dns_poison(**json.loads(sys.argv[1]))["details"]
print(json.dumps({**pinned, **replace_endpoints()["details"]}), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
# In one process, and all of it imported before: what is in the caches lasts for 30 s at most. Nobody asked for that
# name before, so it comes into all caches at the same moment; that there is none is kept as an answer is.
FLUSH = """
import contextlib, json, sys, time, dns.exception, dns.message, dns.query
from chaoslib_cp.dns.actions import flush_dns_caches
question = dns.message.make_query(f"n{time.time_ns()}.outside.test", "A")
def ttl_at(server):
    for _ in range(5):  # the socket that a server gives up when it reloads takes a question along: resolvers ask again
        with contextlib.suppress(dns.exception.Timeout):
            return dns.query.udp(question, server, timeout=1).authority[0].ttl
def left_s():
    return [ttl_at(server) for server in sys.argv[1:]]
ends_s = time.monotonic() + 10
while max(before := left_s()) >= 30 and time.monotonic() < ends_s:
    time.sleep(0.2)
began_s = time.monotonic()
made = flush_dns_caches()
print(json.dumps({**made, "before": before, "after": left_s(), "took_s": time.monotonic() - began_s}))
"""
# Killed between the entry on disk and the change: the moment at which the patch would leave.
KILLED = """
import json, os, signal, sys, urllib3
from chaoslib_cp.dns.actions import start_dns_poison
asked = urllib3.PoolManager.request
def request(self, method, url, *args, **kwargs):
    if method == "PATCH" and "/configmaps/coredns" in url and "dryRun" not in url:
        os.kill(os.getpid(), signal.SIGKILL)
    return asked(self, method, url, *args, **kwargs)
urllib3.PoolManager.request = request
start_dns_poison(**json.loads(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def testbed(can_run_testbeds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:  # noqa: ARG001
    """A testbed whose DNS servers look for a new Corefile every 2 s, with names to lie about."""
    folder = tmp_path_factory.mktemp("poison")
    (folder / "poison.yaml").write_text(SPEC)
    (folder / "shop.yaml").write_text(json.dumps(names()))
    with brought_up(str(folder / "poison.yaml"), f"poison-{os.getpid()}") as fresh:
        fresh.kubectl("apply", "--filename", str(folder / "shop.yaml"))
        look_often(fresh)
        yield fresh


def names() -> dict[str, Any]:
    """What is true of the names: Services with addresses of their own and nobody behind them, and two without."""
    made: list[dict[str, Any]] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}]
    for number, name in enumerate(SERVICES):
        port = {"name": "http", "port": 80, "protocol": "TCP"}
        spec = {"clusterIP": f"10.96.77.{number}", "ports": [port]}
        made.append(_service(name, spec))
    made.append(_service("pods", {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}))
    made.append(_service("external", {"type": "ExternalName", "externalName": "refused.shop.svc.cluster.local"}))
    endpoints = [{"addresses": [f"10.244.250.{number}"], "hostname": f"pod-{number}"} for number in range(3)]
    slice_ = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    labels = {"kubernetes.io/service-name": "pods"}
    metadata = {"name": "pods", "namespace": "shop", "labels": labels}
    made.append({**slice_, "metadata": metadata, "endpoints": endpoints, "ports": [{"name": "http", "port": 80}]})
    return {"apiVersion": "v1", "kind": "List", "items": made}


def _service(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def look_often(testbed: Testbed) -> None:
    """Let the DNS servers look for a new Corefile every 2 s; with a stock one arming takes up to 45 s."""
    text = corefile(testbed).replace("    reload\n", "    reload 2s 1s\n")
    testbed.kubectl("patch", *COREFILE, "--type=merge", f"--patch={json.dumps({'data': {'Corefile': text}})}")
    testbed.kubectl("rollout", "restart", "--namespace", "kube-system", "deployment/coredns")
    testbed.kubectl("rollout", "status", "--namespace", "kube-system", "--timeout=60s", "deployment/coredns")


def corefile(testbed: Testbed) -> str:
    """What the DNS servers are told."""
    return str(testbed.get(*COREFILE)["data"]["Corefile"])


def arguments(testbed: Testbed, rows: list[Row], ttl_s: int) -> dict[str, Any]:
    """One arming that tells all these lies."""
    cache = prober_cache(testbed)
    lies = [row.lie | {key: [cache] for key, value in row.lie.items() if value == [ITS_NODE]} for row in rows]
    first, *also = lies
    when = {"ttl_s": ttl_s, "duration_s": LASTS_S, "arm_within_s": ARM_WITHIN_S, "zone": "."}
    return {**first, "also": [{"ttl_s": ttl_s, **one} for one in also], **when}


def prober_cache(testbed: Testbed) -> str:
    """The address of the DNS cache on the node of the prober whose samples are read."""
    probers = testbed.get("pods", "--namespace", "chaoslib-cp", "--selector", "chaoslib-cp/role=prober")["items"]
    prober = min(probers, key=lambda one: str(one["spec"]["nodeName"]))
    caches = testbed.get("pods", "--namespace", "kube-system", "--selector", "k8s-app=node-local-dns")["items"]
    here = [one for one in caches if one["spec"]["nodeName"] == prober["spec"]["nodeName"]]
    return str(here[0]["status"]["podIP"])


def play(testbed: Testbed, code: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run code inside that kills itself; returns what it printed before."""
    ended = testbed.run(sys.executable, "-c", code, json.dumps(given), timeout_s=120)
    assert ended.returncode in (-9, 137), ended.stderr
    return dict(json.loads(ended.stdout)) if ended.stdout else {}


def recover(testbed: Testbed) -> None:
    """Take back what the killed runner left."""
    ended = testbed.run(*CHAOS, "cp", "recover", timeout_s=180)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(autouse=True)
def nothing_stays_armed(testbed: Testbed) -> Iterator[None]:
    """A test that fails leaves no lie behind that the next one would hear."""
    yield
    recover(testbed)


@pytest.mark.parametrize("ttl_s", TTLS_S)
def test_lies_are_told_are_proven_end_by_themselves_and_are_taken_back(testbed: Testbed, ttl_s: int) -> None:
    """The runner is killed when the lie begins, the API servers are stopped until it is over everywhere."""
    told = [(number, row) for number, row in DRAWN if row.lie["lie"] != "pin"]
    rows, before = [row for _, row in told], corefile(testbed)
    with ProberSamples(testbed) as samples:
        made = play(testbed, START, arguments(testbed, rows, ttl_s))["details"]
        with stopped_api_servers(testbed):
            over_s = made["ends_epoch_s"] + ttl_s + 10
            until(lambda: SystemClock().epoch_s() > over_s, "the lie to be over", LASTS_S + ttl_s + 20)
    recover(testbed)
    assert corefile(testbed) == before
    for number, row in told:
        how = judge_for_clients if "clients" in row.lie else judge
        gate_s, life_s = how(row, samples, made, ttl_s)
        note("dns-row", row=number, ttl_s=ttl_s, gate_late_s=gate_s, life_off_s=life_s)
    assert [one for one in samples.of("dns_cached", "dns_uncached", "dns_pod") if one["outcome"] == "wrong"] == []
    with ProberSamples(testbed) as after:
        until(lambda: nobody_is_armed(after), "every DNS server to run its own Corefile", 150)
    note("dns-poison", rows=len(rows), ttl_s=ttl_s, armed_s=max(made["armed_after_s"].values()))


def test_a_rogue_lies_is_late_and_loses_until_its_time_is_over(testbed: Testbed) -> None:
    """Past the caches of every server; with the runner killed and the API servers stopped, it ends all the same."""
    before = corefile(testbed)
    with ProberSamples(testbed) as samples:
        made = play(testbed, START.replace("start_dns_poison", "start_dns_rogue"), rogue_seen.asked_for(ROGUE_LASTS_S))
        with stopped_api_servers(testbed):
            over_s = made["details"]["ends_epoch_s"] + 6
            until(lambda: SystemClock().epoch_s() > over_s, "the rogue to tell the truth", ROGUE_LASTS_S + 20)
    recover(testbed)
    assert corefile(testbed) == before
    assert testbed.get("pods,configmaps", "-A", "-l", "chaoslib-cp/run")["items"] == []
    rogue_seen.judge(samples, made["details"])
    note("dns-rogue", ways=len(rogue_seen.WAYS), armed_s=max(made["details"]["armed_after_s"].values()))


def judge(row: Row, samples: ProberSamples, made: dict[str, Any], ttl_s: int) -> tuple[float, float]:
    """The lie of one row at every layer: it begins, stays in caches for its TTL and no longer, and is over.

    Returns:
        How long after its deadline a gate told it last, and how far the end in a cache was from the one foretold,
        seconds, the worst of all servers.
    """
    gate_s = life_s = 0.0
    name, begins_s, ends_s = asked_name(row, ttl_s), made["begins_epoch_s"], made["ends_epoch_s"]
    for layer in row.layers:
        for target, series in samples.by_target(layer, name).items():
            told = [one for one in series if not one["ok"]]
            where = f"{row.what}, {target} {layer}"
            assert told, f"{where}: it was never heard"
            assert begins_s - LATE_S < told[0]["at_s"], where
            assert series[-1]["ok"], f"{where}: it is not over"
            true_s = next(one["at_s"] for one in series if one["at_s"] > told[-1]["at_s"])
            if layer == "dns_watched_backend":
                gate_s = max(gate_s, told[-1]["at_s"] - ends_s)
                assert gate_s < LATE_S, f"{where}: the gate closed late"
                assert true_s > ends_s - LATE_S - 1, f"{where}: the gate closed early"
            elif layer == "dns_watched_pod" and row.lie["lie"] in WITH_DATA:
                kept = [one for one in told if one["at_s"] > ends_s]
                if ttl_s < LASTS_S:  # it may have expired, and been asked for again, at any moment before
                    continue
                assert kept, f"{where}: no cache kept it; it was told until {told[-1]['at_s'] - ends_s:+.1f} s"
                life_s = max(life_s, life_error_s(kept, true_s))
                assert life_s <= LATE_S, where
                assert counts_down(kept), where
    return gate_s, life_s


def judge_for_clients(row: Row, samples: ProberSamples, made: dict[str, Any], ttl_s: int) -> tuple[float, float]:
    """A lie that some hear: by them, between two moments and no longer; where others ask, never.

    Returns:
        How long after its deadline a gate told it last, and 0: no server keeps it; the cache of a node does, for 5 s.
    """
    gate_s, name = 0.0, asked_name(row, ttl_s)
    for layer in LAYERS:
        for target, series in samples.by_target(layer, name).items():
            told, where = [one["at_s"] for one in series if not one["ok"]], f"{row.what}, {target} {layer}"
            if layer not in row.layers:
                assert not told, f"{where}: somebody else heard it"
                continue
            assert told, f"{where}: it was never heard"
            assert made["begins_epoch_s"] - LATE_S < told[0], where
            assert series[-1]["ok"], f"{where}: it is not over"
            late_s = told[-1] - made["ends_epoch_s"]
            kept_s = 5.0 if layer == "dns_watched_cached" else 0.0
            assert late_s < kept_s + LATE_S, f"{where}: it was heard too long"
            gate_s = max(gate_s, late_s - kept_s)
    return gate_s, 0.0


def asked_name(row: Row, ttl_s: int) -> str:
    """The name that is watched for a row."""
    usual = {"ttl_s": ttl_s, "addresses": None, "target": "", "port": 0, "also": None}
    [((name, _), *_)] = [lie.questions for lie in told_of({**usual, **row.lie, "clients": None})[0]]
    return name


def life_error_s(kept: list[Sample], true_s: float) -> float:
    """How far the end that was seen is from the one that the TTL foretold just after the gate had closed.

    A TTL is in whole seconds, and a cache is asked once a second: both are stretches of a second.
    """
    foretold_s = kept[0]["at_s"] + kept[0]["ttl_s"]
    return float(max(0.0, kept[-1]["at_s"] - (foretold_s + 1), foretold_s - true_s))


def counts_down(kept: list[Sample]) -> bool:
    """Whether the TTL goes down from one answer to the next once nobody tells the lie any more: a cache holds it."""
    left_s = [one["ttl_s"] for one in kept]
    return len(left_s) >= 3 and left_s == sorted(left_s, reverse=True) and left_s[0] > left_s[-1]


def a_pinned_name_leads_to_a_dead_address_until_the_answer_is_too_old(testbed: Testbed, ttl_s: int) -> None:
    """Its pod is really gone; the runner is killed then, and the API servers are stopped until the pin is over."""
    number = next(number for number, row in enumerate(ROWS) if row.lie["lie"] == "pin")
    before = corefile(testbed)
    when = {"ttl_s": ttl_s, "duration_s": ttl_s + STALE_S, "arm_within_s": ARM_WITHIN_S}
    with ProberSamples(testbed) as samples:
        made = play(testbed, REPLACE, {**ROWS[number].lie, **when})
        [gone], [new] = made["gone"], made["new"]
        # its controller made the new pod while the old one was still on its way out
        until(lambda: not connects(testbed, gone), "the old pod to be gone", 15)
        assert connects(testbed, new)
        # servers that never heard of it would take the old address for the truth as long as the API is away
        until(lambda: is_known(samples, ROWS[number], new), "every DNS server to know the new address", 10)
        with stopped_api_servers(testbed):
            over_s = made["ends_epoch_s"] + 10
            until(lambda: SystemClock().epoch_s() > over_s, "the pin to be over", ttl_s + 40)
    recover(testbed)
    assert corefile(testbed) == before
    gate_s, life_s = judge_pin(ROWS[number], samples, made)
    note("dns-row", row=number, ttl_s=ttl_s, gate_late_s=gate_s, life_off_s=life_s)
    assert [one for one in samples.of("dns_cached", "dns_uncached", "dns_pod") if one["outcome"] == "wrong"] == []
    with ProberSamples(testbed) as after:
        until(lambda: nobody_is_armed(after), "every DNS server to run its own Corefile", 150)


def is_known(samples: ProberSamples, row: Row, address: str) -> bool:
    """Whether every DNS server, asked past its cache, has said this address last."""
    samples.read()
    said = samples.by_target("dns_watched_backend", f"{row.lie['name']}.")
    return all(tuple(series[-1]["answers"]) == (address,) for series in said.values())


def connects(testbed: Testbed, address: str) -> bool:
    """Whether somebody answers at a pod's address."""
    command = ("curl", "--silent", "--output", "/dev/null", "--connect-timeout", "2", f"http://{address}:8080/")
    return testbed.run(*command).returncode == 0


def judge_pin(row: Row, samples: ProberSamples, made: dict[str, Any]) -> tuple[float, float]:
    """The stale address at every layer, for as long as its TTL says, and the end of the pin in each server.

    Returns:
        As :func:`judge`.
    """
    gate_s = life_s = 0.0
    for layer in row.layers:
        for target, series in samples.by_target(layer, f"{row.lie['name']}.").items():
            where = f"{target} {layer}"
            stale = [one for one in series if one["outcome"] == "stale"]
            assert {tuple(one["answers"]) for one in stale} == {tuple(made["gone"])}, where
            assert series[-1]["ok"], f"{where}: it is not over"
            if layer == "dns_watched_pod":
                true_s = next(one["at_s"] for one in series if one["at_s"] > stale[-1]["at_s"])
                life_s = max(life_s, life_error_s(stale, true_s))
                assert counts_down(stale), where
                pinned = [one for one in series if (one.get("ttl_s") or 0) > TRUTH_TTL_S]
                gate_s = max(gate_s, pinned[-1]["at_s"] - made["ends_epoch_s"])
                assert pinned[-1]["at_s"] > made["ends_epoch_s"] - LATE_S - 1, f"{where}: the pin ended early"
    assert life_s <= LATE_S
    assert gate_s < LATE_S, "the pin ended late"
    return gate_s, life_s


def nobody_is_armed(samples: ProberSamples) -> bool:
    """Whether the last thing that every DNS server said of its revision is nothing."""
    samples.read()
    last = {one["target"]: one for one in samples.of("dns_revision")}
    return bool(last) and not any(one["answers"] for one in last.values())


def test_a_flush_empties_the_cache_of_every_server_and_leaves_the_corefile_alone(testbed: Testbed) -> None:
    """An answer about a name outside the cluster, whose TTL counts down in each cache, has the whole of it again."""
    pods = testbed.get("pods", "--namespace", "kube-system", "--selector", "k8s-app=kube-dns")["items"]
    # those that the test's own Corefile replaced may still be on their way out
    servers = [pod["status"]["podIP"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    before = corefile(testbed)
    ended = testbed.run(sys.executable, "-c", FLUSH, *servers, timeout_s=180)
    assert ended.returncode == 0, ended.stderr
    made = json.loads(ended.stdout)
    assert made["delivers"]["done"] == made["delivers"]["wanted"] == len(servers)
    assert corefile(testbed) == before
    assert max(made["before"]) < 30
    assert all(new > old for new, old in zip(made["after"], made["before"], strict=True))
    assert made["took_s"] < min(made["before"]), "it may have expired by itself"


@pytest.mark.parametrize("row", [row for _, row in DRAWN], ids=lambda row: row.what)
def a_kill_between_entry_and_change_leaves_the_corefile_alone(testbed: Testbed, row: Row) -> None:
    """The entry is on disk, the change was never made: `recover` closes the one and finds nothing to restore."""
    before = testbed.get(*COREFILE)
    play(testbed, KILLED, arguments(testbed, [row], 12))
    recover(testbed)
    after = testbed.get(*COREFILE)
    assert after["data"] == before["data"]
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    records = testbed.get("configmaps", "-A", "-l", "chaoslib-cp/run")["items"]
    assert records == []
    note("dns-row-killed", row=ROWS.index(row))


if part.is_whole():  # a minute each: what may still land is waited for. A part: tests/proof/test_crash_points.py
    test_a_pinned_name = pytest.mark.parametrize("ttl_s", PINS_S)(
        a_pinned_name_leads_to_a_dead_address_until_the_answer_is_too_old
    )
    test_a_kill_between_entry_and_change = a_kill_between_entry_and_change_leaves_the_corefile_alone
