"""The observer as a child process that cannot outlive its parent."""

from pathlib import Path
from typing import Final

from chaoslib_cp.child import Child, ChildPlan, start_child
from chaoslib_cp.observe.plan import PLAN_FILE, ObservePlan

LOG_FILE: Final = "observe.log"
#: Reading credentials, resolving the server and finding the prober: three calls with 5 s each at most.
_READY_WITHIN_S: Final = 20.0
#: Attempts in flight (10 s at most) are finished first.
_STOP_WITHIN_S: Final = 13.0


class ObserveSession:
    """A running observer."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.prober_pages: tuple[str, ...] = tuple(child.ready.get("prober_pages", ()))

    @property
    def pid(self) -> int:
        """Process id of the observer."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it still observes; it may have ended at its own deadline."""
        return self._child.running

    def stop(self) -> int:
        """Let it finish what is in flight and end; returns its exit status. May be called twice."""
        return self._child.end(_STOP_WITHIN_S)

    def __enter__(self) -> "ObserveSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(plan: ObservePlan) -> ObserveSession:
    """Start an observer and wait until it is ready to ask.

    Its orders are in ``observe-plan.json`` in the run's folder, its last words, if any, in ``observe.log``.

    Raises:
        ControlPlaneError: What the observer said why it cannot; it has ended.
        TargetUnreachable: It was not ready in time; it has ended.
    """
    run_dir = Path(plan.run_dir)
    plan.write(run_dir / PLAN_FILE)
    arguments = (str(run_dir / PLAN_FILE),)
    how = ChildPlan("the observer", "chaoslib_cp.observe", arguments, run_dir / LOG_FILE, _READY_WITHIN_S)
    return ObserveSession(start_child(how))
