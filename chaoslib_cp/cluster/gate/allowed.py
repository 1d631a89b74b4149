"""Which cluster and which contexts may be used at all, by the experiment and by whoever plays it.

The environment binds every experiment, whatever its file says: a list in a profile holds for files of others, too.
"""

from collections.abc import Sequence
from contextlib import suppress

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.settings import CLUSTER_UID_VARIABLE, IDENTITIES, Settings, Told

PINS = f"configuration.cluster_uid or {CLUSTER_UID_VARIABLE}"


def pinned_uid(settings: Settings) -> str:
    """The UID of the one cluster that may be broken; empty when nobody names one.

    Raises:
        TargetRefused: Configuration and environment name two; nothing was changed.
    """
    named = {str(told.value) for told in settings.cluster_uids}
    if len(named) > 1:
        said = ", ".join(f"{told.source} says {told.value}" for told in settings.cluster_uids)
        raise TargetRefused(f"{said}; nothing was changed; name one cluster")
    return next(iter(named), "")


def refuse_contexts(cluster: Cluster, settings: Settings) -> None:
    """Every context that this run could use must be on each list that there is; healing later is not bound by them.

    Args:
        cluster: As the runner.
        settings: What the run was told.

    Raises:
        TargetRefused: One is not; nothing was changed.
        ProfileInvalid: A list holds no names; nothing was changed.
    """
    used = {cluster.context: "runner"}
    for identity in IDENTITIES[1:]:
        with suppress(TargetRefused):  # no context for it, so nobody can use it
            used.setdefault(choose(settings, identity).context, identity)
    for context, identity in used.items():
        refuse_context(context, identity, settings)


def refuse_context(context: str, identity: str, settings: Settings) -> None:
    """One context must be on each list that there is.

    Args:
        context: Its name.
        identity: What it is used as, for the error.
        settings: What the run was told.

    Raises:
        TargetRefused: It is not; nothing was changed.
        ProfileInvalid: A list holds no names; nothing was changed.
    """
    for told in settings.allowed_contexts:
        allowed = _names(told)
        if context not in allowed:
            raise TargetRefused(
                f"context {context!r}, used as {identity}, is not in {told.source} ({', '.join(allowed)}); "
                "nothing was changed; name another, or put it on the list"
            )


def _names(told: Told) -> Sequence[str]:
    given = told.value
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    if not names or not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise ProfileInvalid(
            f"{told.source} is {given!r}; nothing was changed; use names of contexts, in a list or with commas between "
            "them, or leave it out to allow every context"
        )
    return names
