"""How every command speaks: the result on standard output, everything said on the way on standard error."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


def json_option(command: _Command) -> _Command:
    """Add ``--json``: the result as one JSON value on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def _testbed_here() -> str:
    from chaoslib_cp.testbed.instance import around_us

    inside = around_us()
    return inside.name if inside else "default"


def name_option(command: _Command) -> _Command:
    """Add ``--name``, which inside a testbed defaults to that testbed."""
    return click.option(
        "--name",
        envvar="CHAOSLIB_CP_TESTBED",
        default=_testbed_here,
        show_default="the one you are inside, else default",
        help="Which testbed; several can run side by side.",
    )(command)


def say(line: str) -> None:
    """Report progress on standard error, so that standard output stays the result."""
    click.echo(line, err=True)


def show(result: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result, as JSON or as the text made by ``text``."""
    click.echo(json.dumps(result, indent=2, sort_keys=True) if as_json else text())


def rows(mapping: Mapping[str, Any]) -> str:
    """Format a mapping as aligned lines; what is no plain text or number is shown as JSON."""
    width = max((len(key) for key in mapping), default=0)
    cells = {key: value if isinstance(value, str) else json.dumps(value) for key, value in mapping.items()}
    return "\n".join(f"{key:<{width}}  {cell}" for key, cell in cells.items())


@contextlib.contextmanager
def child_output_on_stderr() -> Iterator[None]:
    """Send what a child process writes to standard output to standard error, to keep ours for one JSON value."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
