"""Where a run keeps its files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaoslib_cp.control.extension import own_blocks
from chaoslib_cp.errors import TargetRefused

_NAME_CHARACTERS = 37  # with time and random part in front, a run id fits a label value of 63 characters


def run_name(experiment: Mapping[str, Any]) -> str:
    """Name a run after its experiment: ``run_name`` of our extension block, else the title in short."""
    for block in own_blocks(experiment):
        name = _slug(str(block.get("run_name") or ""))
        if name:
            return name
    return _slug(str(experiment.get("title", ""))) or "experiment"


def make_run_dir(root: Path, name: str, started_at: str) -> Path:
    """Make ``root/<time>-<name>``, a new folder even when two runs start in one second.

    Args:
        root: Usually ``runs`` in the working directory.
        name: From ``run_name``.
        started_at: UTC time and something random, as ``20241211T151200Z-0f1e2d``.

    Raises:
        TargetRefused: The folder cannot be made; nothing was changed.
    """
    for suffix in ("", *(f"-{number}" for number in range(2, 10))):
        folder = root / f"{started_at}-{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise TargetRefused(
                f"cannot make {folder}: {error.strerror}; nothing was changed; free the path, or start it in a folder "
                "that you may write to"
            ) from error
        return folder.absolute()
    raise TargetRefused(f"nine runs of {name} started in one second below {root}; nothing was changed; try again")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_NAME_CHARACTERS].strip("-")
