"""The arithmetic of a price: how a profile is scaled down, what a load cost, and what is over a budget."""

import dataclasses
from typing import Any

import pytest

from chaoslib_cp.apiserver.price.ask import Budget, PriceAsk
from chaoslib_cp.apiserver.price.budget import judge
from chaoslib_cp.apiserver.price.rung import Idle, MeasuredRung
from chaoslib_cp.apiserver.price.scaled import read_kinds, sped_up, with_fewer_objects
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.engine.capacity.agents import ReadKind
from chaoslib_cp.engine.load.presets import preset_names, profile_document
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.errors import ProfileInvalid
from tests.fakes.api_server import Answer, json_answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.profiles import OVERLOAD, WRITERS

OPENAI = parse_profile(profile_document("openai-telemetry-2024"))
TOLD: dict[str, Any] = {
    "tries": 40,
    "outcomes": {"ok": 38, "aborted": 2},
    "server_cpu_s": 3.5,
    "client_cpu_s": 0.2,
    "received_bytes": 4_000_000,
    "latency": {"p50_s": 0.1, "p90_s": 0.2, "p99_s": 0.3},
    "server_use": {
        "seconds": 20.0,
        "allocated_bytes": 5e8,
        "rss_growth_bytes": 1e7,
        "seats_by_flow_schema": {
            "exempt": {"requests": 100.0, "seats": 100.0},
            "service-accounts": {"requests": 45.0, "seats": 245.0},
        },
    },
}
IDLE = Idle(0.075, 5e6, {"exempt": (5.0, 5.0), "service-accounts": (0.25, 0.25)})
KINDS = (ReadKind(1.0, 400, grows=True),)


def rung(told: dict[str, Any] | None = None, **more: Any) -> MeasuredRung:
    """A load of 2 virtual nodes that asked for pods each second."""
    return MeasuredRung(2, sped_up(parse_profile(OVERLOAD), 20.0), KINDS, {**TOLD, **(told or {}), **more}, IDLE)


def test_a_quick_virtual_node_stands_for_several_slow_ones() -> None:
    """In 15 s each kind of request comes in its share of the whole, and the rate of one node is still the profile's."""
    scaled = sped_up(OPENAI, 15.0)
    assert scaled.speed == 4
    assert [one.period_s for one in scaled.profile.requests] == [3.75, 15.0, 3.75]
    assert scaled.rate_per_s == pytest.approx(2 / 15 + 1 / 60)
    assert (scaled.profile.ramp, scaled.profile.phase_ratio, scaled.profile.retry) == ("linear", 1.0, "none")
    assert scaled.profile.max_in_flight_per_agent == 16
    assert sped_up(parse_profile(OVERLOAD), 15.0).speed == 1.0


@pytest.mark.parametrize("name", WRITERS)
def test_what_writes_has_no_price(name: str) -> None:
    """What a write costs depends on who watches; the request is named."""
    with pytest.raises(ProfileInvalid, match=r"requests\[0\]\.pattern '.*' writes, and a price is of reads alone"):
        sped_up(parse_profile(profile_document(name)), 15.0)


@pytest.mark.parametrize("name", sorted(set(preset_names()) - set(WRITERS)))
def test_every_preset_can_be_scaled(name: str) -> None:
    """What is played is a profile as a file would have it: nothing that only a rollout may say."""
    document = sped_up(parse_profile(profile_document(name)), 15.0).document()
    assert parse_profile(document).name == name
    PriceAsk(document)


def test_fewer_objects_are_read_where_a_limit_can_do_it() -> None:
    """Not of what a selector, a page or a watch reads; a version would let the server ignore the limit."""
    kinds = [ReadKind(1, 400, grows=True), ReadKind(1, 40, grows=True), ReadKind(1, 1)]
    made = with_fewer_objects(sped_up(OPENAI, 15.0), kinds, 0.25)
    assert made is not None
    scaled, fewer = made
    assert [one.query for one in scaled.profile.requests] == [{"limit": "100"}, {"limit": "10"}, {}]
    assert [one.objects for one in fewer] == [100, 10, 1]
    for query in ({"labelSelector": "a=b"}, {"watch": "1"}, {"limit": "500"}):
        asked = parse_profile({**OVERLOAD, "requests": [{"path": "/api/v1/pods", "query": query}]})
        assert with_fewer_objects(sped_up(asked, 15.0), kinds[:1], 0.5) is None
    cached = with_fewer_objects(sped_up(parse_profile(OVERLOAD), 15.0), kinds[:1], 0.5)
    assert cached is not None
    assert cached[0].profile.requests[0].query == {"limit": "200"}


