"""What the documentation names: fenced blocks, code spans and links, with the place they stand at."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.places import ROOT

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "probes/*.md", "experiments/*.md", "tests/**/*.md")
    for page in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A piece of text and where it stands, so that a failing test says what to open."""

    page: Path
    line: int
    text: str
    info: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text.strip()[:80]}"


def blocks() -> Iterator[Found]:
    """Every fenced block, with what stands after its fence."""
    for page in PAGES:
        text = page.read_text()
        for match in _FENCE.finditer(text):
            yield Found(page, text.count("\n", 0, match.start()) + 1, match.group(2), match.group(1).strip())


def _inline(pattern: str) -> Iterator[Found]:
    for page in PAGES:
        prose = _FENCE.sub(lambda match: "\n" * match.group(0).count("\n"), page.read_text())
        for number, line in enumerate(prose.splitlines(), 1):
            for text in re.findall(pattern, line):
                yield Found(page, number, text)


def spans() -> Iterator[Found]:
    """Every `code span` outside a fenced block."""
    yield from _inline(r"`([^`]+)`")


def links() -> Iterator[Found]:
    """Every target of a link to a file of ours."""
    yield from (link for link in _inline(r"\]\(([^)#]+)[^)]*\)") if "://" not in link.text)


def commands() -> Iterator[Found]:
    """Every command line that a reader may type: lines of shell blocks, and spans that start as one."""
    for block in blocks():
        if block.info.split()[:1] == ["shell"]:
            for offset, line in enumerate(block.text.splitlines(), 1):
                yield Found(block.page, block.line + offset, line, block.info)
    yield from (span for span in spans() if re.match(r"(chaos|make|pip|kubectl) [a-z]", span.text))


def words(command: str) -> list[list[str]]:
    """Split a command line into the words of each command in it; a comment is dropped."""
    found: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word in ("&&", ";", "|"):
            found.append([])
        elif found[-1] or not re.match(r"[A-Z_]+=", word):  # a variable set for one command
            found[-1].append(word)
    return [one for one in found if one]


def looks_like_a_file(text: str) -> bool:
    """Tell a path in this repository from other code: a known first folder, or the ending of a file."""
    if re.search(r"[\s<>*$~={}\[\]]|://", text) or text.startswith(("/", "-")):
        return False
    first = text.split("/")[0]
    is_below_root = "/" in text and (ROOT / first).is_dir()
    return is_below_root or bool(re.fullmatch(r"[\w.-]+\.(json|jsonl|html|yaml|toml|md|py|proto)|Makefile", text))
