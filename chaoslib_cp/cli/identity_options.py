"""As whom a load asks: the options that every command which plays a load has."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS: Final = (
    click.option("--context", default="agent", show_default=True, help="Context of the kubeconfig as which is asked."),
    click.option(
        "--impersonate",
        type=click.Choice(("node", "serviceaccount")),
        default=None,
        help="Give each virtual node a user, and so a flow, of its own.",
    ),
    click.option(
        "--namespace", default="default", show_default=True, help="Of the ServiceAccounts that are stood for."
    ),
)


def identity_options(command: _Command) -> _Command:
    """Add ``--context``, ``--impersonate`` and ``--namespace``, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
