"""One fault in the making: the gate, the undo log and the fault's id in one place.

What fails half way is taken back at once, as far as the API lets us; the rest stays in the undo log.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.gate.guard import require_permit
from chaoslib_cp.cluster.gate.permit import Permit
from chaoslib_cp.cluster.undo.create import create
from chaoslib_cp.cluster.undo.edit import Edit, edit
from chaoslib_cp.cluster.undo.heal import replay_with
from chaoslib_cp.cluster.undo.healer import Healer
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.setting import SettingChange, change_setting
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.fault import FaultKind
from chaoslib_cp.settings import Settings

# A sick API must not hold the experiment for long.
_TAKE_BACK_S: Final = 15.0


@dataclass(frozen=True)
class Injection:
    """A fault that is being made.

    Attributes:
        fault: Its id in this run.
        cluster: The cluster, as the runner.
        permit: What the gate found.
        log: The run's undo log.
        settings: What the run was told.
        clock: Source of time.
    """

    fault: str
    cluster: Cluster
    permit: Permit
    log: UndoLog
    settings: Settings
    clock: Clock

    def create(self, manifest: Mapping[str, Any]) -> int:
        """Make an object that carries the labels of run and fault; see ``cluster/undo/create.py``."""
        return create(self.cluster, self.log, manifest)

    def edit(self, wanted: Edit) -> int:
        """Edit fields of an object that somebody else made; see ``cluster/undo/edit.py``."""
        return edit(self.cluster, self.log, self.fault, wanted, self.clock)

    def change_setting(self, wanted: SettingChange) -> int:
        """Change a setting of the run's infrastructure driver; see ``cluster/undo/setting.py``."""
        return change_setting(self.cluster, self.log, self.fault, wanted, self.settings, self.clock)


@contextmanager
def injecting(settings: Settings, kind: FaultKind, clock: Clock) -> Iterator[Injection]:
    """Pass the gate, and make one fault inside the block.

    Args:
        settings: What the run was told.
        kind: Which kind of fault.
        clock: Source of time.

    Raises:
        TargetRefused: No permit for this cluster; nothing was changed.
        ControlPlaneError: What the block raised; what it had made is taken back, or stays in the undo log.
    """
    with open_cluster(settings) as cluster:
        permit = require_permit(cluster, settings, clock)
        log = undo_log_for_change(settings, cluster, permit.cluster_uid, clock)
        injection = Injection(log.next_fault(kind.name), cluster, permit, log, settings, clock)
        try:
            yield injection
        except ControlPlaneError:
            replay_with(Healer(log, [cluster], clock, waits_for_pods=False), _TAKE_BACK_S, {injection.fault})
            raise
