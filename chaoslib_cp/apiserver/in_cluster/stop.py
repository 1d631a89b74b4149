"""Ending overloads from pods: what they made is taken back, and what they told is added up."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.apiserver.fault import API_OVERLOAD_IN_CLUSTER
from chaoslib_cp.apiserver.overload.session import load_files
from chaoslib_cp.apiserver.overload.summary import summary_of
from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.door.prober import configured_pages
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.take_back import chosen_faults, take_back
from chaoslib_cp.engine.load.result import LoadResult, merged
from chaoslib_cp.engine.undo.log import UndoLog
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.fault import Ended
from chaoslib_cp.observe.load_results import read_results
from chaoslib_cp.settings import Settings

RESULTS_WITHIN_S: Final = 12.0
"""A cluster that is well collects the pods of a Job that was deleted within two seconds; they are given ten to end."""


@dataclass(frozen=True)
class _Load:
    """What the undo log says of a load.

    Attributes:
        pods: How many pods it has.
        pages: Whom they tell what it came to.
        result: The file for it.
    """

    pods: int
    pages: tuple[str, ...]
    result: Path


def stop(settings: Settings, timeout_s: float, fault: str | None, clock: Clock) -> Ended:
    """End the overloads of this run, or one of them; what it returns is told by ``stop_api_overload_in_cluster``."""
    log = undo_log_of_run(settings, clock)
    loads = dict(_loads(log, chosen_faults(log, API_OVERLOAD_IN_CLUSTER.name, fault), settings)) if log else {}
    ended = take_back(settings, timeout_s, clock, API_OVERLOAD_IN_CLUSTER.name, fault)
    told = {one: _told(loads[one], one, clock) for one in ended.faults if one in loads}
    return replace(ended, details={**ended.details, "loads": told})


def _loads(log: UndoLog, faults: list[str] | None, settings: Settings) -> Iterator[tuple[str, _Load]]:
    """The loads of which anything is open, from what was about to be made: it says all, whatever became of it."""
    sent = [(item.fault, item.entry.facts.get("sent") or {}) for item in log.items()]
    for fault in {item.fault for item in log.open_items(faults)}:
        made = {one.get("kind"): one for of, one in sent if of == fault}
        if {"Job", "ConfigMap"} <= made.keys():
            told = json.loads(made["ConfigMap"]["data"]["profile.json"])["report_to"]
            pages = configured_pages(settings) or told  # where this machine reaches them, which pods may not
            file = load_files(settings, log.run, fault).result
            yield fault, _Load(int(made["Job"]["spec"]["completions"]), tuple(pages), file)


def _told(load: _Load, fault: str, clock: Clock) -> dict[str, Any] | str:
    """What all pods came to together, also written to the file; why it is not known."""
    if not load.pages:
        return "the pods had no prober to tell their result; what there is of it is in their logs"
    sources = [f"pod-{number}" for number in range(load.pods)]
    found = read_results(load.pages, fault, sources, RESULTS_WITHIN_S, clock)
    if not found:
        return f"none of {load.pods} pods told its result within {RESULTS_WITHIN_S:.0f} s"
    try:
        over = merged(list(found.values())).as_dict()
    except ProfileInvalid as error:
        return str(error)
    pods = {"pods_told": len(found), "pods_wanted": load.pods}
    each = [_of_pod(source, found[source]) for source in sources if source in found]
    with suppress(OSError):  # a full disk must not keep the run from its end
        load.result.write_text(json.dumps({**over, **pods, "pods": each}) + "\n", encoding="utf-8")
    return {**summary_of(over), **pods}


def _of_pod(source: str, result: LoadResult) -> dict[str, Any]:
    total = result.total
    return {
        "pod": source,
        "began_epoch_s": result.began_s,
        "due": total.due,
        "held_back": total.held_back,
        "received_bytes": total.received_bytes,
        "client_cpu_s": result.cpu_s,
        "peak_rss_bytes": result.peak_rss_bytes,
    }
