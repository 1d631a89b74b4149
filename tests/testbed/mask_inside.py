"""Run inside a testbed: pin the node caches, take cluster DNS away again and again, and say how long that was hidden.

    python -m tests.testbed.mask_inside 20 10

It pins for 20 s, and takes DNS away ten times, each time with another part of the pin left. It prints what the pin
delivered, and a list of ``{"mask_s", "predicted_mask_s", "reasons"}`` as a run would have them in its results.
"""

import json
import subprocess
import sys
from typing import Any, Final

from chaoslib_cp.clock import SteadyTime, SystemClock
from chaoslib_cp.dns.actions import start_node_cache_pin, stop_node_cache_pin
from chaoslib_cp.fault import Injected
from chaoslib_cp.observe.pull_once import pull_samples
from chaoslib_cp.results.dns import mask_s, predicted_mask_s
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.recording import record
from chaoslib_cp.settings import read_settings
from chaoslib_cp.vantage import DNS_CACHED, DNS_UNCACHED
from tests.scaffold.waiting import until

_CONFIGURATION: Final = {"infrastructure": "testbed", "chaoslib_cp_run_dir": "/runs/mask"}
_REPLICAS: Final = 2
_HEALED_WITHIN_S: Final = 90.0
_BAD, _GOOD = 3, 4  # in a row: more than a figure asks for

Line = dict[str, Any]


class Page:
    """What the workload prober of the first node knows."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._time = SteadyTime(self._clock)
        self._settings = read_settings(_CONFIGURATION)

    def now_s(self) -> float:
        """Now, as its samples have the time."""
        return self._time.now_s()

    def samples(self, since_s: float) -> list[Line]:
        """What it asked since then."""
        pulled = pull_samples(self._settings, self._time, self._clock)
        found: list[Line] = [dict(one) for one in pulled if "node" in one]  # accounts of agents are of none
        here = min((str(one["node"]) for one in found), default="")
        recent = (one for one in found if one["at_s"] >= since_s and one["node"] == here)
        return sorted(recent, key=lambda one: float(one["at_s"]))

    def last(self, vantage: str, since_s: float, count: int) -> list[Line]:
        """The last few samples of a vantage point since then; fewer than ``count`` when there are no more yet."""
        return [one for one in self.samples(since_s) if one["vantage"] == vantage][-count:]


def scale(replicas: int) -> None:
    """Give cluster DNS that many servers: with none, its Service refuses every question."""
    told = ["kubectl", "--context", "break-glass", "--namespace", "kube-system", "scale", "deployment/coredns"]
    subprocess.run([*told, f"--replicas={replicas}"], check=True, stdout=subprocess.DEVNULL)


def take_dns_away(page: Page, pin_s: int, left_s: int) -> Line:
    """Wait until so much of the pin is left, take cluster DNS away until workloads miss it, and give it back."""
    before_s = page.now_s()
    has_left = lambda: left_s - 1 <= (_ttl(page, before_s) or 0) <= left_s  # noqa: E731
    until(has_left, f"an answer with {left_s} s left", pin_s + _HEALED_WITHIN_S)
    began_s = page.now_s()
    scale(0)
    try:
        missed = lambda: _are(page, DNS_CACHED.name, began_s, _BAD, ok=False)  # noqa: E731
        until(missed, "workloads to miss DNS", pin_s + _HEALED_WITHIN_S)
        samples = page.samples(before_s)
    finally:
        scale(_REPLICAS)
    healed_s = page.now_s()
    works = lambda: all(_are(page, one.name, healed_s, _GOOD, ok=True) for one in (DNS_UNCACHED, DNS_CACHED))  # noqa: E731
    until(works, "cluster DNS", _HEALED_WITHIN_S)
    return figures(samples, began_s)


def figures(samples: list[Line], began_s: float) -> Line:
    """Mask and predicted mask, computed as those of a run."""
    made = Injected("dns_gone-1", "dns_gone", "DNS gone", lasts=False).as_dict()
    event = {"kind": "event", "event": "fault_injected", "at_s": began_s, "began_s": began_s, "result": made}
    recording = record([*samples, event])
    faults = find_faults(recording)
    if faults is None:
        raise RuntimeError("the fault that was just made is not found")
    found = {"mask_s": mask_s(recording, faults), "predicted_mask_s": predicted_mask_s(recording, faults)}
    return {
        **{name: figure.value for name, figure in found.items()},
        "reasons": [figure.reason for figure in found.values() if figure.value is None],
    }


def _ttl(page: Page, since_s: float) -> int | None:
    return next((one["ttl_s"] for one in page.last(DNS_CACHED.name, since_s, 1)), None)


def _are(page: Page, vantage: str, since_s: float, count: int, ok: bool) -> bool:
    last = page.last(vantage, since_s, count)
    return len(last) == count and all(one["ok"] is ok for one in last)


def main(pin_s: int, failures: int) -> None:
    """Pin, take away, unpin, print."""
    page = Page()
    pinned = start_node_cache_pin(pin_s, configuration=_CONFIGURATION)
    try:
        # evenly spread over the pin, a whole one first: what is left when DNS goes is what hides it
        left_s = [pin_s - number * (pin_s - 1) // failures for number in range(failures)]
        masks = [take_dns_away(page, pin_s, left) for left in left_s]
    finally:
        unpinned = stop_node_cache_pin(configuration=_CONFIGURATION)
    sys.stdout.write(json.dumps({"pinned": pinned, "masks": masks, "unpinned": unpinned}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
