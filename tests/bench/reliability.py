"""The promises of safety, each with the figures of the tests that prove it: docs/reliability.md.

`make prove` for the whole page (four hours), ``python -m tests.bench.reliability NAME ...`` for the rows of some
promises.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import dns_faults, page

PAGE = page.ROOT / "docs" / "reliability.md"
Notes = list[dict[str, float]]


@dataclass(frozen=True)
class Promise:
    """A promise, the tests that prove it, and how their figures read.

    Attributes:
        name: What the tests call it when they note figures.
        words: What is promised.
        tests: What pytest is given, with blanks between.
        measured: Makes a sentence of the figures.
    """

    name: str
    words: str
    tests: str
    measured: Callable[[Notes], str]

    @property
    def files(self) -> str:
        """The files of its tests, as the page names them."""
        return " ".join(f"`{test.partition('::')[0]}`" for test in self.tests.split())


def _sum(notes: Notes, key: str) -> int:
    return int(sum(one[key] for one in notes))


def _each(notes: Notes, key: str) -> list[str]:
    return [f"{one[key]:g}" for one in notes]


def _worst(notes: Notes, key: str) -> str:
    return f"{max(one[key] for one in notes):.1f} s"


PROMISES = [
    Promise(
        "crash",
        "SIGKILL before, after and in the middle of any change to a file, an API or a process: `recover` leaves "
        "nothing, also when it is killed itself or run twice",
        "tests/proof/test_crash_points.py",
        lambda notes: (
            f"{_sum(notes, 'points')} kills at {int(max(one.get('all', 0) for one in notes))} effects, "
            f"residue {_sum(notes, 'residue')}"
        ),
    ),
    Promise(
        "crash-testbed",
        "The same on a real API server, etcd and kubelets",
        "tests/testbed/test_crash_points.py",
        lambda notes: f"{_sum(notes, 'points')} kills, residue {_sum(notes, 'residue')}",
    ),
    Promise(
        "sequence",
        "Any sequence of rollouts, removals, kills, a sick API, lost and late writes, and other people: all that is "
        "ours is on record, nothing foreign is touched, one `recover` heals",
        "tests/proof/test_any_sequence.py",
        lambda notes: f"{_sum(notes, 'sequences')} sequences, {_sum(notes, 'broken')} broken",
    ),
    Promise(
        "editor",
        "Somebody edits in any gap between two of our calls: no edit is lost",
        "tests/proof/test_foreign_editor.py",
        lambda notes: (
            f"{_sum(notes, 'interleavings')} interleavings with something of theirs, {_sum(notes, 'lost')} lost"
        ),
    ),
    Promise(
        "edits",
        "Somebody edits what we edit, in any gap between two of our calls, with lost and late replies: no edit of "
        "theirs is lost, and what was ours is put back byte for byte",
        "tests/proof/test_foreign_edits.py",
        lambda notes: f"{_sum(notes, 'interleavings')} interleavings, {_sum(notes, 'lost')} lost",
    ),
    Promise(
        "any-edit",
        "Any sequence of edits, stops, kills, a sick API, late writes and other people's edits: everything comes to "
        "what somebody else wrote last",
        "tests/proof/test_any_edit.py",
        lambda notes: f"{_sum(notes, 'sequences')} sequences, {_sum(notes, 'lost')} lost",
    ),
    Promise(
        "power",
        "The power goes at any moment, whatever the disk kept of what was not synced: no finished intent is lost",
        "tests/proof/test_undo_power_loss.py",
        lambda notes: (
            f"{_sum(notes, 'images')} states of the disk, {_sum(notes, 'readable')} with a readable log, the others "
            "without a log or with one that is refused"
        ),
    ),
    Promise(
        "self-heal",
        "The runner is killed while the API is dead: the load ends by its deadline and one second at the latest",
        "tests/proof/test_runner_killed.py",
        lambda notes: (
            f"{_sum(notes, 'kills')} kills, half with standard input held open; latest request "
            f"{max(one['worst_overrun_s'] for one in notes):+.2f} s from the deadline"
        ),
    ),
    Promise(
        "self-heal-testbed",
        "The same with real API servers that hang, and agents on real and on fake nodes",
        "tests/testbed/test_runner_killed.py",
        lambda notes: (
            f"{_sum(notes, 'kills')} kills; last agent's end "
            f"{max(one['worst_overrun_s'] for one in notes):+.2f} s from the deadline"
        ),
    ),
    Promise(
        "dns-poison",
        "A lie about a name ends by the clocks of the DNS servers, with the API servers stopped and the runner killed; "
        "caches keep it for its TTL and no longer, no other name is touched, and the Corefile is given back byte for "
        "byte ([each lie](dns-faults.md))",
        dns_faults.TESTS,
        lambda notes: (
            f"{int(max(one['rows'] for one in notes))} lies with TTLs of "
            f"{', '.join(str(int(one['ttl_s'])) for one in notes)} s; armed in {_worst(notes, 'armed_s')} where "
            "CoreDNS looks for a new Corefile every 2 s"
        ),
    ),
    Promise(
        "mask",
        "A pinned node cache hides a failure of cluster DNS for what is left of the pin, and no longer",
        "tests/testbed/test_node_cache_pin.py",
        lambda notes: (
            f"{_sum(notes, 'failures')} failures behind pins of {', '.join(_each(notes, 'pin_s'))} s; furthest "
            f"from predicted {_worst(notes, 'off_s')}"
        ),
    ),
    Promise(
        "saturated",
        "What of an API server is used up is named from outside: CPU, memory, seats, etcd or network, each staged for "
        "real; and nothing on a healthy cluster",
        "tests/testbed/test_saturated.py",
        lambda notes: (
            f"{_sum(notes, 'causes')} of {_sum(notes, 'causes')} causes named, nothing named in "
            f"{_sum(notes, 'healthy')} of {_sum(notes, 'healthy')} looks at a healthy one"
        ),
    ),
    Promise(
        "ramp",
        "A ramp finds how many agents the API servers bear: as many as their CPU is enough for, by a line through "
        "rungs that are well below",
        "tests/testbed/test_ramp.py",
        lambda notes: ", ".join(
            f"{one['capacity_nodes']:g} found and {one['enough_for']:.0f} by the line" for one in notes
        ),
    ),
    Promise(
        "audit-log",
        "A profile that is made from the API servers' audit log of an agent costs them CPU as the agent does, within "
        "15 %",
        "tests/testbed/test_price.py",
        lambda notes: (
            f"{len(notes)} logs; CPU of the profile against that of the agent, played in turns: "
            + ", ".join(f"{one['difference_ratio']:+.1%}" for one in notes)
        ),
    ),
    Promise(
        "ending",
        "However `chaos run` ends, nothing is left; after SIGKILL, or without our control, one `recover` heals",
        "tests/contract/test_endings.py",
        lambda notes: (
            f"{_sum(notes, 'healed')} of {_sum(notes, 'healed')} runs healed in which something was injected, "
            f"{_sum(notes, 'refused')} more refused before"
        ),
    ),
    Promise(
        "abort",
        "A breached abort rule, or the observer's death, stops a run in an action or a pause: within two looks of one "
        "second each, without a call to the API, with all rollbacks and nothing left",
        "tests/contract/test_abort.py",
        lambda notes: (
            f"{len(notes)} runs; from the breach in the timeline to the stop {_worst(notes, 'decided_s')}, "
            f"to the first rollback {_worst(notes, 'rolled_back_s')} at most, {_sum(notes, 'calls')} calls"
        ),
    ),
    Promise(
        "refusal",
        "What is not provably the marked test cluster is refused, each with its own reason and without a write",
        "tests/unit/cluster/gate/test_guard.py",
        lambda notes: f"{len(notes)} refusals, {_sum(notes, 'writes')} writes",
    ),
    Promise(
        "kubeconfig",
        "Whatever a kubeconfig says is done as kubectl does it, to the same server and path as the same person, or "
        "refused before anything is sent",
        "tests/proof/test_any_kubeconfig.py",
        lambda notes: (
            f"{_sum(notes, 'files')} kubeconfigs, {_sum(notes, 'sent')} requests compared with kubectl's, "
            f"{_sum(notes, 'differ')} differ"
        ),
    ),
    Promise(
        "rights",
        "The rights that an owner is asked for are those that a run uses, counted in the API server's audit log",
        "tests/testbed/test_rights.py::test_every_right_is_used_and_none_is_missing",
        lambda notes: (
            f"{_sum(notes, 'granted')} granted, {_sum(notes, 'unused')} of them unused, "
            f"{_sum(notes, 'forbidden')} requests forbidden"
        ),
    ),
    Promise(
        "denied",
        "A right that is taken away is missed: the run says so, and leaves nothing",
        "tests/testbed/test_rights.py",
        lambda notes: f"{_sum(notes, 'rights')} rights taken away in turn, each missed",
    ),
    Promise(
        "bad-log",
        "An undo log that is damaged, edited, reordered, planted, a link, a copy or of another version: refused with "
        "one line, the file unchanged, every other log healed",
        "tests/proof/test_bad_undo_logs.py",
        lambda notes: f"{len(notes)} kinds refused, {_sum(notes, 'lost')} lost",
    ),
    Promise(
        "by-hand",
        "The `kubectl` commands that `recover` prints, pasted as they are, leave nothing",
        "tests/unit/cluster/undo/test_by_hand.py",
        lambda notes: f"{_sum(notes, 'lines')} commands carried out by kubectl, residue {_sum(notes, 'residue')}",
    ),
    Promise(
        "race",
        "However many runs start on a cluster at the same moment, one plays; after a kill none before `recover`",
        "tests/proof/test_race.py",
        lambda notes: ", ".join(f"{int(one['winners'])} of {int(one['starters'])}" for one in notes) + " played",
    ),
    Promise(
        "clock",
        "A clock that is set by an hour, runs at half or twice its rate, or a machine that sleeps: no load and no wait "
        "outlives its end by more than a second",
        "tests/proof/test_clocks.py",
        lambda notes: (
            f"{len(notes)} combinations, latest end {max(one['overrun_s'] for one in notes):+.2f} s from the deadline"
        ),
    ),
    Promise(
        "dry",
        "A dry run of any kind changes nothing",
        "tests/contract/test_dry_run.py",
        lambda notes: f"{len(notes)} dry runs, {_sum(notes, 'writes')} writes",
    ),
    Promise(
        "secret",
        "No secret leaves kubeconfig or environment, at any level of verbosity",
        "tests/contract/test_secrets.py tests/contract/test_secrets_of_activities.py",
        lambda notes: f"{_sum(notes, 'files')} files and outputs scanned, {_sum(notes, 'found')} found",
    ),
]
COLUMNS = ("promise", "measured", "by", "took", "commit")
HEAD = """# Reliability

