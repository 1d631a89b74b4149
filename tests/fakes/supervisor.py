"""A machine on which every testbed comes up at once, because the programs that make one only pretend.

What runs is a shell script with the command line of a supervisor: it writes the state file as told, then waits or ends.
"""

from pathlib import Path

import pytest

from chaoslib_cp.testbed.programs.pins import PINNED

READY = """echo '{"phase": "ready", "steps": []}' > "$folder/state.new"
mv "$folder/state.new" "$folder/state.json"
while :; do sleep 0.1; done"""
_UNSHARE = """#!/bin/sh
case "$*" in *chaoslib_cp.testbed.supervisor*) ;; *) exit 0 ;; esac
for folder; do :; done
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, life: str = READY) -> None:
    """Put the programs into ``folder`` and name it in PATH and CHAOSLIB_CP_BIN; state is kept there, too.

    Args:
        folder: empty or not there.
        monkeypatch: takes the environment back.
        life: what the supervisor does, as shell commands; ``$folder`` is the testbed's.
    """
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in ("ip", "nft", "bwrap", *PINNED.programs):
        _write(programs / name, "#!/bin/sh\n")
    _write(programs / "unshare", _UNSHARE + life)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(programs))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
