"""A program of somebody's own as an infrastructure driver: it keeps one setting in a file.

driver = SettingDriver(tmp_path)
driver.infrastructure     # for configuration.infrastructure
driver.value = 0.4
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS

PROGRAM = """#!{python}
import fcntl, json, os, sys
from pathlib import Path
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
file = Path({file!r})
trouble = Path({trouble!r})
if sys.argv[1] in {acts!r}:
    print(json.dumps({{{acts!r}[sys.argv[1]]: ["a"]}})); sys.exit()
if given["--cluster-uid"] != {uid!r}:
    sys.exit("another cluster is meant")
with open(str(file) + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    before = json.loads(file.read_text())
    fails = trouble.read_text().split() if trouble.exists() else []
    if sys.argv[1] in fails:
        sys.exit("no machine answers")
    if sys.argv[1] == "set-setting" and str(before) == given["--expected"]:
        value = given["--value"]
        half = file.with_suffix(".half")
        half.write_text(json.dumps(float(value) if value[0].isdigit() else value))
        os.replace(half, file)
    if sys.argv[1] + "-answer" in fails:
        sys.exit("the answer is lost")
    print(json.dumps({{"value": json.loads(file.read_text())}}))
"""


@dataclass
class SettingDriver:
    """The program, and what it keeps.

    Attributes:
        folder: Where it is put.
        uid: UID of the cluster that it belongs to.
    """

    folder: Path
    uid: str

    def __post_init__(self) -> None:
        """Write the program."""
        self.path = self.folder / "driver"
        self._file, self._trouble = self.folder / "setting", self.folder / "trouble"
        text = PROGRAM.format(
            python=sys.executable,
            file=str(self._file),
            trouble=str(self._trouble),
            uid=self.uid,
            acts={act.name: act.answer for act in CONTAINER_ACTS.values()},
        )
        self.path.write_text(text)
        self.path.chmod(0o755)
        self.value = 0.4

    @property
    def infrastructure(self) -> str:
        """What an experiment's configuration says of it."""
        return f"command:{self.path}"

    @property
    def value(self) -> float | str:
        """What the setting is."""
        kept: float | str = json.loads(self._file.read_text())
        return kept

    @value.setter
    def value(self, value: float | str) -> None:
        self._file.write_text(json.dumps(value))

    def fail(self, *calls: str) -> None:
        """Let these calls fail: ``read-setting``, ``set-setting``, or ``set-setting-answer`` once it was done."""
        self._trouble.write_text(" ".join(calls))
