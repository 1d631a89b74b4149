"""Mutants of the safety core that no test notices: docs/mutants.md.

``python -m tests.bench mutants`` for the whole page, ``python -m tests.bench.mutants FOLDER [AT MOST]`` for one section
of it; while working on a module, ``python -m tests.bench.mutants FILE ...`` shows what survives in it and writes
nothing.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import page
from tests.bench.mutation import reach, trial
from tests.bench.mutation.operators import Mutant, mutants_of

PAGE = page.ROOT / "docs" / "mutants.md"
KEPT = Path(__file__).parent / "mutation" / "survivors.json"
_CORE = {
    "chaoslib_cp": ("settings", "kubeconfig"),
    "chaoslib_cp/engine/undo": ("entry", "lines", "log", "replay"),
    "chaoslib_cp/cluster": (
        "gate/guard", "gate/allowed", "gate/identities", "door/authorization", "door/lock",
        "gate/permit", "gate/marker", "gate/production", "undo/rights", "undo/run", "undo/own_log",
        "door/same_cluster", "undo/objects", "undo/likeness", "undo/heal", "undo/agent_pods", "undo/recover",
        "undo/second_record", "undo/by_hand",
    ),
    "chaoslib_cp/control": (
        "__init__", "run", "stop", "ending", "refusal", "rounds", "folder", "telling", "watching", "evidence", "cpu",
        "abort", "abort_rules", "extension",
    ),
}  # fmt: skip
# The tests that play these modules in one process, by folder; each mutant is shown only to those that reach its line.
_ROOMS = {
    "chaoslib_cp": ("unit",),
    "chaoslib_cp/engine/undo": ("unit/engine/undo", "unit/cluster", "unit/rollout", "unit/dns", "unit/access", "proof"),
    "chaoslib_cp/cluster": ("unit/cluster", "unit/engine/undo", "unit/rollout", "unit/dns", "unit/access", "proof"),
    "chaoslib_cp/control": ("unit/control",),
}
# They start processes of their own, or play by the second: a mutant would be hours in them.
_LEFT_OUT = ("test_clocks.py", "test_foreign_editor.py", "test_race.py", "test_runner_killed.py")
_TESTS = {
    folder: sorted(
        str(file.relative_to(page.ROOT))
        for room in rooms
        for file in (page.ROOT / "tests" / room).rglob("test_*.py")
        if file.name not in _LEFT_OUT
    )
    for folder, rooms in _ROOMS.items()
}
_ENOUGH_S = 20.0  # other tests shown to one mutant, the quickest first, by the time they take without it
_PATIENCE_S = 5.0  # this, and five times as long as without a mutant, for each test and for all together
_SLOW_S = 3.0
_A_FEW = 12
_SEED = 1
_COPIED = ("chaoslib_cp", "tests", "experiments", "docs", "pyproject.toml")
HEAD = """# Mutants

How strong are the tests of what must not fail: undo log, gate, permit, recovery, control? Each mutant is the code with
one small change; if no test fails, the mutant survives, and so would the mistake.

`python -m tests.bench mutants` writes this page, `python -m tests.bench.mutants FOLDER` one section of it.

Changed are comparisons, `and` and `or`, arithmetic, numbers, names and other strings without spaces, `not`, conditions,
results (nothing is returned), caught exceptions (one is no longer caught), and statements (left out: calls, `raise`,
`continue`, `break`, and assignments to attributes and items). Not changed are annotations, decorators, docstrings, log
lines, and the words of messages: a changed message is not a changed behaviour. A mutant is shown to the tests that
reach its line: all of the files that have its module's name, then others, the quickest of each file first, up to
{enough:.0f} s of them; one that makes a test take five times as long counts as killed. Every run has a copy of the code
of its own, no network, a read-only file system, and a limit of memory.

"""


@dataclass(frozen=True)
class Tried:
    """A mutant, and what became of it.

    Attributes:
        file: Its file, from the root of the repository.
        mutant: What was changed.
        outcome: survived, killed or timeout.
        by: The first test that noticed.
    """

    file: str
    mutant: Mutant
    outcome: str
    by: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What a survivor is known by: its file, the line as it is written, and the change."""
        return self.file, self.mutant.source, str(self.mutant)


