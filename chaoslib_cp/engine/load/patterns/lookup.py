"""Finding a pattern by its name, and telling whether it bites on a version of Kubernetes. Pure."""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from chaoslib_cp.engine.load.fields import check
from chaoslib_cp.engine.load.patterns.pattern import COLLECTIONS, HARMLESS, Cost, Pattern
from chaoslib_cp.engine.load.patterns.table import PATTERNS
from chaoslib_cp.errors import ProfileInvalid

# "1.36", "v1.36.4", "v1.33.5-gke.1080000", "1.34+"
_VERSION = re.compile(r"v?1\.(?P<minor>[0-9]{1,3})(?:[^0-9].*)?")
_SHOWN = 60


@dataclass(frozen=True)
class Bite:
    """Whether a pattern costs an API server anything.

    Attributes:
        bites: it does.
        cost: one word of ``Cost``.
        why: what the server does.
        instead: what to use where it does not bite; empty otherwise.
    """

    bites: bool
    cost: Cost
    why: str
    instead: str = ""


def find_pattern(name: object) -> Pattern | None:
    """Return a pattern by its name, that of another collection than pods included; None when there is none."""
    if not isinstance(name, str):
        return None
    if name in PATTERNS:
        return PATTERNS[name]
    for word, path in COLLECTIONS.items():
        row = PATTERNS.get(re.sub(rf"-{word}(?=-|$)", "-pods", name, count=1))
        if row is not None and row.of_any:
            return replace(row, name=name, sets={**row.sets, "path": path})
    return None


def bites(name: str, version: str) -> Bite:
    """Tell whether a pattern bites on a version of the API server.

    Args:
        name: of the pattern.
        version: as ``/version`` says it (``v1.36.4``), or just ``1.36``. One that is newer than the table counts as
            the newest that it knows.

    Raises:
        ProfileInvalid: there is no such pattern, or that is no version.
    """
    row, found = find_pattern(name), _VERSION.fullmatch(version)
    if row is None:
        raise ProfileInvalid(f"there is no pattern {name[:_SHOWN]!r}; nothing was started; {_nearest(name)}")
    if found is None:
        raise ProfileInvalid(f"{version[:_SHOWN]!r} is no version of Kubernetes such as 1.36; nothing was started")
    era = row.era(int(found["minor"]))
    does = era.cost not in HARMLESS
    return Bite(does, era.cost, era.why, "" if does else row.instead)


def as_request(document: dict[str, Any]) -> dict[str, Any]:
    """Put what a pattern stands for in its place.

    Args:
        document: a request of a profile that names a ``pattern``.

    Returns:
        The same with the keys that the pattern sets. A watch is read for its period where nobody says how long.

    Raises:
        ProfileInvalid: there is no such pattern, a key that it sets is given beside it, or one that it needs is
            missing. The message names the key.
    """
    name = document["pattern"]
    row = find_pattern(name)
    if row is None:
        raise ProfileInvalid(
            f"load profile: pattern {str(name)[:_SHOWN]!r} is not known; nothing was started; {_nearest(str(name))}"
        )
    for key in row.sets:
        check(key not in document, key, f"is what pattern {name!r} sets; leave it out, or name no pattern")
    for key in row.needs:
        check(key in document, key, f"is missing: pattern {name!r} needs it")
    made = {**document, **row.sets}
    if row.sets["query"].get("watch"):
        made.setdefault("watch_s", made.get("period_s", 10.0))
    return made


def _nearest(name: str) -> str:
    near = get_close_matches(name, PATTERNS, n=3, cutoff=0.3)
    return f"the nearest are {', '.join(near)}" if near else f"known are {', '.join(list(PATTERNS)[:3])} and others"
