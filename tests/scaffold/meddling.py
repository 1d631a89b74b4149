"""A fault that only tests have: it edits two objects that are not ours, and a setting of an infrastructure driver.

prepare(kube)                    # what it edits, as somebody else runs it
meddle(settings, clock)          # settings.infrastructure names a driver with that setting, or "none"
stop(settings, clock)
"""

import contextlib
import copy
import os
import time
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.undo.edit import Edit, edit
from chaoslib_cp.cluster.undo.fields import ABSENT
from chaoslib_cp.cluster.undo.own_log import undo_log_for_change
from chaoslib_cp.cluster.undo.setting import SettingChange, change_setting
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.fault import Ended
from chaoslib_cp.settings import Settings
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects

KIND = "meddling"
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/theirs"
CONFIG_MAP = "/api/v1/namespaces/kube-system/configmaps/theirs"
FLOW_SCHEMA = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/theirs"
RECORDS = "/api/v1/namespaces/chaoslib-cp/configmaps"
EDITED = {
    DEPLOYMENT: Edit("Deployment", "kube-system", "theirs", {("spec", "replicas"): 0}),
    CONFIG_MAP: Edit("ConfigMap", "kube-system", "theirs", {("data", "Corefile"): "lies", ("data", "a/b"): ABSENT}),
    FLOW_SCHEMA: Edit("FlowSchema", "", "theirs", {("spec", "matchingPrecedence"): 1}),
}
CORES = "api_server_cpu_cores"


def prepare(kube: KubeObjects) -> None:
    """Put there what is meddled with."""
    specs: dict[str, dict[str, Any]] = {
        DEPLOYMENT: {"spec": {"replicas": 2, "paused": False}},
        CONFIG_MAP: {"data": {"Corefile": '.:53 {\n  "é"\n}\n', "a/b": "x", "other": ""}},
        FLOW_SCHEMA: {"spec": {"matchingPrecedence": 500, "rules": [{"subjects": []}]}},
    }
    for path, spec in specs.items():
        where = {"namespace": "kube-system"} if "kube-system" in path else {}
        metadata = {"name": "theirs", **where, "uid": f"theirs-{path}", "resourceVersion": "7"}
        kube.objects[path] = {"kind": EDITED[path].object_kind, "metadata": metadata, **spec}


def meddle(settings: Settings, clock: Clock, paths: tuple[str, ...] = (DEPLOYMENT, CONFIG_MAP)) -> str:
    """Edit, and set where there is a driver; returns the id of the fault."""
    with open_cluster(settings) as cluster:
        log = undo_log_for_change(settings, cluster, CLUSTER_UID, clock)
        fault = log.next_fault(KIND)
        for path in paths:
            edit(cluster, log, fault, EDITED[path], clock)
        if settings.infrastructure != "none":
            change_setting(cluster, log, fault, SettingChange(CORES, 0.1), settings, clock)
    return fault


def stop(settings: Settings, clock: Clock, timeout_s: float = 20.0) -> Ended:
    """Take back what it did."""
    return take_back(settings, timeout_s, clock, kind=KIND)


def content(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """An object without its version, which each write changes."""
    kept = copy.deepcopy(found)
    if kept is not None:
        kept["metadata"].pop("resourceVersion", None)
    return kept


def wait_for_programs(path: Path, within_s: float = 10.0) -> None:
    """Wait until no process of a driver's program is left over from somebody who was killed."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s and any(str(path) in line for line in _command_lines()):
        time.sleep(0.01)


def _command_lines() -> list[str]:
    lines = []
    for process in os.scandir("/proc"):
        if process.name.isdecimal():
            with contextlib.suppress(OSError):
                lines.append(Path(process.path, "cmdline").read_text())
    return lines
