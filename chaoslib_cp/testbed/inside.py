"""Getting inside a testbed that is up: the environment tools need there, and running commands there."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.commands import status
from chaoslib_cp.testbed.instance import Instance
from chaoslib_cp.testbed.namespaces import die_with_parent, enter
from chaoslib_cp.testbed.pki import PEOPLE


def environment(name: str) -> dict[str, str]:
    """Return the environment in which ordinary tools find a testbed, once they run inside it.

    Raises:
        TestbedFailed: it is not up.
    """
    state = ready_state(name)
    return {
        "KUBECONFIG": state["kubeconfig"],
        "CHAOSLIB_CP_TESTBED": name,
        "CHAOSLIB_CP_INFRASTRUCTURE": "testbed",
        "PATH": os.pathsep.join([state["programs"], str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def contexts() -> list[str]:
    """Return the names of the kubeconfig's contexts, the current one first."""
    return list(PEOPLE)


def execute(name: str, argv: list[str]) -> int:
    """Run a command inside a testbed, in the current folder, and wait for it.

    SIGTERM and SIGHUP are passed on, Ctrl-C reaches it by the terminal, and it is killed when this process dies.

    Returns:
        Its exit status; 128 + the signal's number when a signal ended it.

    Raises:
        TestbedFailed: the testbed is not up, cannot be entered, or the command does not exist.
    """
    inherited = handed_to(Kind.GUEST, environment(name))
    folder = os.getcwd()
    _enter(name)
    with _passing_signals() as relay:
        try:
            # entering a mount namespace moves a process to its root folder
            child = subprocess.Popen(argv, cwd=folder, preexec_fn=die_with_parent, **inherited)
        except OSError as error:
            # the folder, where that is not there inside, as one below /run
            what = (
                f"{argv[0]}: cannot be run" if error.filename != folder else f"{folder}: cannot be the working folder"
            )
            raise TestbedFailed(f"{what} inside testbed {name}: {error.strerror}") from error
        relay.pass_on_to(child)
        returncode = child.wait()
    return returncode if returncode >= 0 else 128 - returncode


def _enter(name: str) -> None:
    pid = Instance(name).inside_pid()
    if pid is None:
        raise TestbedFailed(f"testbed {name} is not up; run: chaos cp up --name {name}")
    try:
        enter(pid)
    except OSError as error:
        raise TestbedFailed(f"testbed {name} cannot be entered ({error}); are you the user who started it?") from error


class _Relay:
    """Passes signals on to a child, also those that came before there was one: it may be known to run before we are."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, _frame: object) -> None:
        """Handle a signal."""
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)

    def pass_on_to(self, child: "subprocess.Popen[bytes]") -> None:
        """Send what has come so far, and whatever comes from now on."""
        self._child = child
        while self._early:
            child.send_signal(self._early.pop(0))


@contextlib.contextmanager
def _passing_signals() -> Iterator[_Relay]:
    relay = _Relay()
    previous = {number: signal.signal(number, relay) for number in (signal.SIGTERM, signal.SIGHUP)}
    # Ctrl-C reaches the child by the terminal. A handler, because a child would inherit that it is ignored.
    previous[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield relay
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def ready_state(name: str) -> dict[str, Any]:
    """Return what a testbed that can be used says of itself, see ``commands.status``.

    Raises:
        TestbedFailed: it is not up, not yet, or not any more; nothing was changed, and the message says what to do.
    """
    state = status(name)
    require_ready(state)
    return state


def require_ready(state: Mapping[str, Any]) -> None:
    """Refuse a testbed that cannot be used, as ``commands.status`` describes it.

    Raises:
        TestbedFailed: it is not up, not yet, or not any more; nothing was changed, and the message says what to do.
    """
    name, phase = state["name"], state["phase"]
    if phase == "down":
        raise TestbedFailed(f"testbed {name} is not up; run: chaos cp up --name {name}")
    if phase == "elsewhere":
        raise TestbedFailed(
            f"testbed {name} is up on a machine or in a container that shares {Instance(name).folder}; use it there"
        )
    if phase == "starting":
        raise TestbedFailed(
            f"testbed {name} is starting, not ready; wait for it, or run chaos cp up --name {name} again, "
            "which follows it"
        )
    if phase != "ready":
        raise TestbedFailed(
            f"testbed {name} is {phase}, not ready; run: chaos cp down --name {name}, then chaos cp up --name {name}"
        )
