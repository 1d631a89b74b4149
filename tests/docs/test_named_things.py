"""What the documentation names exists: files, links, commands, options, make targets, names of the code."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from chaostoolkit.cli import cli as chaos

from chaoslib_cp.settings import IDENTITIES
from chaoslib_cp.testbed import doctor
from chaoslib_cp.testbed.spec import load_spec
from chaoslib_cp.version import VERSION
from tests.bench import reliability
from tests.docs import markdown
from tests.docs.markdown import Found
from tests.places import ROOT

# Programs of others that a page may name; their own options are not ours to check.
FOREIGN = {".", "dig", "docker", "export", "kind", "kubectl", "pip", "python", "python3"}
# A command shown as a form, not to be typed: `chaos cp exec -- COMMAND`.
PLACEHOLDER = re.compile(r"[A-Z]{3,}|\.\.\.")
# Files that a run or a build makes, and files of somebody else's tools.
MADE_ELSEWHERE = {"journal.json", "report.html", "summary.json", "timeline.jsonl"}


def named(found: Iterator[Found]) -> list[object]:
    """Make one test case of each, called by its place."""
    return [pytest.param(one, id=str(one)) for one in found]


@pytest.mark.parametrize("link", named(markdown.links()))
def test_links_lead_to_files(link: Found) -> None:
    """A link between our pages is not dead."""
    assert (link.page.parent / link.text).exists()


@pytest.mark.parametrize("span", named(one for one in markdown.spans() if markdown.looks_like_a_file(one.text)))
def test_named_files_exist(span: Found) -> None:
    """A path in the text, from the root of the repository or beside the page, is there."""
    name = span.text.rstrip("/")
    assert name in MADE_ELSEWHERE or (ROOT / name).exists() or (span.page.parent / name).exists() or beside(span, name)


@pytest.mark.parametrize("command", named(markdown.commands()))
def test_named_commands_exist(command: Found) -> None:
    """Every command, option, target and file in a command line is one we have."""
    for argv in markdown.words(command.text):
        check_command(argv)


@pytest.mark.parametrize(
    "span", named(one for one in markdown.spans() if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", one.text))
)
def test_named_words_of_the_code_exist(span: Found) -> None:
    """An action, a key or a vantage point in the text has not been renamed in the code."""
    is_known = span.text in words_of_the_code()
    assert is_known


def check_command(argv: list[str]) -> None:
    """Fail when a command line names something that is not there."""
    program, *arguments = argv
    if program == "chaos":
        check_chaos(arguments)
    elif program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in arguments if "=" not in word} <= targets
    else:
        assert program in FOREIGN, f"{program} is neither ours nor known"
        assert all((ROOT / word).exists() for word in arguments if word.endswith(".py"))


def check_chaos(arguments: list[str]) -> None:
    """Fail when `chaos` has no such command or option, or a file it is given is missing."""
    group: click.Command = chaos
    rest = list(arguments)
    while isinstance(group, click.Group) and rest:
        command = group.get_command(click.Context(group), rest[0])
        assert command is not None, f"chaos has no command {rest[0]}"
        group = command
        rest.pop(0)
    options = {name for parameter in group.params for name in parameter.opts}
    cut = rest.index("--") if "--" in rest else len(rest)
    for word in rest[:cut]:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{group.name} has no option {word}"
        elif word.endswith(".json") and not PLACEHOLDER.search(word):
            assert (ROOT / word).exists(), f"there is no {word}"
    inner = rest[cut + 1 :]
    if inner and not PLACEHOLDER.search(inner[0]):
        check_command(inner)


def beside(span: Found, name: str) -> bool:
    """Accept a bare file name in a table row or sentence that also names its folder."""
    line = span.page.read_text().splitlines()[span.line - 1]
    folders = [Path(text.rstrip("/")) for text in re.findall(r"`([\w./-]+/[\w./-]*)`", line)]
    return any((ROOT / folder / name).exists() or (ROOT / folder.parent / name).exists() for folder in folders)


@functools.cache
def words_of_the_code() -> frozenset[str]:
    """Every word of our code and data."""
    files = [file for folder in ("chaoslib_cp", "experiments") for file in (ROOT / folder).rglob("*")]
    texts = (file.read_text() for file in files if file.suffix in (".py", ".json", ".yaml"))
    contexts = {f"{identity}_context".replace("-", "_") for identity in IDENTITIES}  # put together in the code, too
    return frozenset(word for text in texts for word in re.findall(r"\w+", text)) | contexts


def test_example_shown_is_the_example_that_runs() -> None:
    """The Python block in the how-to is the file that the testbed test runs."""
    shown = [block.text for block in markdown.blocks() if block.info == "python"]
    code = (ROOT / "docs" / "examples" / "look.py").read_text().partition('"""\n\n')[2]
    assert code in shown