def test_objects_are_counted_by_one_small_list_of_each_collection(kube: KubeObjects) -> None:
    """What is found by an index, and what is no collection, is one object; what nobody may list, too."""
    listed = {"metadata": {"remainingItemCount": 399}, "items": [{}]}
    kube.server.on("GET", "/api/v1/pods", json_answer(listed))
    kube.server.on("GET", "/api/v1/events", Answer(403))
    paths: list[dict[str, Any]] = [
        {"path": "/api/v1/pods"},
        {"path": "/api/v1/pods", "query": {"labelSelector": "a=b"}},
        {"path": "/api/v1/pods", "query": {"fieldSelector": "spec.nodeName={node}"}},
        {"path": "/api/v1/nodes/{node}"},
        {"path": "/api/v1/namespaces/{namespace}/pods/{pod}"},
        {"path": "/metrics"},
        {"path": "/api/v1/events"},
    ]
    with open_cluster(kube.settings(), "agent") as agent:
        kinds = read_kinds(agent, sped_up(parse_profile({**OVERLOAD, "requests": paths}), 15.0))
    assert [kind.objects for kind in kinds] == [400, 400, 1, 1, 1, 1, 1]
    assert [kind.grows for kind in kinds] == [True, True, False, False, False, False, True]
    asked = [one for one in kube.server.requests if one.path == "/api/v1/pods"]
    assert [one.query for one in asked] == [{"limit": "1"}]


def test_a_load_costs_what_is_beyond_the_idle_server() -> None:
    """CPU, memory, and seats of the FlowSchema whose requests are the load's."""
    one = rung()
    assert one.cpu_s == pytest.approx(3.5 - 0.075 * 20)
    assert one.cores == pytest.approx(2.0 / 40 * 1.0 * 2)
    assert one.allocated_bytes == pytest.approx(5e8 - 1e8)
    assert one.seats == pytest.approx((40, 240)), "the one that grew by 40 requests"
    assert one.unwell == ""
    named = dataclasses.replace(one, idle=dataclasses.replace(IDLE, flow_schema="exempt"))
    assert named.seats == (0, 0), "a name is believed before a number"
    assert IDLE.mean_with(Idle(0.125, 7e6, {"exempt": (7.0, 7.0)})) == Idle(
        0.1, 6e6, {"exempt": (6.0, 6.0), "service-accounts": (0.125, 0.125)}
    )
    assert rung(tries=4).seats is None, "so few may be anybody's"
    assert rung(server_use={**TOLD["server_use"], "seats_by_flow_schema": {}}).seats is None
    assert "20 x http_429" in rung(outcomes={"ok": 18, "http_429": 20, "aborted": 2}).unwell
    assert rung(outcomes={"http_4xx": 38, "aborted": 2}).unwell == "", "a virtual node's own object is not there"


PRICED: dict[str, Any] = {
    "per_request": {"cpu_s": 0.05},
    "fit_unknown": "one load was asked for",
    "prediction": {"nodes": 5000, "cores": 1.8, "low": 1.5, "high": 2.2},
}


@pytest.mark.parametrize(
    ("budget", "changes", "verdict", "words"),
    [
        (Budget(0.06), {}, "within", "0.05 s, allowed are 0.06 s"),
        (Budget(0.04), {}, "over", "0.05 s, allowed are 0.04 s"),
        (Budget(0.04), {"per_request": {"cpu_s": None}}, "not known", "too little to be measured"),
        (Budget(0.04), {"per_request": {"cpu_s": -0.1}}, "not known", "too little to be measured"),
        (Budget(nodes=5000, cores=2.5), {}, "within", "95 % interval 1.5 to 2.2, allowed are 2.5"),
        (Budget(nodes=5000, cores=2.0), {}, "over", "1.8 cores predicted for 5000 nodes"),
        (Budget(nodes=5000, cores=2.0), {"prediction": None}, "not known", "no prediction: one load was asked for"),
    ],
)
def test_a_budget_is_kept_when_nothing_speaks_against_it(
    budget: Budget, changes: dict[str, Any], verdict: str, words: str
) -> None:
    """A measured value counts itself, a prediction by the upper end of its interval; what is not known is not kept."""
    [judged] = judge({**PRICED, **changes}, budget)
    assert judged.verdict == verdict
    assert words in judged.words


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        (Budget, {"cpu_s_per_request": float("nan")}, "max_cpu_s_per_request is nan"),
        (Budget, {"cpu_s_per_request": 0.0}, "max_cpu_s_per_request is 0"),
        (Budget, {"cores": 2.0}, "say its nodes"),
        (Budget, {"objects_factor": 2.0}, "say its nodes"),
        (Budget, {"nodes": 0}, "nodes is 0"),
        (Budget, {"nodes": 5000, "cores": float("inf")}, "max_cores is inf"),
        (PriceAsk, {"profile": OVERLOAD, "rung_s": 0.5}, "rung_s is 0.5"),
        (PriceAsk, {"profile": OVERLOAD, "load_cores": 17.0}, "load_cores is 17"),
        (PriceAsk, {"profile": "openai"}, "there is no preset 'openai'"),
        (PriceAsk, {"profile": {**OVERLOAD, "perod": 1}}, "perod is not a known key"),
    ],
)
def test_wrong_numbers_are_refused_in_one_line(kind: type, arguments: dict[str, Any], words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ProfileInvalid, match=words) as refused:
        kind(**arguments)
    assert "nothing was" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_pieces_of_a_budget_are_all_judged() -> None:
    """One line each; without a budget there is none."""
    assert judge(PRICED, Budget()) == []
    everything = Budget(0.04, 5000, 2.5)
    assert [one.verdict for one in judge(PRICED, everything)] == ["over", "within"]
    assert len(dataclasses.fields(everything)) == 4
