"""Taking a cluster for one run: the gate, the lock that keeps other runs out, and the folder of the run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.lock import RunLock, locks_folder
from chaoslib_cp.cluster.gate.guard import check_gate, refuse_leftovers
from chaoslib_cp.cluster.gate.permit import Permit
from chaoslib_cp.control.folder import make_run_dir, run_name
from chaoslib_cp.settings import Settings


@dataclass(frozen=True)
class Taken:
    """A cluster that is this run's.

    Attributes:
        permit: What the gate found.
        lock: Keeps other runs out until it is released.
        run_dir: The folder of the run, which has the name that the permit is for.
        settings: What the run was told, with that folder.
    """

    permit: Permit
    lock: RunLock
    run_dir: Path
    settings: Settings


def take_cluster(experiment: Mapping[str, Any], settings: Settings, clock: Clock) -> Taken:
    """Pass the gate, keep other runs out, and make the run's folder.

    Raises:
        TargetRefused: The gate refuses, another run has the cluster, or one left something; nothing was changed, and no
            lock is held.
        CallFailed: The API does not answer; likewise.
        OSError: The folder cannot be made; likewise.
    """
    name = run_name(experiment)
    now = datetime.fromtimestamp(clock.epoch_s(), UTC)
    # undo logs of all folders and clusters lie side by side, under the name of their run
    started_at = f"{now:%Y%m%dT%H%M%SZ}-{os.urandom(3).hex()}"
    folder = Path("runs").absolute()
    # The permit carries the run's name, so the name must stand before the gate; the folder is made after it.
    settings = replace(settings, run_dir=folder / f"{started_at}-{name}")
    permit = check_gate(settings, clock)
    lock = RunLock(locks_folder(), permit.cluster_uid)
    lock.take()
    try:
        # another run may have had the lock between our gate and our lock, and have died of it
        refuse_leftovers(permit.cluster_uid, permit.ca_sha256, permit.run, clock)
        run_dir = make_run_dir(folder, name, started_at)
        if run_dir != settings.run_dir:
            settings = replace(settings, run_dir=run_dir)
            check_gate(settings, clock)
    except BaseException:  # a signal, too: nobody else would let go of it
        lock.release()
        raise
    return Taken(permit, lock, run_dir, settings)