def test_every_experiment_has_a_row() -> None:
    """It says what the file breaks, the verdict on the testbed, and what a good cluster does."""
    page = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)\.json` \|(?: [^|]+ \|){3} (?:held|broke)[^|]* \| [^|]+ \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted(file.stem for file in (ROOT / "experiments").glob("*.json"))


def test_files_in_the_help_of_make_exist() -> None:
    """What `make` says of its targets names no file that is not there."""
    help_lines = re.findall(r"^[a-z-]+:.*## (.+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    files = {word for line in help_lines for word in re.findall(r"(?:[\w-]+/)+[\w.-]+\.\w+", line)}
    assert files
    assert {file for file in files if not (ROOT / file).exists()} == set()


def test_every_decision_is_listed() -> None:
    """A decision that the index does not name is one that nobody finds."""
    folder = ROOT / "docs" / "decisions"
    listed = {link.text for link in markdown.links() if link.page == folder / "README.md"}
    assert listed == {page.name for page in folder.glob("0*.md")}


def test_image_tags_are_those_of_this_version() -> None:
    """A page that names the image names the tag that the manifests ask for."""
    tags = {tag for page in markdown.PAGES for tag in re.findall(r"chaoslib-cp:(\d[\w.]*\w)", page.read_text())}
    assert tags == {VERSION}


def test_kind_gets_the_processor_share_of_as_incident() -> None:
    """A run on kind is compared with one on the testbed: the quota on the page is the spec's number."""
    quota = re.search(r"--cpu-period (\d+) --cpu-quota (\d+)", (ROOT / "docs" / "howto-kind.md").read_text())
    assert quota
    assert int(quota[2]) / int(quota[1]) == load_spec("as-incident").api_server_cpu_cores


def test_rows_of_the_page_of_reliability_are_those_of_its_promises() -> None:
    """Whoever doubts a promise runs the file that its row names: it is the one that proves it today."""
    shown = {words: row[reliability.COLUMNS.index("by")] for words, row in reliability.rows_of_page().items()}
    assert shown == {promise.words: promise.files for promise in reliability.PROMISES}


def test_no_promise_of_the_page_is_broken() -> None:
    """A measurement that failed is mended and made again before it is shown; nobody finds it by chance."""
    assert [words for words, row in reliability.rows_of_page().items() if reliability.BROKEN in row] == []


def test_the_memory_asked_for_is_what_the_doctor_looks_for() -> None:
    """Who has what README asks for is not told afterwards that it is too little, nor the other way round."""
    asked_gb = re.search(r"(\d+) GB of free memory", (ROOT / "README.md").read_text())
    assert asked_gb
    assert int(asked_gb[1]) * 1_000_000_000 == doctor.MEMORY_BYTES


def test_every_surviving_mutant_has_a_reason() -> None:
    """One without is a test that is missing."""
    page = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8")
    assert page.count("## `chaoslib_cp/") == 3
    assert "no reason given" not in page
    assert "no longer alive" not in page
