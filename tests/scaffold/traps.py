"""Files that must never be imported: named as modules of Python's, of our libraries' and of our own."""

import sys
from pathlib import Path

_OTHERS = (
    "chaoslib",
    "chaoslib_cp",
    "chaostoolkit",
    "click",
    "dns",
    "hpack",
    "httptools",
    "kubernetes",
    "requests",
    "yaml",
)
_TRAP = "raise SystemExit('imported from the working folder: ' + __file__)\n"


def lay_traps(folder: Path) -> None:
    """Fill a folder with them."""
    for name in {*sys.stdlib_module_names, *_OTHERS}:
        (folder / f"{name}.py").write_text(_TRAP)