def measure() -> None:
    """Try every mutant of the safety core and write the page, a section as soon as it is known."""
    for folder in _CORE:
        write_section(folder)


def write_section(folder: str, at_most: int | None = None) -> None:
    """Try every mutant of one folder, or as many as are asked for, and replace its section of the page."""
    tried, there_are = try_mutants([f"{folder}/{name}.py" for name in _CORE[folder]], at_most)
    drawn = f"; {len(tried)} of {there_are} mutants, drawn with seed {_SEED}" if len(tried) < there_are else ""
    begin, end = f"<!-- begin {folder} -->", f"<!-- end {folder} -->"
    section = f"{begin}\n## `{folder}`\n\n{page.circumstances()}{drawn}\n\n{_figures(tried)}\n\n"
    section += f"{_survivors(tried, len(tried) == there_are)}\n{end}"
    text = PAGE.read_text() if PAGE.exists() else ""
    others = [
        f"<!-- begin {one} -->{text.partition(f'<!-- begin {one} -->')[2].partition(f'<!-- end {one} -->')[0]}"
        f"<!-- end {one} -->"
        if one != folder
        else section
        for one in _CORE
        if one == folder or f"<!-- begin {one} -->" in text
    ]
    PAGE.write_text(HEAD.format(enough=_ENOUGH_S) + "\n\n".join(others) + "\n")


def try_mutants(files: Sequence[str], at_most: int | None = None) -> tuple[list[Tried], int]:
    """Try the mutants of some files; also says how many there are."""
    with tempfile.TemporaryDirectory(prefix="cpm-") as made:
        folder = Path(made)
        for name in _COPIED:
            source = page.ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        (folder / "tmp").mkdir()
        tests = list(dict.fromkeys(test for file in files for test in _TESTS[file.rpartition("/")[0]]))
        reached = _reach(folder, tests)
        mutants = [(file, mutant) for file in files for mutant in mutants_of((folder / file).read_text())]
        there_are = len(mutants)
        if at_most is not None and at_most < there_are:
            chosen = sorted(random.Random(_SEED).sample(range(there_are), at_most))  # noqa: S311 - no secret
            mutants = [mutants[number] for number in chosen]
        mutants.append((files[0], Mutant(0, range(0), "", 0, "", "")))  # no change at all: no test may fail
        plan = [_trial(folder, file, mutant, reached) for file, mutant in mutants]
        sys.stderr.write(f"{len(plan)} mutants\n")
        (folder / "plan.json").write_text(json.dumps(plan))
        _in_sandbox(folder, ["-m", "tests.bench.mutation.trial", "plan.json", "results.jsonl", *tests])
        results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    tried = [Tried(*mutant, one["outcome"], one["by"]) for mutant, one in zip(mutants, results, strict=True)]
    unchanged = tried.pop()
    if unchanged.outcome != "survived":
        raise SystemExit(f"without any change {unchanged.file} is {unchanged.outcome} by {unchanged.by or 'nothing'}")
    return tried, there_are


