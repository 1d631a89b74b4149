"""Results of loads on the prober's page: kept until they are asked for, in bounds."""

import base64
import json

import pytest

from chaoslib_cp.agent.told_results import MAX_KEPT_BYTES, MAX_TOLD_BYTES, ToldResult, ToldResults
from chaoslib_cp.errors import ProfileInvalid
from tests.unit.agent.test_prober import post, request


def sources(told: ToldResults, fault: str = "x-1") -> dict[str, str]:
    """What is shown of a fault."""
    shown: dict[str, str] = json.loads(told.document(fault))["results"]
    return shown


def test_the_last_result_of_each_process_of_a_fault_is_shown() -> None:
    """Those of other faults are not."""
    told = ToldResults()
    for fault, source, packed in (("x-1", "pod-0", b"a"), ("x-1", "pod-1", b"b"), ("y-1", "pod-0", b"c")):
        told.hear(ToldResult(fault, source, packed).as_json())
    told.hear(ToldResult("x-1", "pod-0", b"d").as_json())
    assert {source: base64.b64decode(packed) for source, packed in sources(told).items()} == {
        "pod-0": b"d",
        "pod-1": b"b",
    }


def test_a_flood_of_results_has_a_bound() -> None:
    """What came first is forgotten; a prober has 128 MiB."""
    told = ToldResults()
    for number in range(60):
        told.hear(ToldResult("x-1", f"pod-{number}", bytes(250_000)).as_json())
    assert sum(map(len, sources(told).values())) <= MAX_KEPT_BYTES
    assert "pod-59" in sources(told)
    assert "pod-0" not in sources(told)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"fault": "x-1", "source": "../x", "packed": ""}).encode(),
        json.dumps({"fault": "x-1", "source": "pod-0", "packed": "no base64!"}).encode(),
        json.dumps({"fault": 1, "source": "pod-0", "packed": ""}).encode(),
    ],
)
def test_what_is_no_result_is_not_kept(body: bytes) -> None:
    """Anybody may have sent it."""
    told = ToldResults()
    with pytest.raises(ProfileInvalid):
        told.hear(body)
    assert sources(told) == {}
    assert request(post(body, "/result"))[0] == 400


def test_the_page_takes_and_shows_results_and_nothing_else_there() -> None:
    """Too much of one is refused before it is read."""
    assert request(post(ToldResult("x-1", "pod-0", b"a").as_json(), "/result")) == (200, b"{}")
    assert request(f"POST /result HTTP/1.1\r\nContent-Length: {MAX_TOLD_BYTES + 1}\r\n\r\n".encode())[0] == 413
    assert request(b"GET /result HTTP/1.1\r\n\r\n")[0] == 405
    assert request(b"GET /results/x-1 HTTP/1.1\r\n\r\n") == (200, b'{"results":{}}')
    assert request(b"POST /results/x-1 HTTP/1.1\r\n\r\n")[0] == 405
    assert request(b"GET /results/../x HTTP/1.1\r\n\r\n")[0] == 404
