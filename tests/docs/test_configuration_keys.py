"""The table of configuration keys holds every key that the library reads, and no other."""

import json
import re
from pathlib import Path

import pytest

from chaoslib_cp.control.watching import DEFAULT_OBSERVE_S
from chaoslib_cp.settings import IDENTITIES, MAX_NODES, OWN_KEYS, RUN_DIR_KEY, context_key
from tests.places import EXPERIMENTS, ROOT

CONTEXTS = set(map(context_key, IDENTITIES))  # put together in the code, too
READ = re.compile(r"configuration(?: or \{\}\))?\.get\(\"?(\w+)")


def test_every_key_that_is_read_has_a_row() -> None:
    """What can be set can be looked up."""
    page = (ROOT / "docs" / "howto-python.md").read_text()
    section = page.partition("\n## Keys of the configuration\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert {key for cell in cells for key in re.findall(r"`(\w+)`", cell)} == OWN_KEYS


def test_the_keys_that_are_known_are_those_that_the_code_reads() -> None:
    """A key that is read anew gets its row, and its value is shown in the results or not after a thought."""
    texts = [file.read_text() for file in (ROOT / "chaoslib_cp").rglob("*.py")]
    read = {key for text in texts for key in READ.findall(text)} - {"context_key", "key"}
    named = {"RUN_DIR_KEY": "chaoslib_cp_run_dir"}
    assert {named.get(key, key) for key in read} | CONTEXTS == OWN_KEYS


@pytest.mark.parametrize("file", sorted([*EXPERIMENTS.glob("*.json"), *(ROOT / "probes").glob("*.json")]), ids=str)
def test_every_shipped_file_names_every_key_of_ours(file: Path) -> None:
    """Chaos Toolkit drops a ``--var`` without a word where the file does not name the key."""
    declared = json.loads(file.read_text())["configuration"]
    ours = {key: declared[key] for key in OWN_KEYS - {RUN_DIR_KEY}}
    variables = {key: "KUBECONFIG" if key == "kubeconfig" else f"CHAOSLIB_CP_{key.upper()}" for key in ours}
    assert {key: one["key"] for key, one in ours.items()} == variables
    assert {one["type"] for one in ours.values()} == {"env"}
    usual = {"max_nodes": MAX_NODES, "observe_s": DEFAULT_OBSERVE_S, "infrastructure": "none"}
    assert {key: one["default"] for key, one in ours.items() if one["default"]} == usual
