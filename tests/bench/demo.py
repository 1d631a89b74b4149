"""What a newcomer waits for: `make demo` in a clean clone, with programs in the cache, and with every cache empty."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench import page

HEAD = [
    "caches",
    "the testbed is up after",
    "make demo says it took",
    "with making the virtual environment",
    "exit code",
]
# Programs and pip, the modules that Go downloads, what Go compiles.
CACHES = ("XDG_CACHE_HOME", "GOMODCACHE", "GOCACHE")


def measure() -> None:
    """Clone what is committed and run the demo in it, warm and then cold; the pages are written after each.

    README's table is that of the latest run.
    """
    rows: list[list[object]] = []
    for kind in ("warm", "empty"):
        with tempfile.TemporaryDirectory() as folder:
            clone = Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", page.ROOT, clone], check=True)
            empty = {name: str(Path(folder) / name) for name in CACHES} if kind == "empty" else {}
            rows.append([kind, *_demo(clone, empty)])
            for summary in (clone / "runs").glob("*/summary.json"):
                page.write_figures(summary.parent)
        body = "Each in a clean clone; the system packages were there. Seconds.\n\n" + page.table(HEAD, rows)
        page.write_section("demo", "The demo, from nothing to nothing", body)


def _demo(clone: Path, environment: dict[str, str]) -> list[object]:
    began_s = time.monotonic()
    ended = subprocess.run(
        ["make", "demo"], cwd=clone, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=False
    )
    took_s = time.monotonic() - began_s
    said = [re.search(words, ended.stdout) for words in (r"is up after (\d+) s", r"make demo took (\d+) s")]
    return [*(one[1] if one else "never" for one in said), f"{took_s:.0f}", ended.returncode]
