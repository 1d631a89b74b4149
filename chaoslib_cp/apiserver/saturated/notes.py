"""What is known of API servers beyond one look: notes of their memory in the run's timeline, and what kubelets tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.apiserver.saturated.asking import Seen
from chaoslib_cp.apiserver.saturated.memory import Note
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.container_ends import ContainerEnd, ends_of
from chaoslib_cp.engine.sample.counted import CountedSample, counts_of
from chaoslib_cp.engine.sample.pace import sample_record
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.limits import is_number
from chaoslib_cp.observe.recent import recent_samples
from chaoslib_cp.observe.timeline import TIMELINE_FILE, Timeline
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import API_SERVER_MEMORY

_LONGEST_RUN_S: Final = 6 * 3600.0  # observe/plan.py
_LOOK_S: Final = 2.0  # one that has just come back answers late; then nobody can tell
# What kubeadm, and so kind, labels its static pods with; the runner may list pods there already, for cluster DNS.
_PODS: Final = "/api/v1/namespaces/kube-system/pods"
_LABELS: Final = "component=kube-apiserver"


def notes_before(run_dir: Path | None, clock: Clock) -> dict[str, list[Note]]:
    """What was noted of each server (``ip:port``) earlier in a run, by the observer and by looks; in order of time."""
    samples = recent_samples(run_dir, API_SERVER_MEMORY.name, _LONGEST_RUN_S, clock) if run_dir else []
    found: dict[str, list[Note]] = {}
    for sample in samples:
        note = _note(sample)
        if note is not None:
            found.setdefault(str(sample["target"]), []).append(note)
    return found


def keep_notes(run_dir: Path | None, seen: Sequence[Seen]) -> None:
    """Note in the timeline of a run what a look has read, for the looks after it; without a timeline nothing."""
    if run_dir is None or not (run_dir / TIMELINE_FILE).exists():
        return
    metrics = API_SERVER_MEMORY.request.metrics if API_SERVER_MEMORY.request else {}
    timeline = Timeline(run_dir / TIMELINE_FILE)
    try:
        for server in seen:
            for one in server.pages:
                counts = counts_of(one.page, metrics) if one.sample.outcome == "ok" else {}
                sample = CountedSample(one.sample, counts)
                timeline.append(sample_record(API_SERVER_MEMORY.name, server.server, one.at_s, 0.0, sample))
    finally:
        timeline.close()


def container_ends(settings: Settings, servers: Sequence[str]) -> dict[str, list[ContainerEnd]]:
    """How the containers of API servers that run as pods ended, by server; asked as the runner, within 2 s.

    A server that is no pod that anybody sees, as of a managed cluster, is left out.
    """
    try:
        with open_cluster(settings) as cluster:
            listed = cluster.get(_PODS, timeout_s=_LOOK_S, labelSelector=_LABELS) or {}
    except ControlPlaneError:
        return {}
    pods = listed.get("items") or []
    by_address = {str((pod.get("status") or {}).get("hostIP")): pod for pod in pods}
    hosts = {server: server.rpartition(":")[0].strip("[]") for server in servers}
    found = {server: list(ends_of(by_address[host])) for server, host in hosts.items() if host in by_address}
    if not found and len(pods) == len(servers) == 1:  # behind an address of its own, as a port of this machine in kind
        found = {servers[0]: list(ends_of(pods[0]))}
    return found


def _note(sample: Mapping[str, Any]) -> Note | None:
    counts = sample.get("counts")
    told = [counts.get(name) for name in ("started_s", "rss_bytes")] if isinstance(counts, Mapping) else []
    if len(told) != 2 or not all(is_number(one) for one in told):
        return None
    return Note(float(sample["at_s"]), float(told[0]), float(told[1]))  # type: ignore[arg-type]  # checked above
