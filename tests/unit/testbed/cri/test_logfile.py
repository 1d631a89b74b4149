"""Container logs are in the format the kubelet reads, however the output arrives."""

import re
from pathlib import Path

from chaoslib_cp.testbed.cri.logfile import LONGEST_RECORD_BYTES, LogFile

RECORD = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$")


def _records(path: Path) -> list[tuple[str, ...]]:
    matches = [RECORD.match(line) for line in path.read_text().splitlines()]
    assert all(matches)
    return [match.groups() for match in matches if match]


def test_lines_are_whole_whatever_the_chunks(tmp_path: Path) -> None:
    """A line that arrives in pieces is one record; streams do not mix; empty lines stay."""
    log = LogFile(tmp_path / "new" / "0.log")
    for stream, chunk in (("stdout", b"one\ntw"), ("stderr", b"err\n"), ("stdout", b"o\n\nrest")):
        log.write(stream, chunk)
    log.finish()
    expected = [("stdout", "F", "one"), ("stderr", "F", "err"), ("stdout", "F", "two"), ("stdout", "F", "")]
    assert _records(tmp_path / "new" / "0.log") == [*expected, ("stdout", "F", "rest")]


def test_long_lines_are_split_and_marked(tmp_path: Path) -> None:
    """A line over the limit is written as parts, so that a reader can join them again."""
    log = LogFile(tmp_path / "0.log")
    log.write("stdout", b"x" * (2 * LONGEST_RECORD_BYTES + 5) + b"\n")
    log.finish()
    records = _records(tmp_path / "0.log")
    assert [tag for _, tag, _ in records] == ["P", "P", "F"]
    assert sum(len(text) for _, _, text in records) == 2 * LONGEST_RECORD_BYTES + 5


def test_output_without_line_ends_is_not_hoarded(tmp_path: Path) -> None:
    """A program that never ends a line cannot fill our memory: parts are written out as they arrive."""
    log = LogFile(tmp_path / "0.log")
    for _ in range(8):
        log.write("stdout", b"y" * LONGEST_RECORD_BYTES)
    assert len(_records(tmp_path / "0.log")) == 8
    log.finish()


def test_rotation_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """After the kubelet moved the file away and asked for it, new lines are in a new file."""
    path = tmp_path / "0.log"
    log = LogFile(path)
    log.write("stdout", b"old\n")
    path.rename(tmp_path / "0.log.1")
    log.reopen()
    log.write("stdout", b"new\n")
    log.finish()
    log.reopen()  # the container may have ended meanwhile
    assert [text for _, _, text in _records(path)] == ["new"]
    assert [text for _, _, text in _records(tmp_path / "0.log.1")] == ["old"]
