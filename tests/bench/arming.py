"""How long it takes until every DNS server runs another Corefile: with and without an annotation of its pods."""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import page, runs

SPEC = "fake_nodes: 1\npods_per_fake_node: 1\nkubelet_nodes: 2\ndns_replicas: 2\n"
ARM_WITHIN_S = 150
COREFILE = ("configmap", "--namespace", "kube-system", "coredns")
STOCK, OFTEN = "reload", "reload 2s 1s"
# A flush arms the servers with a revision and nothing else, so it is over as soon as the last one tells it.
FLUSH = """
import json, sys
from chaoslib_cp.dns.actions import flush_dns_caches
made = flush_dns_caches(arm_within_s=float(sys.argv[1]), touch_pods=sys.argv[2] == "True")
print(json.dumps(made["details"]["flushed_after_s"]))
"""


class Case(NamedTuple):
    """How the servers are armed.

    Attributes:
        reload: What their Corefile says about how often CoreDNS looks for another one.
        touches: The pods are annotated, so that their kubelets hand it on at once.
        rounds: How often it is measured; without the annotation one takes minutes.
        phase_s: Each edit is made at a random moment of so many seconds: those of who looks now and then.
    """

    reload: str
    touches: bool
    rounds: int
    phase_s: float


# A stock CoreDNS looks every 30 s; a kubelet syncs a pod every minute or so (source: KubeletConfiguration,
# syncFrequency), that of a testbed every 10 s (chaoslib_cp/testbed/node/kubelet.py).
CASES = (
    Case(STOCK, True, 5, 30.0),
    Case(OFTEN, True, 5, 2.0),
    Case(STOCK, False, 3, 60.0),
    Case(OFTEN, False, 3, 60.0),
)


def measure() -> None:
    """Play all cases, each on a testbed of its own; the page is written after each."""
    seen: dict[Case, list[float | None]] = {}
    for case in CASES:
        seen[case] = list(played(case))
        write(seen)


def played(case: Case) -> Iterator[float | None]:
    """Seconds until the last server was armed, of each round; None where one was not within ``ARM_WITHIN_S``."""
    draws = random.Random(str(case))  # noqa: S311 - guards nothing
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "arming.yaml").write_text(SPEC)
        with runs.testbed(str(Path(folder) / "arming.yaml")):
            if case.reload != STOCK:
                _let_look(case.reload)
            for _ in range(case.rounds):
                time.sleep(draws.uniform(0, case.phase_s))
                after_s = json.loads(_inside(sys.executable, "-c", FLUSH, str(ARM_WITHIN_S), str(case.touches)))
                yield None if None in after_s.values() else max(after_s.values())


def write(seen: dict[Case, list[float | None]]) -> None:
    """Write the section from what was measured, by case."""
    rows = [
        [
            f"`{case.reload}`",
            "yes" if case.touches else "no",
            len(found),
            *(f"{of(one for one in found if one is not None):.1f}" for of in (statistics.median, min, max)),
            ", ".join("not seen" if one is None else f"{one:.1f}" for one in found),
        ]
        for case, found in seen.items()
        if any(found)
    ]
    body = (
        "Seconds from the edit of the Corefile until both DNS servers of a testbed told its revision, as the workload "
        "prober sees it, to about a second. Each row on a testbed of its own; each edit at a random moment of the "
        f"period in which somebody looks now and then. One that was not seen within {ARM_WITHIN_S} s is in no figure. "
        "Three rounds without the annotation: one may take minutes. There the kubelets count: those of a testbed sync "
        "a pod every 10 s, one as it is installed every 60 s (`syncFrequency`), so expect up to a minute more.\n\n"
    ) + page.table(["Corefile has", "pods annotated", "rounds", "median", "min", "max", "each"], rows)
    page.write_section("arming", "Arming the DNS servers", body)


def _let_look(reload: str) -> None:
    """Let CoreDNS look for another Corefile as often as this says."""
    read = json.loads(_inside("kubectl", "--context=break-glass", "get", *COREFILE, "--output=json"))
    data = {"Corefile": read["data"]["Corefile"].replace("    reload\n", f"    {reload}\n")}
    patch = json.dumps({"data": data})
    _inside("kubectl", "--context=break-glass", "patch", *COREFILE, "--type=merge", f"--patch={patch}")
    for act in (("restart",), ("status", "--timeout=60s")):
        _inside("kubectl", "--context=break-glass", "rollout", *act, "--namespace=kube-system", "deployment/coredns")


def _inside(*argv: str) -> Any:
    command = [*runs.CHAOS, "cp", "exec", "--name", runs.NAME, "--", *argv]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout
