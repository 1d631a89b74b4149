"""Whether what agents will ask costs this API server anything: its version, and whether it has the resources."""

import logging
import re
from typing import Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.engine.load.patterns.lookup import Bite, bites
from chaoslib_cp.engine.load.presets import Preset
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import TargetRefused

_LOGGER = logging.getLogger("chaostoolkit")
_CUSTOM: Final = re.compile(r"/apis/(?P<version>[^/]+\.[^/]+/[^/]+)/(?:namespaces/[^/]+/)?(?P<resource>[^/]+)(?:/.*)?")


def refuse_what_does_not_bite(cluster: Cluster, profile: LoadProfile, named: Preset | None) -> None:
    """Refuse a profile that would do nothing here, and say in one log line each what in it does not bite.

    Without patterns and custom resources nothing is asked. A request that names no pattern counts as one that bites:
    whoever wants to see that a version withstands a pattern writes its path and query out.

    Args:
        cluster: As the runner.
        profile: What agents will ask.
        named: The preset that it begins from, whose needs are said; None for none.

    Raises:
        TargetRefused: Nothing of it bites on this version, or the cluster has no such custom resource. Nothing was
            changed.
        TargetUnreachable: The API does not answer.
    """
    for request in profile.requests:
        _refuse_unknown_resource(cluster, request.path)
    patterns = list(dict.fromkeys(one.pattern for one in profile.requests if one.pattern))
    if patterns:
        version = str((cluster.get("/version") or {}).get("gitVersion") or "unknown")
        found = {name: bites(name, version) for name in patterns}
        if not any(one.bites for one in found.values()) and all(one.pattern for one in profile.requests):
            name, bite = next(iter(found.items()))
            raise TargetRefused(f"{_says(name, bite, version)}; nothing was changed")
        for name, bite in found.items():
            if not bite.bites:
                _LOGGER.warning("Load profile %s: %s", profile.name, _says(name, bite, version))
    if named is not None:
        _LOGGER.info("Preset %s needs: %s", named.name, named.needs)


def _says(name: str, bite: Bite, version: str) -> str:
    return f"pattern {name} does not bite on {version}: {bite.why}; use {bite.instead}"


def _refuse_unknown_resource(cluster: Cluster, path: str) -> None:
    """Built-in resources are always there; a custom one that is not would be answered 404, which costs nothing."""
    found = _CUSTOM.fullmatch(path)
    if found is None or found["version"].partition("/")[0].endswith(".k8s.io"):
        return
    listed = (cluster.get(f"/apis/{found['version']}") or {}).get("resources") or []
    if found["resource"] not in {one.get("name") for one in listed}:
        raise TargetRefused(
            f"the cluster has no {found['resource']} in {found['version']}, which the profile asks for; nothing was "
            "changed; install it, or take the request out"
        )
