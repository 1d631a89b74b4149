"""The kernel's word on process 1, as it is inside a testbed."""

from pathlib import Path

import pytest

from chaoslib_cp import namespace


def started_as(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let process 1 of this process's namespace have that command line.

    Args:
        words: of the command line, after the interpreter and its options.
        folder: for a file in the form that proc(5) gives.
        monkeypatch: takes it back.
    """
    file = folder / "cmdline"
    file.write_bytes("\0".join(["/usr/bin/python3", "-P", "-m", *words, ""]).encode())
    monkeypatch.setattr(namespace, "PROCESS_1", file)
