"""Which cluster and which contexts may be used at all, by the experiment and by whoever plays it.

The environment binds every experiment, whatever its file says: a list in a profile holds for files of others, too.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import IDENTITIES, choose
from chaoslib_cp.errors import ProfileInvalid, TargetRefused

_UID_VARIABLE = "CHAOSLIB_CP_CLUSTER_UID"
_CONTEXTS_VARIABLE = "CHAOSLIB_CP_ALLOWED_CONTEXTS"
PINS = f"configuration.cluster_uid or {_UID_VARIABLE}"


def pinned_uid(settings: Mapping[str, Any]) -> str:
    """The UID of the one cluster that may be broken; empty when nobody names one.

    Raises:
        TargetRefused: Configuration and environment name two; nothing was changed.
    """
    configured, required = str(settings.get("cluster_uid") or ""), os.environ.get(_UID_VARIABLE, "")
    if configured and required and configured != required:
        raise TargetRefused(
            f"configuration.cluster_uid says {configured}, {_UID_VARIABLE} says {required}; nothing was changed; name "
            "one cluster"
        )
    return configured or required


def refuse_contexts(cluster: Cluster, settings: Mapping[str, Any]) -> None:
    """Every context that this run could use must be on each list that there is; healing later is not bound by them.

    Args:
        cluster: As the runner.
        settings: The experiment's configuration.

    Raises:
        TargetRefused: One is not; nothing was changed.
        ProfileInvalid: A list holds no names; nothing was changed.
    """
    used = {cluster.context: "runner"}
    for identity in IDENTITIES[1:]:
        with suppress(TargetRefused):  # no context for it, so nobody can use it
            used.setdefault(choose(settings, None, identity).context, identity)
    for source, allowed in _lists(settings):
        for context, identity in used.items():
            if context not in allowed:
                raise TargetRefused(
                    f"context {context!r}, used as {identity}, is not in {source} ({', '.join(allowed)}); nothing was "
                    "changed; name another, or put it on the list"
                )


def _lists(settings: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    """Each list that somebody keeps, and where it stands."""
    for source, given in (
        ("configuration.allowed_contexts", settings.get("allowed_contexts")),
        (_CONTEXTS_VARIABLE, os.environ.get(_CONTEXTS_VARIABLE)),
    ):
        if given is not None and given != "":  # what an experiment says when its own variable is not set
            yield source, _names(source, given)


def _names(source: str, given: Any) -> Sequence[str]:
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    if not names or not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise ProfileInvalid(
            f"{source} is {given!r}; nothing was changed; use names of contexts, in a list or with commas between "
            "them, or leave it out to allow every context"
        )
    return names
