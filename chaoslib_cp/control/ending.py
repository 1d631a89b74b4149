"""The end of a run: is everything healed, what did the run prove, and does ``chaos`` say so with its exit code.

Chaos Toolkit exits 0 after a baseline that was not met, an action or rollback that failed, or a hypothesis that broke
and recovered. Here 0 means "held" and nothing else.
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import Clock
from chaoslib_cp.cluster.undo.finished import put_aside_if_finished
from chaoslib_cp.cluster.undo.leftovers import ON_NODE, leftovers, stranded_pods
from chaoslib_cp.cluster.undo.own_log import undo_log_of_run
from chaoslib_cp.cluster.undo.recover import open_logs
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.control import evidence
from chaoslib_cp.control.api_work import tell_api_work
from chaoslib_cp.control.run import Run
from chaoslib_cp.control.watching import paces
from chaoslib_cp.errors import ControlPlaneError, UndoFailed
from chaoslib_cp.observe.timeline import TIMELINE_FILE, read_timeline
from chaoslib_cp.report.html import render_html
from chaoslib_cp.report.text import render_text
from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.hypothesis import read_hypothesis
from chaoslib_cp.results.recording import record
from chaoslib_cp.results.recovery import still_broken
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from chaoslib_cp.settings import Settings
from chaoslib_cp.vantage import named
from chaoslib_cp.waits import waiting_for

logger = logging.getLogger("chaostoolkit")

EVIDENCE_KEY = "chaoslib_cp"

HEAL_S = 120.0
"""How long pods of a deleted workload may take to go, seconds: a grace period of 30 s, and controllers that were
starved and must list everything anew (20 to over 60 s were seen with 200 nodes on 0.2 core)."""

TAKE_BACK_S = 60.0
"""How long the run itself tries to undo what no rollback undid, seconds; ``chaos cp recover`` tries again."""

SPARE_SAMPLES = 5
"""How many samples a broken vantage point gets to show that rollbacks cured it, after the attempt under way: three
good ones in a row are a recovery."""

_FEW = 3

_LOOK_EVERY_S = 1.0


def end_run(run: Run, journal: dict[str, Any], configuration: Mapping[str, Any]) -> None:
    """Judge a run and leave its files.

    Args:
        run: The run; its observer is stopped here.
        journal: Chaos Toolkit's journal; ``status`` and ``deviated`` are repaired, evidence goes under one key.
        configuration: The experiment's configuration, for the values that it gives to activities.
    """
    if run.latch.signal_name:
        name = run.latch.signal_name
        journal.setdefault("interruption", {"kind": "signal", "name": name, "reason": f"received {name}"})
    elif run.latch.reason and not run.stopped_by_action:
        journal.setdefault("interruption", {"kind": "control", "name": EVIDENCE_KEY, "reason": run.latch.reason})
    if not run.armed and journal["status"] == "completed":
        journal["status"] = "failed"  # the gate broke down, and there was no activity that could have been refused
    if run.is_dry or run.run_dir is None or not run.armed:
        return
    given_status = journal["status"]
    journal["status"] = "failed"  # until the verdict is known: Chaos Toolkit swallows what a control raises
    facts = {**run.facts, "parameters": evidence.parameters(run.experiment, configuration, run.outputs)}
    facts["run"] = {**facts["run"], "started": journal.get("start"), "duration_s": journal.get("duration")}
    _take_back_what_no_rollback_did(run)
    left_behind = (*run.failed_rollbacks, *_left_behind(run))
    stranded = _stranded(run)
    _put_log_aside(run)
    _see_recovery(run, run.run_dir)
    if run.teller is not None:
        tell_api_work(run.teller, run.settings, run.clock)
    run.stop_watching()
    recording = record(read_timeline(run.run_dir / TIMELINE_FILE))
    conduct = Conduct(
        interrupted_by="" if run.stopped_by_action else _interruption(run, given_status),
        failed_activities=tuple(run.failed_activities),
        left_behind=left_behind,
        stranded=stranded,
        has_method=bool(run.experiment.get("method")),
    )
    summary = summarise(recording, read_hypothesis(run.experiment, journal, configuration), conduct, facts)
    repair_journal(journal, given_status, summary["verdict"])
    journal[EVIDENCE_KEY] = {"run_dir": str(run.run_dir), "summary": summary}
    _write(run.run_dir, journal, summary, render_html(summary, recording))
    logger.info("\n%s", render_text(summary, run.run_dir))


def repair_journal(journal: dict[str, Any], given_status: str, verdict: str) -> None:
    """Make Chaos Toolkit's own fields agree with the verdict, so that ``chaos`` exits 0 only for held.

    Args:
        journal: Changed in place: ``status`` and ``deviated``.
        given_status: The status Chaos Toolkit had given.
        verdict: held, broke or inconclusive.
    """
    if verdict == "held":
        journal["status"], journal["deviated"] = "completed", False
    elif verdict == "broke":
        journal["status"], journal["deviated"] = "completed", True
    else:
        journal["status"] = given_status if given_status in ("interrupted", "aborted") else "failed"


def _interruption(run: Run, given_status: str) -> str:
    if run.latch.reason:
        return run.latch.reason
    return f"Chaos Toolkit (status {given_status})" if given_status in ("interrupted", "aborted") else ""


def _take_back_what_no_rollback_did(run: Run) -> None:
    """Chaos Toolkit plays no rollbacks after some endings (SIGUSR2), and drops those after one that was interrupted."""
    if not _is_open(run.settings):
        return
    logger.warning("Rollbacks left something open: taking it back now, up to %g s", TAKE_BACK_S)
    try:
        take_back(run.settings, TAKE_BACK_S, run.clock)
    except ControlPlaneError as error:
        logger.error("%s", error)


def _left_behind(run: Run) -> list[str]:
    """What is still there of this run, after giving controllers and kubelets the time to end its pods."""
    deadline_s = run.clock.monotonic_s() + HEAL_S
    with waiting_for("the rest of this run to go", HEAL_S) as wait:
        while True:
            left = grouped(_look_for_leftovers(run.settings, run.clock))
            is_open = _is_open(run.settings)  # then nobody is taking it away, and waiting does not help
            if not left or is_open or run.clock.monotonic_s() >= deadline_s:
                return left
            wait.what = f"the rest of this run to go ({'; '.join(left)})"
            run.clock.sleep(_LOOK_EVERY_S)


def _put_log_aside(run: Run) -> None:
    """Nobody who looks for what is open needs to read the log of a run that has taken everything back."""
    with suppress(ControlPlaneError):  # one that cannot be read is named where it matters
        log = undo_log_of_run(run.settings, run.clock)
        if log is not None:
            put_aside_if_finished(log, run.clock)


def _see_recovery(run: Run, run_dir: Path) -> None:
    """Keep the observer until it has seen the effect of the rollbacks: a few samples of whatever is still broken."""
    began_s = run.clock.monotonic_s()
    with waiting_for("samples of what broke", None) as wait:
        while run.is_watched:
            recording = record(read_timeline(run_dir / TIMELINE_FILE))
            broken = still_broken(recording, find_faults(recording))
            known = paces(run.settings)
            wait.limit_s = max(
                (known[one].news_within_s + SPARE_SAMPLES * known[one].period_s for one in broken), default=0.0
            )
            wait.what = f"{', '.join(named(vantage).label for vantage in broken)} to recover"
            if run.clock.monotonic_s() - began_s >= wait.limit_s:
                return
            run.clock.sleep(_LOOK_EVERY_S)


def grouped(left: Sequence[str]) -> list[str]:
    """Say the pods of one workload in one line: two hundred lines hide the one that matters."""
    stems = Counter(_stem(name) for name in left if name.startswith("Pod "))
    many = {stem: count for stem, count in stems.items() if count > _FEW}
    single = [name for name in left if not name.startswith("Pod ") or _stem(name) not in many]
    return [*single, *(f"{count} of {stem}-*" for stem, count in many.items())]


def _stem(name: str) -> str:
    """What the pods of one workload share of their names."""
    return name.partition(ON_NODE)[0].rpartition("-")[0]


def _stranded(run: Run) -> tuple[str, ...]:
    """Pods that do nothing, and that only the Node object of a dead node keeps in the list; `recover` says the same."""
    try:
        found = tuple(stranded_pods(run.settings, run.clock))
    except ControlPlaneError:
        return ()  # that nobody could look is told already, among what was left behind
    for words in found:
        logger.warning("%s", words)
    return found


def _look_for_leftovers(settings: Settings, clock: Clock) -> list[str]:
    """Ask cluster and undo log; when nobody can tell, that is said instead."""
    try:
        left = leftovers(settings, clock)
    except ControlPlaneError as error:
        left = [f"could not look: {error}"]
    if _is_open(settings):
        left.append("the undo log has open entries")
    return left


def _is_open(settings: Settings) -> bool:
    """Whether this run's undo log has open entries; what cannot be looked into may have."""
    try:
        return settings.run in open_logs()
    except UndoFailed:
        return True


def _write(run_dir: Path, journal: Mapping[str, Any], summary: Mapping[str, Any], page: str) -> None:
    _put(run_dir / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    _put(run_dir / "report.html", page)
    _put(run_dir / "journal.json", json.dumps(journal, indent=2, ensure_ascii=False, default=str) + "\n")


def _put(path: Path, content: str) -> None:
    """Replace a file as a whole: a reader never sees half of it."""
    half = path.with_name(path.name + ".part")
    half.write_text(content, encoding="utf-8")
    half.replace(path)
