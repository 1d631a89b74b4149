"""Whether what agents will ask costs this API server anything: its version, and whether it has the resources."""

import logging
import re
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster
from chaoslib_cp.engine.load.patterns.lookup import bites
from chaoslib_cp.engine.load.presets import Preset
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import TargetRefused

_LOGGER = logging.getLogger("chaostoolkit")
_CUSTOM: Final = re.compile(r"/apis/(?P<version>[^/]+\.[^/]+/[^/]+)/(?:namespaces/[^/]+/)?(?P<resource>[^/]+)(?:/.*)?")


@dataclass(frozen=True)
class Harmless:
    """A pattern of a profile that does not bite on a version.

    Attributes:
        pattern: Its name.
        why: That it does not, on which version and why, as a half sentence.
        instead: What to use.
    """

    pattern: str
    why: str
    instead: str

    def __str__(self) -> str:
        return f"pattern {self.pattern} {self.why}; use {self.instead}"


def harmless_in(cluster: Cluster, profile: LoadProfile, timeout_s: float = DEFAULT_TIMEOUT_S) -> list[Harmless]:
    """Ask an API server for its version and return the patterns of a profile that do not bite on it.

    Args:
        cluster: As whom; nothing is asked where the profile names no pattern.
        profile: What agents will ask.
        timeout_s: Limit of the one call.

    Raises:
        ProfileInvalid: The server says no version of Kubernetes.
        TargetRefused: This identity may not ask.
        CallFailed: The API does not answer.
    """
    names = list(dict.fromkeys(one.pattern for one in profile.requests if one.pattern))
    if not names:
        return []
    version = str((cluster.get("/version", timeout_s) or {}).get("gitVersion") or "unknown")
    found = ((name, bites(name, version)) for name in names)
    return [
        Harmless(name, f"does not bite on {version}: {bite.why}", bite.instead)
        for name, bite in found
        if not bite.bites
    ]


def does_nothing(profile: LoadProfile, harmless: list[Harmless]) -> bool:
    """Whether no request of a profile bites. One that names no pattern counts as one that does."""
    return {one.pattern for one in profile.requests} <= {one.pattern for one in harmless}


def refuse_what_does_not_bite(cluster: Cluster, profile: LoadProfile, named: Preset | None) -> None:
    """Refuse a profile that would do nothing here, and say in one log line each what in it does not bite.

    Whoever wants to see that a version withstands a pattern writes its path and query out.

    Args:
        cluster: As the runner.
        profile: What agents will ask.
        named: The preset that it begins from, whose needs are said; None for none.

    Raises:
        TargetRefused: Nothing of it bites on this version. Nothing was changed.
        ProfileInvalid: The server says no version of Kubernetes. Nothing was changed.
        TargetUnreachable: The API does not answer.
    """
    harmless = harmless_in(cluster, profile)
    if does_nothing(profile, harmless):
        raise TargetRefused(f"{harmless[0]}; nothing was changed")
    for one in harmless:
        _LOGGER.warning("Load profile %s: %s", profile.name, one)
    if named is not None:
        _LOGGER.info("Preset %s needs: %s", named.name, named.needs)


def refuse_unknown_resources(cluster: Cluster, profile: LoadProfile) -> None:
    """Refuse a profile that asks for a custom resource which is not there: the answer is 404, which costs nothing.

    Built-in resources are always there, and nothing is asked for them.

    Raises:
        TargetRefused: There is none, or this identity may not ask. Nothing was changed.
        TargetUnreachable: The API does not answer.
    """
    for path in dict.fromkeys(request.path for request in profile.requests):
        _refuse_unknown_resource(cluster, path)


def _refuse_unknown_resource(cluster: Cluster, path: str) -> None:
    found = _CUSTOM.fullmatch(path)
    if found is None or found["version"].partition("/")[0].endswith(".k8s.io"):
        return
    listed = (cluster.get(f"/apis/{found['version']}") or {}).get("resources") or []
    if found["resource"] not in {one.get("name") for one in listed}:
        raise TargetRefused(
            f"the cluster has no {found['resource']} in {found['version']}, which the profile asks for; nothing was "
            "changed; install it, or take the request out"
        )
