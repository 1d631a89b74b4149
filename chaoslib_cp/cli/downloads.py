"""The options that say where official programs are got from; `programs` and `up` share them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from chaoslib_cp.testbed.programs import Elsewhere

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _checked(_context: click.Context, _option: click.Parameter, mirrors: tuple[str, ...]) -> tuple[str, ...]:
    for mirror in mirrors:
        address = urlsplit(mirror)
        if "@" in address.netloc:  # not repeated here: it may be a password
            raise click.BadParameter("a user name or password in an address is not used")
        if address.scheme not in ("http", "https") or not address.hostname:
            raise click.BadParameter(f"{mirror!r} is no http or https address")
    return mirrors


def elsewhere_options(command: _Command) -> _Command:
    """Add ``--archive`` and ``--mirror``."""
    archive = click.option(
        "--archive",
        "archives",
        multiple=True,
        type=click.Path(path_type=Path),
        envvar="CHAOSLIB_CP_ARCHIVE",
        show_envvar=True,
        help="An official download that is on this machine already, such as kubernetes-server-linux-amd64.tar.gz.",
    )
    mirror = click.option(
        "--mirror",
        "mirrors",
        multiple=True,
        metavar="URL",
        callback=_checked,
        envvar="CHAOSLIB_CP_MIRROR",
        show_envvar=True,
        help="Asked before the official addresses; stands for their host, such as https://dl.k8s.io.",
    )
    return archive(mirror(command))


def elsewhere(archives: tuple[Path, ...], mirrors: tuple[str, ...]) -> "Elsewhere":
    """Make one value of what the two options say."""
    from chaoslib_cp.testbed.programs import Elsewhere

    return Elsewhere(archives, mirrors)
