"""A load profile in a file: JSON, or YAML where the name says so."""

import json
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.engine.load.presets import profile_document
from chaoslib_cp.engine.load.profile import LoadProfile, parse_profile
from chaoslib_cp.engine.load.yaml_text import parse_yaml
from chaoslib_cp.errors import ProfileInvalid

_YAML: Final = (".yaml", ".yml")
_MOST_BYTES: Final = 1024 * 1024
"""Of a file; a profile is a few kB, and a ConfigMap holds 1 MiB (source: Kubernetes documentation, ConfigMaps)."""


def read_profile(path: Path) -> LoadProfile:
    """Read a profile from a file, as :func:`read_document` does, and check it.

    Raises:
        ProfileInvalid: the file cannot be read, or a key in it is wrong. Nothing was sent.
    """
    return parse_profile(read_document(path))


def read_document(path: Path) -> Any:
    """Read what a profile's file says, for whoever changes some of it before it is checked.

    Args:
        path: a name that ends in .yaml or .yml is read as YAML, every other as JSON. It may begin from a preset, as
            :func:`~chaoslib_cp.engine.load.presets.profile_document` tells.

    Returns:
        The JSON form of a profile, as ``parse_profile`` takes it.

    Raises:
        ProfileInvalid: the file cannot be read, is none of both, or names a preset that cannot be had. Nothing was
            sent.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1).decode()
    except (OSError, ValueError) as error:
        raise ProfileInvalid(f"load profile {path}: {error}; nothing was sent; name a file that can be read") from error
    if len(text) > _MOST_BYTES:
        raise ProfileInvalid(f"load profile {path}: is over 1 MiB; nothing was sent; name the file of a profile")
    return profile_document(_document(path, text))


def _document(path: Path, text: str) -> Any:
    try:
        return parse_yaml(text) if path.suffix.lower() in _YAML else json.loads(text)
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())[:120]
        raise ProfileInvalid(f"load profile {path}: {words}; nothing was sent; correct the file") from error
