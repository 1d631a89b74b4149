"""Presets: load profiles of real incidents and real agents, one file each, by name.

Each file tells its story with the source, what tips first, what the cluster must have for it, and the reason of every
number; ``profile`` in it is an ordinary profile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Final

from chaoslib_cp.engine.load.patterns.lookup import bites
from chaoslib_cp.engine.load.yaml_text import parse_yaml
from chaoslib_cp.errors import ProfileInvalid

PRESET: Final = "preset"
"""Key of a profile's JSON form that names the preset which the rest of it changes."""
_SUFFIX: Final = ".yaml"


@dataclass(frozen=True)
class Preset:
    """One of them.

    Attributes:
        name: what a profile calls it.
        story: what happened, or what agents of this kind do.
        source: where that is told.
        tips_first: what of a cluster gives way first.
        needs: what the cluster must have, or must suffer, for it; empty where nothing special.
        versions: on which versions of Kubernetes it bites.
        reasons: why each number of the profile is what it is, by its key.
        profile: JSON form of the profile, as ``parse_profile`` takes it.
    """

    name: str
    story: str
    source: str
    tips_first: str
    versions: str
    reasons: Mapping[str, str]
    profile: Mapping[str, Any]
    needs: str = ""

    @property
    def patterns(self) -> list[str]:
        """Names of its patterns."""
        return [one["pattern"] for one in self.profile["requests"] if "pattern" in one]

    def bites_on(self, version: str) -> bool:
        """Whether any of its patterns bites on a version of the API server, such as 1.36."""
        return any(bites(name, version).bites for name in self.patterns)


@cache
def preset_names() -> tuple[str, ...]:
    """Names of all presets, in order."""
    return tuple(sorted(one.name.removesuffix(_SUFFIX) for one in files(__name__).iterdir() if _SUFFIX in one.name))


def preset(name: object) -> Preset:
    """Return a preset by its name.

    Raises:
        ProfileInvalid: there is none of that name. Nothing was started.
    """
    if name not in preset_names():
        near = get_close_matches(str(name), preset_names(), n=2, cutoff=0.3)
        raise ProfileInvalid(
            f"there is no preset {str(name)[:60]!r}; nothing was started; use one that `chaos cp presets` lists"
            + (f", such as {' or '.join(near)}" if near else "")
        )
    text = (files(__name__) / f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return Preset(name=str(name), **parse_yaml(text))


def profile_document(given: Any) -> Any:
    """Return the JSON form of a profile that may be, or begin from, a preset.

    Args:
        given: a preset's name; or a mapping whose key ``preset`` names one, where every other key stands in place of
            the preset's; or the JSON form itself, which comes back as it is.

    Raises:
        ProfileInvalid: there is no such preset. Nothing was started.
    """
    if isinstance(given, str):
        given = {PRESET: given}
    if not isinstance(given, Mapping) or PRESET not in given:
        return given
    return {**preset(given[PRESET]).profile, **{key: value for key, value in given.items() if key != PRESET}}


def preset_of(given: Any) -> Preset | None:
    """Return the preset that a profile is, or begins from; None where it names none or an unknown one."""
    name = given.get(PRESET) if isinstance(given, Mapping) else given
    return preset(name) if isinstance(name, str) and name in preset_names() else None


KEYS: Final = frozenset(field.name for field in fields(Preset)) - {"name"}
"""Keys of a preset's file."""
