"""The gate: the mark, and all else that would refuse a run."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from chaoslib_cp.check.finding import Finding, refusal
from chaoslib_cp.check.scene import CALL_S, Scene
from chaoslib_cp.cluster.gate.allowed import refuse_contexts
from chaoslib_cp.cluster.gate.guard import (
    refuse_leftovers,
    refuse_other_pin,
    refuse_production,
    refuse_unverified,
    require_marker,
)
from chaoslib_cp.cluster.gate.marker import MARKER_NAME, MARKER_NAMESPACE
from chaoslib_cp.cluster.undo.pods import refuse_pods_at_work
from chaoslib_cp.cluster.undo.second_record import refuse_runs_from_elsewhere
from chaoslib_cp.errors import ControlPlaneError

_MARK: Final = f"{MARKER_NAMESPACE}/{MARKER_NAME}"
_SOON_S: Final = 3600.0  # the longest storm
_NO_RUN: Final = "check"  # not the name of any run: what each has left counts


def marker(scene: Scene) -> Iterator[Finding]:
    """Is the cluster marked as a test cluster, and for how long still?"""
    runner, uid = scene.runner, scene.uid.get()
    try:
        mark = require_marker(runner, uid, scene.clock.epoch_s())
    except ControlPlaneError as error:
        yield refusal(error, _MARK, f"chaos cp mark --owner YOU --cluster-uid {uid}")
        return
    left_s = mark.expires_epoch_s - scene.clock.epoch_s()
    until = datetime.fromtimestamp(mark.expires_epoch_s, UTC)
    says = f"by {mark.owner}, until {until:%Y-%m-%d %H:%M} UTC, {left_s / 3600:.1f} h from now"
    if left_s < _SOON_S:
        yield Finding(
            "warning", _MARK, f"{says}: a run may outlast it", f"chaos cp mark --owner YOU --cluster-uid {uid}"
        )
    else:
        yield Finding("ok", _MARK, says)


def gate(scene: Scene) -> Iterator[Finding]:
    """Would anything else refuse a run: another cluster, a list of contexts, production, what is left over?"""
    runner, uid = scene.runner, scene.uid.get()
    looks: list[Callable[[], object]] = [
        lambda: refuse_unverified(runner),
        lambda: refuse_contexts(runner, scene.settings),
        lambda: refuse_other_pin(runner, uid, scene.settings),
        lambda: _refuse_production(scene),
        lambda: refuse_leftovers(uid, runner.ca_sha256, _NO_RUN, scene.clock),
        lambda: refuse_runs_from_elsewhere(runner, uid, scene.clock, CALL_S),
        lambda: refuse_pods_at_work(runner, uid, _NO_RUN, scene.clock, CALL_S),
    ]
    refused = False
    for look in looks:
        try:
            look()
        except ControlPlaneError as error:
            refused = True
            yield refusal(error, f"cluster {uid}")
    if not refused:
        yield Finding("ok", f"cluster {uid}", "not production, not another one than was meant, nothing is left over")


def _refuse_production(scene: Scene) -> None:
    """Of a cluster that is not marked, `chaos cp mark` tells the signs."""
    mark = None
    with suppress(ControlPlaneError):
        mark = require_marker(scene.runner, scene.uid.get(), scene.clock.epoch_s())
    if mark is not None:
        refuse_production(scene.runner, mark, scene.settings)
