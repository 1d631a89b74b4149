"""The undo log survives crashes and refuses what is not its own."""

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.engine.undo import lines
from chaoslib_cp.engine.undo.entry import entry_as_dict, parse_entry
from chaoslib_cp.engine.undo.log import UndoLog, find_logs
from chaoslib_cp.errors import UndoFailed
from tests.scaffold.clocks import ManualClock
from tests.scaffold.entries import observed, to_delete

CLOCK = ManualClock()
FULL = 4_000_000
DAEMONSET = to_delete("DaemonSet", "kube-system", "chaoslib-cp-agent-rollout-1", "run-1")


def make_log(folder: Path) -> UndoLog:
    """A log with one open object and one closed note."""
    log = UndoLog.create(folder / "undo", "run-1", {"cluster_uid": "u"}, CLOCK)
    log.note(log.intend(DAEMONSET), uid="uid-7")
    log.done(log.intend(observed("delete pods")), "nothing to undo")
    return log


@pytest.mark.parametrize(
    "record",
    [
        {"type": "intent", "at_s": 1.0, "entry": {"kind": "observe_only", "what": "x"}},
        {"type": "intent", "number": 2, "at_s": 1.0, "entry": {"kind": "run_command", "what": "x"}},
        {"type": "intent", "number": 3, "at_s": 1.0, "entry": {"kind": "observe_only", "what": "x"}},
        {"type": "rename", "number": 0},
        {"type": "note", "number": 2, "facts": {}},
        {"type": "done", "number": -1, "outcome": "x"},
        {"type": "done", "number": "0", "outcome": "x"},
        {"type": "done", "number": 0.0, "outcome": "x"},
        {"type": "done", "number": 0, "outcome": 5},
    ],
    ids=[
        "no number",
        "unknown kind",
        "a gap",
        "unknown type",
        "no such entry",
        "negative",
        "text",
        "fraction",
        "outcome",
    ],
)
def test_a_line_that_we_do_not_understand_refuses_the_log_before_anything_is_undone(
    tmp_path: Path, record: dict[str, object]
) -> None:
    """A whole line with a right checksum may still be another version's."""
    log = make_log(tmp_path)
    lines.append(log.path, lambda _: record, "x")
    with pytest.raises(UndoFailed, match=r"number|kind|type"):
        UndoLog.read(log.path, CLOCK)


def test_a_log_that_is_gone_or_became_a_link_stops_the_change(tmp_path: Path) -> None:
    """What cannot be put on record is not done, and nobody's file is written through a link."""
    log = make_log(tmp_path)
    elsewhere = log.path.rename(tmp_path / "elsewhere")
    content = elsewhere.read_bytes()
    with pytest.raises(UndoFailed, match=r"cannot write .*the entry stays open"):
        log.done(0, "deleted")
    log.path.symlink_to(elsewhere)
    with pytest.raises(UndoFailed, match=r"cannot write .*the change it is about was made"):
        log.note(0, uid="other")
    assert elsewhere.read_bytes() == content


def test_a_full_log_stops_the_change_and_stays_readable(tmp_path: Path) -> None:
    """No record is cut off to make room, and a file that is larger than any log of ours is refused."""
    log = make_log(tmp_path)
    room = FULL - log.path.stat().st_size
    empty = FULL - room + len(b'{"facts": {"padding": ""}, "number": 0, "sum": "0123456789abcdef", "type": "note"}\n')
    log.note(0, padding="x" * (FULL - empty))
    assert log.path.stat().st_size == FULL
    with pytest.raises(UndoFailed, match="full; the entry stays open"):
        log.done(0, "deleted")
    assert [item.number for item in UndoLog.read(log.path, CLOCK).open_items()] == [0]
    with log.path.open("ab") as file:
        file.write(b"{")
    with pytest.raises(UndoFailed, match="none of ours"):
        UndoLog.read(log.path, CLOCK)


def test_an_intent_is_readable_by_another_process_before_anything_else_happens(tmp_path: Path) -> None:
    """The entry is on disk when ``intend`` returns."""
    log = UndoLog.create(tmp_path / "undo", "run-1", {}, CLOCK)
    log.intend(DAEMONSET)
    [item] = UndoLog.read(log.path, CLOCK).open_items()
    assert item.entry == DAEMONSET
    assert item.uid == ""


def test_the_age_of_an_entry_is_read_back(tmp_path: Path) -> None:
    """By the time since the machine was started, which nobody can set."""
    clock = ManualClock()
    clock.pass_s(5)
    log = UndoLog.create(tmp_path / "undo", "run-1", {}, clock)
    log.intend(DAEMONSET)
    clock.pass_s(3)
    [item] = UndoLog.read(log.path, clock).items()
    assert (item.intended_at_boot_s, item.age_s(clock)) == (5.0, 3.0)


