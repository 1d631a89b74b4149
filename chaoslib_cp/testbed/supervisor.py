"""The supervisor: process 1 of a testbed's process namespace and, below it, the process that runs the stack.

Process 1 only reaps orphans and waits. When it ends, by whatever means, the kernel kills everything in the namespace;
when the process below it ends, process 1 ends too. So a testbed is either supervised or gone.

Started by ``chaos cp up`` as ``python -m chaoslib_cp.testbed.supervisor FOLDER`` in new namespaces.
"""

import dataclasses
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.testbed.instance import Instance
from chaoslib_cp.testbed.spec import ClusterSpec
from chaoslib_cp.testbed.stack import Stack

# How often a dead component is looked for. Idle cost of a look: microseconds.
WATCH_PERIOD_S = 0.25


class Report:
    """What the supervisor says of itself, kept in the instance's state file.

    ``phase`` is "starting", "ready" or "failed"; ``steps`` grows while starting; ``components`` changes when one
    dies or is restarted.
    """

    def __init__(self, instance: Instance, facts: dict[str, Any]) -> None:
        self._instance = instance
        self._clock = SystemClock()
        self._started_at_s = self._clock.monotonic_s()
        self._state: dict[str, Any] = {"phase": "starting", "steps": [], "components": {}, **facts}
        self._instance.write_state(self._state)

    def step(self, name: str) -> None:
        """Note that a step of the start is done."""
        elapsed_s = round(self._clock.monotonic_s() - self._started_at_s, 2)
        self._state["steps"].append({"name": name, "elapsed_s": elapsed_s})
        self._instance.write_state(self._state)

    def change(self, **facts: Any) -> None:
        """Replace facts, and write the file only when one differs."""
        if any(self._state.get(name) != value for name, value in facts.items()):
            self._state.update(facts)
            self._instance.write_state(self._state)


def supervise(folder: Path) -> int:
    """Start the stack and keep its components running until killed.

    Args:
        folder: the instance's folder, with ``supervisor.json`` in it, written by ``up``.

    Returns:
        1 when the start failed; the state file then says why. Otherwise it never returns.
    """
    plan = json.loads((folder / "supervisor.json").read_text())
    spec = ClusterSpec(**plan["spec"])
    report = Report(Instance(plan["name"]), {"spec": dataclasses.asdict(spec), "programs": plan["programs"]})
    try:
        stack = Stack(spec, Instance(plan["name"]), Path(plan["programs"]), plan["rootless"])
        facts = stack.start(report.step)
    except (ControlPlaneError, OSError) as error:
        report.change(phase="failed", error=str(error))
        return 1
    report.change(phase="ready", components=stack.components(), **facts)
    while True:
        time.sleep(WATCH_PERIOD_S)
        stack.keep_running()
        report.change(components=stack.components())


def reap_until(child: int) -> int:
    """Wait for orphans as process 1 must, until ``child`` ends; return its exit status."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def main() -> int:
    """Become process 1 and run the supervisor below it."""
    # the soft limit is often 1024; an API server with 200 agents and their watches needs more
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    child = os.fork()
    if child == 0:
        # leave without process 1's clean-up
        os._exit(supervise(Path(sys.argv[1])))
    return abs(reap_until(child))


if __name__ == "__main__":
    sys.exit(main())
