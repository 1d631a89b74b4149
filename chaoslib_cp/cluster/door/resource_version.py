"""Which version a collection has now: what a later request may ask for as an old one."""

from chaoslib_cp.cluster.door.call import DEFAULT_TIMEOUT_S, Cluster
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.errors import TargetRefused

OLD_VERSION = "{resource_version}"
"""In a query: the version of when the load began."""


def asks_for_old_version(profile: LoadProfile) -> bool:
    """Whether a request of a profile is for the version of when the load began."""
    return any(OLD_VERSION in value for request in profile.requests for value in request.query.values())


def resource_version_of(cluster: Cluster, path: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> str:
    """Ask for the resourceVersion of a collection, by a list of one object.

    It is the revision of the etcd behind it, so it is that of every collection in the same etcd.

    Args:
        cluster: As whom.
        path: Of the collection.
        timeout_s: Limit of the call.

    Raises:
        TargetRefused: This identity may not list it, or there is no such collection. Nothing was changed.
        CallFailed: The API does not answer.
    """
    listed = cluster.get(path, timeout_s, limit="1") or {}
    version = str((listed.get("metadata") or {}).get("resourceVersion") or "")
    if not version.isdecimal():
        raise TargetRefused(
            f"the API server tells no resourceVersion of {path}, which a request of the profile needs; nothing was "
            "changed; take that request out"
        )
    return version