What is promised, and what the tests measured. `make prove` writes this page; each row names the commit it was measured
at. The same tests run in `make test`, the long ones in a part that is drawn from all of their cases. How the library
fares on a real control plane is in [benchmarks](benchmarks.md), what the tests would not notice in
[mutants](mutants.md).

"""
BROKEN = "BROKEN: its tests fail"
NOT_PROMISED = """

## What is not promised
- That the API recovers at once when the load ends: an overload may outlive its cause. It is measured, and a run that
  ends while something that broke has not recovered is not called healed.
- That an object of ours that somebody edited by hand is kept: it is still ours, and it is deleted.
- That nothing stays of a node that dies with an agent on it: the load ends with the node, but its pod object stays
  until the cluster collects it.
- Anything about caches that we do not see: a resolver inside a program may hold an answer longer than its TTL.
- Protection from an owner who marks a production cluster and accepts every sign that it is one.
"""


def measure(names: Sequence[str] = ()) -> None:
    """Play the tests in full and write the page, row by row; a promise whose tests fail is broken.

    Args:
        names: Of promises whose rows are replaced; all by default.

    Raises:
        SystemExit: Some of them are broken; which ones is said, and stands on the page.
    """
    rows = rows_of_page() if names else {}
    chosen = [promise for promise in PROMISES if not names or promise.name in names]
    for promise in chosen:
        rows[promise.words] = _row(promise)
        known = [rows[one.words] for one in PROMISES if one.words in rows]
        PAGE.write_text(HEAD + page.table(COLUMNS, known) + NOT_PROMISED)
    broken = [promise.name for promise in chosen if BROKEN in rows[promise.words]]
    if broken:
        raise SystemExit(f"broken: {', '.join(broken)}")


def rows_of_page() -> dict[str, list[str]]:
    """By the words of the promise."""
    lines = PAGE.read_text().splitlines() if PAGE.exists() else []
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: row for row in rows if len(row) == len(COLUMNS) and row[0] not in (COLUMNS[0], "---")}


def _row(promise: Promise) -> list[str]:
    with tempfile.NamedTemporaryFile() as file:
        began_s = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--prove", f"--figures={file.name}", *promise.tests.split()],
            cwd=page.ROOT,
            stdout=sys.stderr,
            check=False,
        )
        notes = [json.loads(line) for line in Path(file.name).read_text().splitlines()]
    if promise.tests == dns_faults.TESTS and ended.returncode == 0:
        dns_faults.write(notes)
    mine = [note for note in notes if note["promise"] == promise.name]
    measured = promise.measured(mine) if mine and ended.returncode == 0 else BROKEN
    took = f"{time.monotonic() - began_s:.0f} s"
    return [promise.words, measured, promise.files, took, page.commit()]


if __name__ == "__main__":
    measure(sys.argv[1:])
