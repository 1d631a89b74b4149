"""What a probe says of samples: of several nodes the one that is worst off decides."""

from typing import Any

import pytest

from chaoslib_cp.observe.evidence import summary


def sample(outcome: str, node: str | None = None, latency_s: float = 0.01) -> dict[str, Any]:
    """One, as the timeline has it."""
    where = {} if node is None else {"node": node}
    return {"ok": outcome == "ok", "outcome": outcome, "latency_s": latency_s, **where}


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], {"ok": False, "ok_ratio": 0.0, "samples": 0, "last_outcome": "not measured", "by": "nobody"}),
        ([sample("ok")] * 3, {"ok": True, "ok_ratio": 1.0, "samples": 3, "last_outcome": "ok", "by": "observer"}),
        ([sample("ok", "a")] * 3, {"ok": True, "samples": 3}),
        ([*[sample("ok", "a")] * 19, sample("servfail", "b")],
         {"ok": False, "ok_ratio": 0.0, "samples": 1, "last_outcome": "servfail", "node": "b"}),
        ([sample("ok", "b"), sample("ok", "a")], {"ok": True, "ok_ratio": 1.0}),
    ],
    ids=["none", "no node told", "one node", "one of two suffers", "all well"],
)  # fmt: skip
def test_the_node_that_is_worst_off_decides(samples: list[dict[str, Any]], said: dict[str, Any]) -> None:
    """A share over all nodes would hide one of twenty that has lost DNS."""
    found = summary(samples, 0.9)
    assert {key: found[key] for key in said} == said
    assert ("node" in found) == (len({one.get("node") for one in samples}) > 1)
