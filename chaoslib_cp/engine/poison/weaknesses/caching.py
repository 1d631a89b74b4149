"""How long a server block keeps an answer, as its plugins ``cache`` and ``kubernetes`` say.

Source: github.com/coredns/coredns, ``plugin/cache/setup.go`` and README, ``plugin/kubernetes/README.md``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.engine.poison.addresses import fully_qualified
from chaoslib_cp.engine.poison.corefile import Directive

_KUBERNETES_TTL_S: Final = 5
_USUAL_CAP_S: Final = {"success": 3600, "denial": 1800}
_USUAL_FLOOR_S: Final = 5
_UNITS_S: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")


@dataclass(frozen=True)
class Limits:
    """Between which TTLs a cache keeps one kind of answer.

    Attributes:
        line: Where the cap is written; that of the plugin where it is the plugin's own.
        floor_s: The shortest, seconds.
        cap_s: The longest, seconds; it counts where both cannot be met.
    """

    line: int
    floor_s: int
    cap_s: int

    def kept_s(self, ttl_s: int) -> int:
        """How long an answer with this TTL is kept, seconds; clients are told the same."""
        return min(max(ttl_s, self.floor_s), self.cap_s)


def limits_of(cache: Directive, kind: str) -> Limits | None:
    """The limits of a cache for one kind of answer.

    Args:
        cache: The plugin, snippets put in.
        kind: ``success`` or ``denial``.

    Returns:
        None where a variable or an import hides them.
    """
    cap_s, floor_s, line = _USUAL_CAP_S[kind], _USUAL_FLOOR_S, cache.line
    if cache.arguments and cache.arguments[0].isdigit():
        cap_s = int(cache.arguments[0])
    for option in cache.body:
        if option.name != kind:
            continue
        numbers = option.arguments[1:3]  # the first is how many answers there is room for
        if not all(word.isdigit() for word in numbers):
            return None
        cap_s = int(numbers[0]) if numbers else cap_s
        floor_s = int(numbers[1]) if len(numbers) > 1 else floor_s
        line = option.line
    return Limits(line, floor_s, cap_s)


def is_cached(cache: Directive, kind: str, zone: str) -> bool:
    """Whether a cache keeps answers of a kind for a zone.

    Args:
        cache: The plugin, snippets put in.
        kind: ``success`` or ``denial``.
        zone: With or without the dot at its end.
    """
    zones = [word for word in cache.arguments if not word.isdigit()]
    disabled = [one.arguments[1:] for one in cache.body if one.name == "disable" and one.arguments[:1] == (kind,)]
    return (not zones or _holds(zones, zone)) and not any(not one or _holds(one, zone) for one in disabled)


def answer_ttl_s(kubernetes: Directive) -> int | None:
    """The TTL of the answers of the plugin ``kubernetes``, seconds; None where a variable hides it."""
    words = [one.arguments[0] for one in kubernetes.body if one.name == "ttl" and one.arguments]
    if not words:
        return _KUBERNETES_TTL_S
    return int(words[-1]) if words[-1].isdigit() else None


def seconds(word: str) -> float | None:
    """A duration as Go writes it, such as ``1h30m`` or ``5s``; None where it is none.

    Source: Go, ``time.ParseDuration``.
    """
    if word == "0":
        return 0.0
    parts = _PART.findall(word)
    if not parts or "".join(number + unit for number, unit in parts) != word:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _holds(zones: Sequence[str], name: str) -> bool:
    """Whether one of the zones is this name, or is above it."""
    wanted = fully_qualified(name)
    return any(one in (".", wanted) or wanted.endswith(f".{one}") for one in map(fully_qualified, zones))
