"""What an overload is asked for, wherever it is played: the profile of each virtual node, and what all offer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from chaoslib_cp.engine.load.presets import profile_document
from chaoslib_cp.engine.load.profile import ROLLOUTS_OWN, LoadProfile, parse_profile
from chaoslib_cp.errors import ProfileInvalid

MAX_NODES: Final = 5000
"""The largest cluster that Kubernetes promises to work with (source: Kubernetes documentation, large clusters)."""
MAX_RATE_PER_S: Final = 5000.0
"""What one process keeps on time (``python -m tests.bench pacing``); more would be offered late."""


def wanted_profile(
    profile: Mapping[str, Any] | str, duration_s: float, overridden: Mapping[str, Any] = MappingProxyType({})
) -> LoadProfile:
    """What each virtual node is told to ask.

    Args:
        profile: As the user gave it.
        duration_s: How long each of them asks.
        overridden: Keys that are not the user's here.

    Raises:
        ProfileInvalid: It is no profile, or has keys that are not the user's; nothing was sent.
    """
    document = profile_document(profile)
    if not isinstance(document, Mapping):
        raise ProfileInvalid("load profile must be a JSON object, or a preset's name; nothing was sent; correct it")
    for own in ROLLOUTS_OWN:
        if own in document:
            raise ProfileInvalid(f"load profile: {own} is no key of a file; nothing was changed; take it out")
    return parse_profile({**document, **overridden, "duration_s": duration_s})


def offered_rate_per_s(profile: LoadProfile, nodes: int) -> float:
    """Requests a second that so many virtual nodes offer together."""
    return nodes * sum(1 / request.period_s for request in profile.requests)
