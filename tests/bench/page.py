"""docs/benchmarks.md: one section for each measurement, replaced by the run that measured it."""

import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaoslib_cp.report.text import render_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
FIGURES_BEGIN = "<!-- figures: begin (from a real run; the run that measured them writes them) -->"
FIGURES_END = "<!-- figures: end -->"
HEAD = """# Benchmarks

Every section below was written by the command it names, in one run on one machine. Figures vary from run to run;
compare within a section, not between sections.
"""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def write_section(name: str, title: str, body: str) -> None:
    """Replace the section ``name``, or add it at the end."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n## {title}\n\n`.venv/bin/python -m tests.bench {name}`; {circumstances()}\n\n{body}\n{end}"
    text = PAGE.read_text() if PAGE.exists() else HEAD
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + section + rest.partition(end)[2]
    else:
        text = text.rstrip() + "\n\n" + section + "\n"
    PAGE.write_text(text)


def write_figures(run: Path) -> None:
    """Put the table of a real run into the README, as the terminal showed it."""
    summary = json.loads((run / "summary.json").read_text())
    text = README.read_text()
    before, _, rest = text.partition(FIGURES_BEGIN)
    after = rest.partition(FIGURES_END)[2]
    drawn = render_text(summary, Path("runs") / run.name)
    README.write_text(f"{before}{FIGURES_BEGIN}\n```text\n{drawn}\n```\n{FIGURES_END}{after}")


def circumstances() -> str:
    """Say when, on which commit and on what machine."""
    cores = len([line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")])
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}, commit {commit()}, {cores} cores, Linux {platform.release()}"


def commit() -> str:
    """Say which commit is measured."""
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
