"""Run inside a testbed: kill faults at their effects on a real API server, recover, and say what is left.

    python -m tests.testbed.crash_inside 30

It plays the exported actions' scenarios of tests/proof/test_crash_points.py and prints a list of
``{"scenario", "mode", "nth", "of", "healed", "left", "touched", "said"}``, where ``said`` is what `recover` reported
both times if it did not heal. Its clock waits for real: the controllers of a real cluster need their time.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import RUN_LABEL
from chaoslib_cp.cluster.gate.marker import MARKER_PATH
from chaoslib_cp.cluster.undo.objects import created_kinds
from chaoslib_cp.cluster.undo.recover import open_logs, recover
from chaoslib_cp.cluster.undo.run import undo_folder
from chaoslib_cp.settings import read_settings
from tests.fakes.dying import AFTER, MODES
from tests.proof.test_crash_points import SCENARIOS, in_a_process, play, recover_and_die
from tests.scaffold import part
from tests.scaffold.clocks import LaterClock

# What nobody but its owner may change, whatever we do.
_THEIRS = (
    MARKER_PATH,
    "/api/v1/namespaces/kube-system/configmaps/coredns",
    "/apis/apps/v1/namespaces/kube-system/daemonsets/node-local-dns",
)
_RECOVER_S = 60
# what only tests export edits objects of the fake API, tests/testbed/test_edits.py edits real ones; arming real DNS
# servers takes up to a minute, and is killed in tests/testbed/test_dns_poison.py
_ARMING = ("start_dns_poison", "stop_dns_poison", "start_dns_rogue", "stop_dns_rogue", "flush_dns_caches")
_PLAYED = [scenario for scenario, (action, _, _) in SCENARIOS.items() if action and action not in _ARMING]


def settings(number: int) -> dict[str, Any]:
    """Configuration of one run."""
    return {
        "kubeconfig": os.environ["KUBECONFIG"],
        "infrastructure": "testbed",
        "chaoslib_cp_run_dir": f"/runs/crash-{number}",
    }


def effects_of(scenario: str, folder: Path) -> int:
    """Count the effects of a scenario that nobody kills, and take it back."""
    counted = folder / f"{scenario}.json"
    in_a_process(play, scenario, settings(0), 0, AFTER, str(counted))
    recover(timeout_s=_RECOVER_S, clock=LaterClock())
    return len(json.loads(counted.read_text()))


def counted(wanted: int, folder: Path) -> dict[str, int]:
    """Count the effects of as many scenarios as points are wanted, or of all; one without effects is none of them."""
    counts: dict[str, int] = {}
    for scenario in part.draws("testbed, crash scenarios").sample(_PLAYED, len(_PLAYED)):
        if len(counts) < wanted and (count := effects_of(scenario, folder)):
            counts[scenario] = count
    return counts


def points(counts: dict[str, int], wanted: int) -> list[tuple[str, str, int]]:
    """Choose points out of all modes and effects of the scenarios: each scenario and each mode is among them."""
    every = [
        (scenario, mode, nth) for scenario, count in counts.items() for mode in MODES for nth in range(1, count + 1)
    ]
    return part.of(every, "testbed, crash points", at_least=wanted, columns=2)


def crash(number: int, scenario: str, mode: str, nth: int, folder: Path) -> None:
    """Kill a scenario at one effect, then recover killed in the middle of it."""
    exit_code = in_a_process(play, scenario, settings(number), nth, mode, str(folder / "lived"))
    # a torn write is one of fewer effects, so it may have lived
    if exit_code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{scenario} ended with {exit_code} at effect {nth}")
    in_a_process(recover_and_die, 1 + number % 12, mode)


def state_of(cluster: Cluster) -> dict[str, str]:
    """Versions of what is theirs."""
    return {path: (cluster.get(path) or {}).get("metadata", {}).get("resourceVersion", "gone") for path in _THEIRS}


def left(cluster: Cluster) -> list[str]:
    """Names of our objects."""
    found = []
    for kind, template in created_kinds().items():
        listed = cluster.get(template.replace("/namespaces/{namespace}", ""), labelSelector=RUN_LABEL) or {}
        ours = [one["metadata"] for one in listed.get("items") or [] if not one["metadata"].get("ownerReferences")]
        found += [f"{kind} {metadata['name']}" for metadata in ours]
    return found


def main(wanted: int) -> None:
    """Play, kill, recover, print."""
    results = []
    with tempfile.TemporaryDirectory() as name, open_cluster(read_settings(), "break-glass") as cluster:
        folder = Path(name)
        counts = counted(wanted, folder)
        before = state_of(cluster)
        for number, (scenario, mode, nth) in enumerate(points(counts, wanted), start=1):
            shutil.rmtree(undo_folder(), ignore_errors=True)
            crash(number, scenario, mode, nth, folder)
            report = recover(timeout_s=_RECOVER_S, clock=LaterClock())
            again = recover(timeout_s=_RECOVER_S, clock=LaterClock())
            healed = report["healed"] and again == {"healed": True, "logs": []} and not open_logs()
            results.append(
                {
                    "scenario": scenario,
                    "mode": mode,
                    "nth": nth,
                    "of": counts[scenario],
                    "healed": healed,
                    "left": left(cluster),
                    "touched": [path for path, version in state_of(cluster).items() if version != before[path]],
                    "said": [] if healed else [report, again],
                }
            )
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(int(sys.argv[1]))
