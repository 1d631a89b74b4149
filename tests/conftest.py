"""What holds for every test: cheap ones first, proofs in part, and in CI nothing that proves the point is skipped."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.scaffold import figures, lanes, part

_MUST_RUN_IN_CI = ("programs", "contract", "testbed")
_TURN = pytest.StashKey[lanes.Turn]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much of the proofs is played, and where their figures go."""
    group = parser.getgroup("proofs")
    group.addoption("--prove", action="store_true", help="play all of each proof, not a part: hours")
    group.addoption("--part-seed", type=int, default=part.SEED, help="draw another part of each proof")
    group.addoption("--figures", type=Path, help="file to which proofs append what they measured, as lines of JSON")


def pytest_report_header() -> str:
    """Name the seed, so that a part can be played again."""
    return part.described()


def pytest_configure(config: pytest.Config) -> None:
    """Take signals as a terminal's processes do, and keep away from the testbeds and undo logs of whoever runs this."""
    part.choose(config.getoption("prove"), config.getoption("part_seed"))
    if config.getoption("figures"):
        figures.note_into(config.getoption("figures"))
    # Hypothesis gives an example 200 ms otherwise; no test of ours is about the speed of the machine
    hypothesis.settings.register_profile("any-machine", hypothesis.settings(), deadline=None)
    hypothesis.settings.load_profile("any-machine")
    # started in the background, a shell ignores SIGINT for its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if _is_worker(config):  # inside the folder of the process that started it, which takes everything away at the end
        own = Path(os.environ["XDG_STATE_HOME"], os.environ["PYTEST_XDIST_WORKER"])
        own.mkdir()
        config.stash[_TURN] = lanes.Turn(own.parent / "turn")
        os.environ["XDG_STATE_HOME"] = str(own)
        return
    state = Path(tempfile.mkdtemp(prefix="cp-tests-"))  # short: a testbed has sockets in it
    os.environ["XDG_STATE_HOME"] = str(state)
    config.add_cleanup(lambda: leave_nothing(state))


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def leave_nothing(state: Path) -> None:
    """Take down what an interrupted run left up, and remove its state: a killed worker tears no fixture down."""
    for folder in state.glob("**/chaoslib-cp/testbed/*/"):
        home = folder.parents[2]
        down = [sys.executable, "-m", "chaostoolkit", "cp", "down", "--name", folder.name]
        subprocess.run(down, env={**os.environ, "XDG_STATE_HOME": str(home)}, stdout=subprocess.DEVNULL, check=False)
    shutil.rmtree(state, ignore_errors=True)


class Lanes(LoadScopeScheduling):  # type: ignore[misc]
    """Hands tests out one by one; those of tests/testbed as lanes, each to one worker.

    The group is told by the path: pytest-xdist 3.8 loses its own group marks with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return lanes.lane_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Share the tests between workers."""
    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what is cheap first: unmarked tests, then those with `chaos` processes, last those on the testbed.

    Where several workers share the tests, some of them begin with those on testbeds that run beside others.
    """

    def cost(item: pytest.Item) -> tuple[int, bool]:
        lane = lanes.lane_of(item.nodeid)
        if _is_worker(config) and lane is not None and not lanes.is_storm(item.nodeid):
            return -1, False
        usual = sum(2**rank for rank, name in enumerate(_MUST_RUN_IN_CI) if item.get_closest_marker(name))
        return usual, lane == lanes.THE_INCIDENT

    items.sort(key=cost)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture brings a testbed up: let a storm wait until everything else has ended."""
    turn = item.config.stash.get(_TURN, None)
    if turn is not None and lanes.is_storm(item.nodeid):
        turn.wait_for_all_others()
    elif turn is not None:
        turn.take_part()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """This worker has played its last test, and waits only for the others to end."""
    turn = session.config.stash.get(_TURN, None)
    if turn is not None:
        turn.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test that was skipped and must not be into a failed one where CI=true."""
    report = yield
    return fail_if_skipped_in_ci(item, report, os.environ.get("CI") == "true")


def fail_if_skipped_in_ci(item: pytest.Item, report: pytest.TestReport, in_ci: bool) -> pytest.TestReport:
    """Return ``report``, as a failure when it is a skip that CI must not pass over."""
    must_run = any(item.get_closest_marker(name) for name in _MUST_RUN_IN_CI)
    if in_ci and must_run and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"must not be skipped in CI: {reason}"
    return report