def test_only_open_entries_are_undone_last_first(tmp_path: Path) -> None:
    """A closed entry is never touched again; the last change is undone first."""
    log = make_log(tmp_path)
    later = to_delete("ConfigMap", "kube-system", "later", "run-1")
    log.intend(later)
    assert [item.entry for item in log.open_items()] == [later, DAEMONSET]
    assert log.open_items()[1].uid == "uid-7"


def test_log_and_folder_belong_to_this_user_alone(tmp_path: Path) -> None:
    """0600 in 0700."""
    log = make_log(tmp_path)
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_log_of_the_same_run_is_refused(tmp_path: Path) -> None:
    """Nobody overwrites a record of what was changed."""
    make_log(tmp_path)
    with pytest.raises(UndoFailed, match="recover"):
        UndoLog.create(tmp_path / "undo", "run-1", {}, CLOCK)


def test_a_symlinked_folder_or_log_is_refused(tmp_path: Path) -> None:
    """Another user's file must not be written or trusted through a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "undo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UndoFailed, match="nothing was changed"):
        UndoLog.create(tmp_path / "undo", "run-1", {}, CLOCK)
    log = make_log(tmp_path / "real")
    link = tmp_path / "link.jsonl"
    link.symlink_to(log.path)
    with pytest.raises(UndoFailed, match="cannot read"):
        UndoLog.read(link, CLOCK)


def test_a_torn_last_line_is_ignored_and_cut_off_by_the_next_write(tmp_path: Path) -> None:
    """A crash in mid-write costs only the line that was being written."""
    log = make_log(tmp_path)
    with log.path.open("ab") as file:
        file.write(b'{"type": "intent", "numb' + b"e" * 500)
    again = UndoLog.read(log.path, CLOCK)
    again.done(0, "deleted")
    assert UndoLog.read(log.path, CLOCK).open_items() == []
    assert log.path.read_bytes().endswith(b"}\n")


def test_two_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """An action and `recover` may write at the same moment."""
    log = make_log(tmp_path)

    def write(name: str) -> None:
        for number in range(20):
            log.note(0, **{f"{name}-{number}": "x"})

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(UndoLog.read(log.path, CLOCK).items()[0].notes) == 1 + 4 * 20


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text.replace("chaoslib-cp-agent-rollout-1", "coredns"), id="another object's name"),
        pytest.param(lambda text: text.replace('"type": "intent"', '"type": "intend"'), id="another type"),
        pytest.param(lambda text: text.split("\n", 1)[1], id="no header"),
        pytest.param(lambda text: "nonsense\n" + text, id="garbage first"),
        pytest.param(lambda text: text.replace("}\n", "}}\n", 1), id="broken JSON"),
        pytest.param(lambda _text: "", id="empty"),
        pytest.param(lambda _text: "[]\n", id="not an object"),
    ],
)
def test_an_edited_log_is_refused(tmp_path: Path, damage: object) -> None:
    """Somebody else's edit must not steer a delete."""
    log = make_log(tmp_path)
    log.path.write_text(damage(log.path.read_text()))  # type: ignore[operator]
    with pytest.raises(UndoFailed, match="nothing was undone"):
        UndoLog.read(log.path, CLOCK)


def test_a_log_of_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """We do not guess what a newer version meant."""
    path = tmp_path / "new.jsonl"
    log = UndoLog.create(tmp_path / "undo", "x", {"schema": 99}, CLOCK)
    log.path.rename(path)
    with pytest.raises(UndoFailed, match=r"schema 99.*version that wrote it"):
        UndoLog.read(path, CLOCK)


def test_a_log_that_ends_anywhere_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    """A crash costs the line that was being written and nothing before it; without a header nothing is believed."""
    log = make_log(tmp_path)
    whole, content = log.items(), log.path.read_bytes()
    for cut in range(len(content)):
        log.path.write_bytes(content[:cut])
        kept = content[:cut].count(b"\n")
        if kept:
            items = UndoLog.read(log.path, CLOCK).items()
            assert [item.entry for item in items] == [item.entry for item in whole][: (0, 0, 1, 1, 2)[kept]]
        else:
            with pytest.raises(UndoFailed, match="has no header"):
                UndoLog.read(log.path, CLOCK)
        assert log.path.read_bytes() == content[:cut]


