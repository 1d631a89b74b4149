"""The table of configuration keys holds every key that the library reads, and no other."""

import re

from chaoslib_cp.settings import IDENTITIES, OWN_KEYS, context_key
from tests.places import ROOT

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
    read = {key for text in texts for key in READ.findall(text)} - {"context_key"}
    named = {"RUN_DIR_KEY": "chaoslib_cp_run_dir"}
    assert {named.get(key, key) for key in read} | CONTEXTS == OWN_KEYS
