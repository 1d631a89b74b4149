"""The page of kubeconfig keys holds every key that the code knows, and says of each what the code says."""

import re

import pytest

from chaoslib_cp.cluster.door.keys import TABLES
from tests.places import ROOT

HEADS = {"cluster": "Cluster", "user": "User", "context": "Context", "exec": "Plugin (exec)"}


@pytest.mark.parametrize("kind", TABLES)
def test_the_page_is_the_table(kind: str) -> None:
    """Whoever adds a key writes it down."""
    page = (ROOT / "docs" / "kubeconfig.md").read_text()
    section = page.partition(f"\n## {HEADS[kind]}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
    assert rows == [
        (key.name, f"refused: {key.words}; {key.instead}" if key.instead else key.words) for key in TABLES[kind]
    ]