def changed_leaves(value: Any) -> Iterator[Any]:
    """The same value again and again, each time with one leaf changed or one key gone."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in changed_leaves(inner))
            yield {other: kept for other, kept in value.items() if other != key}
    elif isinstance(value, str):
        yield value + "x"
    else:
        yield value + 1


def test_every_field_of_every_line_is_covered_by_a_checksum(tmp_path: Path) -> None:
    """Whatever is changed, renamed or left out: it is noticed, and the file stays as it is."""
    log = make_log(tmp_path)
    lines = log.path.read_text().splitlines(keepends=True)
    count = 0
    for number, line in enumerate(lines):
        for changed in changed_leaves(json.loads(line)):
            spoiled = "".join([*lines[:number], json.dumps(changed) + "\n", *lines[number + 1 :]])
            log.path.write_text(spoiled)
            with pytest.raises(UndoFailed, match="nothing was undone"):
                UndoLog.read(log.path, CLOCK)
            with pytest.raises(UndoFailed, match="the entry stays open"):
                log.done(0, "deleted")
            assert log.path.read_text() == spoiled
            count += 1
    assert count > 50


def test_a_line_that_is_taken_out_doubled_or_moved_is_noticed(tmp_path: Path) -> None:
    """Each line vouches for the one before it; only at the end a line less looks like a crash before it."""
    log = make_log(tmp_path)
    lines = log.path.read_text().splitlines(keepends=True)
    last = len(lines) - 1
    spoiled = [[*lines[:n], *lines[n + 1 :]] for n in range(last)]
    spoiled += [[*lines[: n + 1], *lines[n:]] for n in range(len(lines))]
    spoiled += [[*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]] for n in range(last)]
    for kept in spoiled:
        log.path.write_text("".join(kept))
        with pytest.raises(UndoFailed, match="nothing was undone"):
            UndoLog.read(log.path, CLOCK)


def test_two_processes_that_write_one_log_get_numbers_of_their_own(tmp_path: Path) -> None:
    """Without a control, every use has the same log: no entry may hide another one."""
    first = UndoLog.create(tmp_path / "undo", "adhoc", {}, CLOCK)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: UndoLog.read(first.path, CLOCK).intend(DAEMONSET), range(40)))
    assert sorted(numbers) == list(range(40))
    assert len(first.open_items()) == 40


@pytest.mark.parametrize("run", ["2024-Run_1.b", "r", "9"])
def test_run_ids_and_cluster_scoped_objects_make_entries(run: str) -> None:
    """Whatever a label may hold names a run; a ClusterRole has no namespace."""
    entry = to_delete("ClusterRole", "", "system:ours", run)
    assert parse_entry(entry_as_dict(entry)) == entry
    assert str(entry) == "ClusterRole system:ours"


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "run_command", "what": "rm"},
        {"kind": "delete_object", "object_kind": "DaemonSet", "namespace": "a", "name": "b"},
        {"kind": "delete_object", "object_kind": "DaemonSet", "namespace": "a", "name": "../../nodes/x", "run": "r"},
        {"kind": "delete_object", "object_kind": "pods/exec", "namespace": "a", "name": "b", "run": "r"},
        {"kind": "observe_only", "what": 3},
    ],
)
def test_entries_are_a_closed_set(data: dict[str, object]) -> None:
    """Unknown kinds, missing facts and names that are paths are refused."""
    with pytest.raises(UndoFailed):
        parse_entry(data)


def test_logs_are_found_oldest_first_and_a_missing_folder_has_none(tmp_path: Path) -> None:
    """``recover`` finds them by itself."""
    assert find_logs(tmp_path / "nothing") == []
    first, second = (UndoLog.create(tmp_path / "undo", run, {}, CLOCK) for run in ("b", "a"))
    os.utime(first.path, (1, 1))
    assert find_logs(tmp_path / "undo") == [first.path, second.path]


def test_every_line_carries_its_own_checksum(tmp_path: Path) -> None:
    """Nothing in the file is taken on trust."""
    lines = make_log(tmp_path).path.read_text().splitlines()
    assert all(json.loads(line)["sum"] for line in lines)
    assert len(lines) == 5


def test_each_fault_of_a_run_has_an_id_of_its_own(tmp_path: Path) -> None:
    """Counted by kind; fit for a label; known before its first entry, and to whoever reads the log later."""
    log = make_log(tmp_path)
    assert [log.next_fault(kind) for kind in ("x", "x", "y")] == ["x-1", "x-2", "y-1"]
    again = UndoLog.read(log.path, CLOCK)
    assert again.next_fault("x") == "x-3"
    assert again.faults() == ["x-1", "x-2", "y-1", "x-3", "agent_rollout-1", "dns_restart-1"]
    assert again.faults("x") == ["x-1", "x-2", "x-3"]
    assert again.faults("none") == []
    with pytest.raises(UndoFailed, match="'No Kind' is no name of a kind of fault; nothing was changed"):
        again.next_fault("No Kind")


def test_two_faults_that_begin_at_once_get_ids_of_their_own(tmp_path: Path) -> None:
    """Actions in the background share the log of their run."""
    log = make_log(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: UndoLog.read(log.path, CLOCK).next_fault("x"), range(40)))
    assert sorted(ids) == sorted(f"x-{number}" for number in range(1, 41))


def test_what_is_open_is_told_by_fault(tmp_path: Path) -> None:
    """So that a stop takes back its own."""
    log = make_log(tmp_path)
    log.intend(to_delete("ConfigMap", "kube-system", "x", "run-1", fault="x-1"))
    assert [item.fault for item in log.open_items()] == ["x-1", "agent_rollout-1"]
    assert [item.fault for item in log.open_items({"agent_rollout-1", "y-1"})] == ["agent_rollout-1"]
    assert log.open_items(set()) == []
