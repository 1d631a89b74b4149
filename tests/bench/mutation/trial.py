"""Runs inside the sandbox: tries one mutant after another, each in a process of its own that is forked from this one.

    python -m tests.bench.mutation.trial PLAN RESULTS TESTFILE...

The plan is a JSON list: ``file``, ``mutated`` (its whole text), ``at_import`` (more than functions changed), ``tests``,
``limits_s`` (one for each test), ``limit_s`` (for all of them). Results are JSON lines, in the same order: ``outcome``
(survived, killed, timeout), ``by``, the first test that failed, and ``seconds``.

The tests are collected once. A child gives the functions of its module their mutated code and runs its tests; what is
decided when a module is imported (constants, defaults) needs a new interpreter. The mutant also lies on disk meanwhile,
for that one and for the processes that tests start.
"""

import contextlib
import ctypes
import importlib
import inspect
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

# A server of another test that is collected just now must not be taken for a failure of this one, and every trial
# draws the same examples.
OPTIONS = ("-p", "no:cacheprovider", "-W", "ignore::pytest.PytestUnraisableExceptionWarning", "--hypothesis-seed=1")
_BYTES = 6 * 2**30
_FILE_BYTES = 2**28
_GRACE_S = 10.0
_SUBREAPER = 36  # source: linux/prctl.h, PR_SET_CHILD_SUBREAPER


class Trials:
    """A plugin of pytest that plays the mutants of a plan instead of the tests that were collected."""

    def __init__(self, plan: Path, results: Path) -> None:
        self._plan = json.loads(plan.read_text())
        self._results = results
        self._first = results.with_suffix(".first")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every mutant of the plan."""
        items = {item.nodeid: item for item in session.items}
        with self._results.open("a") as out:
            for number, trial in enumerate(self._plan):
                began_s = time.monotonic()
                with _in_place(Path(trial["file"]), trial["mutated"], number):
                    found = self._try(trial, [items[test] for test in trial["tests"]])
                out.write(json.dumps({**found, "seconds": time.monotonic() - began_s}) + "\n")
                out.flush()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first test that failed."""
        if report.failed and not self._first.read_text():
            self._first.write_text(report.nodeid)

    def _try(self, trial: dict[str, Any], items: list[pytest.Item]) -> dict[str, Any]:
        self._first.write_text("")
        process = os.fork()
        if process == 0:
            os._exit(self._run(trial, items))
        end_s = time.monotonic() + trial["limit_s"] + _GRACE_S
        ended = status = 0
        while not ended and time.monotonic() < end_s:
            ended, status = os.waitpid(process, os.WNOHANG)
            time.sleep(0.005)
        _end_children()
        shutil.rmtree(os.environ["TMPDIR"])
        Path(os.environ["TMPDIR"]).mkdir()
        code = os.waitstatus_to_exitcode(status)
        if not ended or code in (_TOO_LONG, -signal.SIGALRM):
            return {"outcome": "timeout", "by": ""}
        return {"outcome": "killed" if code else "survived", "by": self._first.read_text()}

    def _run(self, trial: dict[str, Any], items: list[pytest.Item]) -> int:
        """In the child: 0 if nobody noticed."""
        _bounded(trial["limit_s"])
        os.environ["XDG_STATE_HOME"] = f"{os.environ['TMPDIR']}/state"
        if trial["at_import"] or not _give_mutated_code(trial["file"], trial["mutated"]):
            os.execv(sys.executable, [sys.executable, "-m", "pytest", "-x", "-q", *OPTIONS, *trial["tests"]])  # noqa: S606
        try:
            for item, following, limit_s in zip(items, [*items[1:], None], trial["limits_s"], strict=True):
                signal.setitimer(signal.ITIMER_REAL, limit_s)
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._first.read_text():
                    return 1
        except KeyboardInterrupt:
            return _TOO_LONG
        except BaseException:  # noqa: BLE001 - whatever a mutant raises, it is noticed
            return 1
        return 0


_TOO_LONG = 99


def main(plan: Path, results: Path, files: list[str]) -> None:
    """Try every mutant of a plan."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.exit(pytest.main(["-q", "-s", *OPTIONS, *files], plugins=[Trials(plan, results)]))


@contextlib.contextmanager
def _in_place(path: Path, mutated: str, number: int) -> Iterator[None]:
    """Put the mutant where the file was; each has a time of its own, so that no compiled file is taken for it."""
    original, facts = path.read_bytes(), path.stat()
    path.write_text(mutated, encoding="utf-8")
    os.utime(path, (number + 1, number + 1))
    try:
        yield
    finally:
        path.write_bytes(original)
        os.utime(path, (facts.st_atime, facts.st_mtime))


def _bounded(limit_s: float) -> None:
    """Limit this process in time, memory and size of files, and let nobody hear it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nowhere, handle)
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))

    def on_alarm(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, limit_s)


def _give_mutated_code(file: str, mutated: str) -> bool:
    """Give the functions of a module their mutated code; False when not all of them can be found."""
    module = importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    codes = _codes(compile(mutated, str(module.__file__), "exec", dont_inherit=True))
    functions = {one.__qualname__: one for one in _functions(vars(module).values(), module.__name__)}
    if not codes.keys() <= functions.keys():
        return False
    for name, code in codes.items():
        functions[name].__code__ = code
    return True


def _codes(code: CodeType) -> dict[str, CodeType]:
    """The functions of a module and of its classes, by qualified name."""
    found: dict[str, CodeType] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_name[0] != "<":
            is_class = not inner.co_flags & inspect.CO_NEWLOCALS
            found |= _codes(inner) if is_class else {inner.co_qualname: inner}
    return found


def _functions(values: Iterable[object], module: str) -> Iterator[FunctionType]:
    """The same, as they live."""
    for value in values:
        one = getattr(value, "fget", None) or inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]
        if isinstance(one, type) and one.__module__ == module:
            yield from _functions(vars(one).values(), module)
        elif isinstance(one, FunctionType) and one.__module__ == module:
            yield one


def _end_children() -> None:
    """End what a mutant left running: all of it became ours when its parent died."""
    while children := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
