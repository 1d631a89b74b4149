"""The clocks: agents end at a moment, so their nodes, the API server and this machine must agree on the time."""

from collections.abc import Iterator
from typing import Final

from chaoslib_cp.check.finding import Finding
from chaoslib_cp.check.scene import CALL_S, Scene
from chaoslib_cp.cluster.door.prober import ProberPage
from chaoslib_cp.errors import ControlPlaneError

_TOLD_S: Final = 2.0
_REFUSED_S: Final = 60.0  # the gate refuses more
_FIX: Final = "set the clocks (chronyc tracking, timedatectl)"


def clocks(scene: Scene) -> Iterator[Finding]:
    """How far apart are the clocks of the API server, of the probers' nodes, and of this machine?"""
    yield _finding("clock of the API server", _api_server_ahead_s(scene))
    try:
        read = scene.read.get()
    except ControlPlaneError:  # told by the check of the page
        return
    for told in read.values():
        if isinstance(told, ProberPage):
            yield _finding(f"clock of node {told.node}" if told.node else "clock of the prober's node", told.ahead_s)


def _api_server_ahead_s(scene: Scene) -> float | None:
    """The header Date has whole seconds: what lies within one is no difference."""
    before_s = scene.clock.epoch_s()
    served_s = scene.runner.call("GET", "/version", timeout_s=CALL_S).served_epoch_s
    if served_s is None:
        return None
    behind_s = (before_s + scene.clock.epoch_s()) / 2 - served_s
    return -(behind_s - min(1.0, max(0.0, behind_s)))


def _finding(on: str, ahead_s: float | None) -> Finding:
    if ahead_s is None:
        return Finding("warning", on, "nobody can tell: it says no time", "look yourself: date --utc")
    apart_s = abs(ahead_s)
    says = f"{apart_s:.1f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine"
    if apart_s > _REFUSED_S:
        return Finding("wrong", on, f"{says}, so agents would end too late or too soon", _FIX)
    if apart_s > _TOLD_S:
        return Finding("warning", on, says, _FIX)
    return Finding("ok", on, says)
