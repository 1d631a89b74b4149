"""Which tests on testbeds run beside others, and which wait until everything else has ended.

Where several workers share the tests (pytest-xdist), each lane goes to one worker. The lanes of ``BESIDE_OTHERS`` say
nothing about time, come first, and take about as long as each other. A storm is about time: it has the machine for
itself, but for another one of the second lane of storms.
"""

import fcntl
from pathlib import Path
from typing import Final, TextIO

BESIDE_OTHERS: Final = (
    (
        "activities",
        "command_line",
        "crash_points",
        "delivered",
        "edits",
        "failed_start",
        "kubeconfig",
        "not_delivered",
        "pods",
        "presets",
        "up_down",
    ),
    ("dns_experiments", "dns_poison", "own_cluster", "recover_from_outside", "rights", "unsync"),
)
"""Modules of tests/testbed. Those of the first lane share the testbed of the session, those of the other bring up their
own: a testbed that is up costs CPU time, whoever uses it, so the second lane must not have one of the session, too."""
OTHER_STORMS: Final = "testbed, other storms"
THE_INCIDENT: Final = "testbed, the incident"
"""As long as all others. The last one that is handed out: it has few tests, and who has few is given the next lane."""
_FOLDER: Final = "tests/testbed/"


def lane_of(nodeid: str) -> str | None:
    """The lane of a test; None for one that needs no testbed, which any worker may play."""
    if not nodeid.startswith(_FOLDER):
        return None
    for number, modules in enumerate(BESIDE_OTHERS):
        if nodeid.startswith(tuple(f"{_FOLDER}test_{module}.py" for module in modules)):
            return f"testbed, beside others {number}"
    return THE_INCIDENT if nodeid.startswith(f"{_FOLDER}test_incident.py") else OTHER_STORMS


def is_storm(nodeid: str) -> bool:
    """Whether it waits until everything else has ended."""
    return lane_of(nodeid) in (OTHER_STORMS, THE_INCIDENT)


class Turn:
    """What one worker is at, for all others to see.

    Args:
        file: The same one for all workers. The kernel lets go of it for a worker that is killed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._held: TextIO | None = None

    def take_part(self) -> None:
        """Play what may run beside others, from now until :meth:`end`."""
        if self._held is None:
            self._held = self._file.open("w")
            fcntl.flock(self._held, fcntl.LOCK_SH)

    def wait_for_all_others(self) -> None:
        """Return when nobody plays anything but storms."""
        self.end()
        with self._file.open("w") as all_of_it:
            fcntl.flock(all_of_it, fcntl.LOCK_EX)

    def end(self) -> None:
        """Let storms begin, as far as this worker goes."""
        if self._held is not None:
            self._held.close()
            self._held = None
