"""What tests/conftest.py promises: cheap tests first, and no silent skip in CI."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.scaffold import lanes


def run_pytest(folder: Path, ci: str) -> str:
    """Run pytest over a folder with the rules of tests/conftest.py, and return what it printed."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  testbed: x\n  contract: x\n  programs: x\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "tests.conftest", str(folder)],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("marker", ["testbed", "contract", "programs"])
@pytest.mark.parametrize(("ci", "ending"), [("true", "1 failed, 1 skipped"), ("", "2 skipped")])
def test_skips_that_ci_must_not_pass_over_fail_there(tmp_path: Path, marker: str, ci: str, ending: str) -> None:
    """In CI such a skipped test is a failure that keeps its reason; a plain skip stays one."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        f"@pytest.mark.{marker}\ndef test_marked(): pytest.skip('no namespaces here')\n"
        "def test_plain(): pytest.skip('not today')\n"
    )
    printed = run_pytest(tmp_path, ci)
    assert ending in printed
    assert ("must not be skipped in CI: Skipped: no namespaces here" in printed) == (ci == "true")


def test_cheap_tests_run_first(tmp_path: Path) -> None:
    """Unit tests report before processes are started, and those before the testbed comes up."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.testbed\ndef test_slow(): pass\n"
        "@pytest.mark.contract\ndef test_middle(): pass\n"
        "def test_quick(): pass\n"
    )
    printed = run_pytest(tmp_path, "")
    assert printed.index("::test_quick") < printed.index("::test_middle") < printed.index("::test_slow")


def test_every_module_of_a_lane_is_there() -> None:
    """One that is renamed would wait until everything else has ended, and nobody would know why."""
    named = [module for modules in lanes.BESIDE_OTHERS for module in modules]
    assert len(named) == len(set(named))
    assert [one for one in named if not (ROOT / "tests" / "testbed" / f"test_{one}.py").is_file()] == []


@pytest.mark.parametrize(
    ("nodeid", "waits"),
    [("tests/unit/test_state.py::x", False), ("tests/testbed/test_incident.py::x", True)]
    + [(f"tests/testbed/test_{name}.py::x", name in ("ramp", "price")) for name in ("pods", "rights", "ramp", "price")],
)
def test_storms_wait_and_nothing_else_does(nodeid: str, waits: bool) -> None:
    """A module of tests/testbed that no lane names is taken for a storm; other tests are any worker's."""
    assert lanes.is_storm(nodeid) is waits
    assert (lanes.lane_of(nodeid) is None) is nodeid.startswith("tests/unit/")


def test_a_storm_waits_until_all_others_have_ended(tmp_path: Path) -> None:
    """Of two workers that play other tests the last one lets it begin; its own part is over by then."""
    first, second, storm = (lanes.Turn(tmp_path / "turn") for _ in range(3))
    for one in (first, second, storm):
        one.take_part()
    waiting = threading.Thread(target=storm.wait_for_all_others)
    waiting.start()
    first.end()
    waiting.join(0.2)
    assert waiting.is_alive()
    second.end()
    waiting.join(10)
    assert not waiting.is_alive()
