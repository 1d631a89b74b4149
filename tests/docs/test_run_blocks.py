"""What the documentation tells people to type works: blocks marked `run` and `testbed` are typed here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed import doctor
from tests.docs import markdown
from tests.docs.markdown import Found
from tests.places import ROOT


def marked(word: str) -> list[object]:
    """Return the blocks whose fence says ``word``, each a test case called by its place."""
    found = [block for block in markdown.blocks() if word in block.info.split()[1:]]
    return [pytest.param(block, id=str(block).partition(": ")[0]) for block in found]


def type_in(block: Found, state: Path, seconds: int) -> None:
    """Type the block's lines into a shell that stops at the first failure."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"]),
        "XDG_STATE_HOME": str(state),
        "CHAOSLIB_CP_TESTBED": f"docs-{os.getpid()}",  # control groups are named after it, for the whole machine
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", marked("run"))
def test_blocks_that_need_nothing_work(block: Found, tmp_path: Path) -> None:
    """A block marked `run` succeeds on a bare clone."""
    type_in(block, tmp_path, seconds=120)


@pytest.mark.testbed
@pytest.mark.parametrize("block", marked("testbed"))
def test_blocks_that_need_the_testbed_work(block: Found, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A block marked `testbed` succeeds from a machine where no testbed is up."""
    try:
        doctor.require()
    except TestbedFailed as reason:
        pytest.skip(str(reason))
    state = tmp_path_factory.mktemp("s")  # short: sockets live in there, and their paths have 107 bytes at most
    try:
        type_in(block, state, seconds=600)
    finally:
        type_in(Found(block.page, block.line, "chaos cp down"), state, seconds=120)


def test_some_blocks_are_run() -> None:
    """The marks are still understood: an empty list of cases would pass unseen."""
    assert marked("run")
    assert marked("testbed")
