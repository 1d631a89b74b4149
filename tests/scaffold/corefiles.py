"""Corefiles as distributions and administrators write them, restated by us."""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "unit/engine/poison/corefiles"
NAMES = sorted(path.stem for path in FOLDER.glob("*.Corefile"))
PORTS = {"openshift": 5353, "schemes": 1053}
"""Where the cluster's domain is asked for on another port than 53."""


def corefile(name: str) -> str:
    """The text of one, with the line ends that it has."""
    return (FOLDER / f"{name}.Corefile").read_bytes().decode()
