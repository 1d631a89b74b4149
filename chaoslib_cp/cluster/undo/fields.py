"""Fields of an object that is not ours: what they were, what we made of them, and the patch that sets them back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

_SHOWN: Final = 60


class Absent(Enum):
    """The value of a field that is not there."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True)
class Field:
    """One field that we edit.

    Attributes:
        path: Keys from the top of the object, for example ``("spec", "replicas")``; no indexes of lists.
        before: What it was; ``ABSENT`` when it was not there.
        ours: What we make of it, as the API server stores it; ``ABSENT`` when we take it away.
    """

    path: tuple[str, ...]
    before: Any
    ours: Any

    def __str__(self) -> str:
        """The path as people write it: ``spec.replicas``."""
        return ".".join(self.path)

    def as_dict(self) -> dict[str, Any]:
        """Fit for JSON: each value in a list, which is empty where there is none."""
        return {"path": list(self.path), "before": _boxed(self.before), "ours": _boxed(self.ours)}

    def overlaps(self, other: "Field") -> bool:
        """Whether one of the two is the other, or stands within it."""
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]

    def is_before(self, found: Mapping[str, Any]) -> bool:
        """Whether it is in an object as it was before us."""
        return is_same(value_at(found, self.path), self.before)

    def is_ours(self, found: Mapping[str, Any]) -> bool:
        """Whether it is in an object as we made it."""
        return is_same(value_at(found, self.path), self.ours)

    def difference(self, found: Mapping[str, Any]) -> str:
        """What it was, what we made of it and what it is now, in a line."""
        now = value_at(found, self.path)
        return f"{self} was {shown(self.before)}, we set {shown(self.ours)}, it is {shown(now)} now"


def parse_field(data: object) -> Field | None:
    """Read a field back; None for what is none."""
    match data:
        case {"path": [str(), *_] as path, "before": list() as before, "ours": list() as ours}:
            if all(isinstance(key, str) for key in path) and len(before) <= 1 and len(ours) <= 1:
                return Field(tuple(path), _unboxed(before), _unboxed(ours))
    return None


def value_at(found: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What is at a path; ``ABSENT`` where nothing is."""
    value: Any = found
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is neither ``true`` nor 1.0."""
    if one is ABSENT or other is ABSENT:
        return one is other
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def shown(value: Any) -> str:
    """A value for people: JSON, shortened."""
    if value is ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def swap(fields: Iterable[Field], expected: Mapping[str, str], back: bool) -> list[dict[str, Any]]:
    """A JSON patch that sets fields only where the object still is as expected (source: RFC 6902, ``test``).

    Args:
        fields: The fields.
        expected: What of the metadata must be as it was read, for example ``uid`` and ``resourceVersion``.
        back: From ours to what was before; otherwise from that to ours.
    """
    tests: list[dict[str, Any]] = [
        {"op": "test", "path": f"/metadata/{key}", "value": value} for key, value in expected.items()
    ]
    changes: list[dict[str, Any]] = []
    for field in fields:
        now, then = (field.ours, field.before) if back else (field.before, field.ours)
        path = "".join(f"/{key.replace('~', '~0').replace('/', '~1')}" for key in field.path)
        if now is not ABSENT:
            tests.append({"op": "test", "path": path, "value": now})
        if then is ABSENT:
            changes.append({"op": "remove", "path": path})
        else:
            changes.append({"op": "add" if now is ABSENT else "replace", "path": path, "value": then})
    return [*tests, *changes]


def _boxed(value: Any) -> list[Any]:
    return [] if value is ABSENT else [value]


def _unboxed(values: list[Any]) -> Any:
    return values[0] if values else ABSENT