def _reach(folder: Path, tests: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Run the tests once, without a mutant."""
    notes = folder / "notes.jsonl"
    options = ["-m", "pytest", "-q", "-p", "tests.bench.mutation.reach", *trial.OPTIONS]
    _in_sandbox(folder, [*options, *tests], {reach.NOTES: str(notes)})
    return reach.read_notes(notes)


def _trial(folder: Path, file: str, mutant: Mutant, reached: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    tests = [test for test, note in reached.items() if not note["lines"].get(file, set()).isdisjoint(mutant.lines)]
    if not mutant.lines:  # a constant, say: whoever compares it runs no line of its module
        near = {test.partition("::")[0] for test, note in reached.items() if note["lines"].get(file)}
        tests = [test for test in reached if test.partition("::")[0] in near]
    chosen = [test for test in tests if _is_of_module(test, file)]
    takes_s = sum(float(reached[test]["seconds"]) for test in chosen)
    enough_s = takes_s + _ENOUGH_S
    for test in _in_order({test: float(reached[test]["seconds"]) for test in tests if test not in chosen}):
        takes_s += reached[test]["seconds"]
        if chosen and takes_s > enough_s:
            break
        chosen.append(test)
    mutated = mutant.applied((folder / file).read_text())
    at_import = not mutant.lines and bool(mutant.after)
    each_s = [_PATIENCE_S + 5 * reached[test]["seconds"] for test in chosen]
    limits = {"limits_s": each_s, "limit_s": _PATIENCE_S + 5 * takes_s}
    return {"file": file, "mutated": mutated, "at_import": at_import, "tests": chosen, **limits}


def _is_of_module(test: str, file: str) -> bool:
    """Whether a test stands in a file that is named after the module: test_guard_permit.py after guard and permit."""
    return f"_{Path(file).stem}_" in f"{test.partition('::')[0].removesuffix('.py')}_"


def _in_order(tests: Mapping[str, float]) -> list[str]:
    """The quickest first, but a few of each file before more of one; what is slow comes last."""
    seen: Counter[str] = Counter()
    keys = {}
    for test, takes_s in sorted(tests.items(), key=lambda one: one[1]):
        file = test.partition("::")[0]
        keys[test] = (takes_s > _SLOW_S, seen[file] // _A_FEW, takes_s)
        seen[file] += 1
    return sorted(keys, key=lambda test: keys[test])


def _in_sandbox(folder: Path, arguments: Iterable[str], more: Mapping[str, str] | None = None) -> None:
    """Run Python where only the copy and a temporary folder can be written, without a network."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(folder),
        **(more or {}),
    }
    python = Path(sys.prefix).resolve() / "bin" / "python"
    places = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108 - its own
    bwrap = ["bwrap", *places, "--bind", str(folder), str(folder), "--unshare-net", "--unshare-pid"]
    subprocess.run(
        [*bwrap, "--die-with-parent", "--chdir", str(folder), str(python), *arguments],
        env=environment,
        stdout=sys.stderr,
        check=True,
    )


def _figures(tried: Sequence[Tried]) -> str:
    files = dict.fromkeys(one.file for one in tried)
    rows = [[f"`{file}`", *_counts([one for one in tried if one.file == file])] for file in files]
    rows.append(["all", *_counts(tried)])
    return page.table(["module", "mutants", "killed", "share"], rows)


def _counts(tried: Sequence[Tried]) -> list[object]:
    killed = sum(one.outcome != "survived" for one in tried)
    return [len(tried), killed, f"{killed / max(len(tried), 1):.1%}"]


def _survivors(tried: Sequence[Tried], are_all: bool) -> str:
    """Each survivor with its reason, and the reasons that are no longer needed: of a sample, as far as it shows."""
    reasons = {(one["file"], one["source"], one["change"]): one["reason"] for one in json.loads(KEPT.read_text())}
    alive = [one for one in tried if one.outcome == "survived"]
    rows = [
        [f"`{one.file}` {one.mutant.line}", _code(one.mutant), reasons.get(one.key, "**no reason given**")]
        for one in alive
    ]
    text = page.table(["survivor", "change", "why nobody notices"], rows) if rows else "None survives."
    files, keys = {one.file for one in tried}, {one.key for one in alive}
    shown = {one.key for one in tried}
    stale = [key for key in reasons if key[0] in files and key not in keys and (are_all or key in shown)]
    if stale:
        lines = [f"- {file}: {change} in {source}" for file, source, change in stale]
        text += "\n\nListed as survivors, and no longer alive:\n" + "\n".join(lines)
    return text


def _code(mutant: Mutant) -> str:
    shown = str(mutant) if len(str(mutant)) <= 100 else f"{str(mutant)[:60]} ... {str(mutant)[-30:]}"
    return "`" + shown.replace("|", "\\|") + "`"


if __name__ == "__main__":
    if sys.argv[1] in _CORE:
        write_section(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
    else:
        outcomes, _ = try_mutants(sys.argv[1:])
        sys.stdout.write(f"{_figures(outcomes)}\n\n{_survivors(outcomes, are_all=True)}\n")
