"""Names of Services that exist, as a load of lookups asks for them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.engine.load.lookup_profile import MAX_NAMES
from chaoslib_cp.errors import ProfileInvalid

_CALL_S: Final = 5.0
_ELSEWHERE: Final = "ExternalName"  # an alias of a name that may be anybody's


def service_names(cluster: Cluster) -> tuple[str, ...]:
    """Names of the cluster's Services without its domain (``api.shop.svc``), sorted, 200 at most.

    Those of type ExternalName are left out: they lead to resolvers outside of the cluster.

    Raises:
        TargetRefused: The runner may not list Services.
        CallFailed: The API does not answer.
    """
    return tuple(sorted(_name_of(one) for one in _services(cluster) if not _is_alias(one)))[:MAX_NAMES]


def refuse_aliases(cluster: Cluster, names: Sequence[str]) -> None:
    """Refuse names of Services that are aliases of names elsewhere, or below one.

    Raises:
        ProfileInvalid: One is; nothing was changed.
        TargetRefused: The runner may not list Services.
        CallFailed: The API does not answer.
    """
    aliases = {_name_of(one) for one in _services(cluster) if _is_alias(one)}
    for name in names:
        found = next((alias for alias in aliases if name == alias or name.endswith(f".{alias}")), "")
        if found:
            raise ProfileInvalid(
                f"names holds {name}: the Service is of type {_ELSEWHERE} and leads to a resolver outside of the "
                "cluster; nothing was changed; leave it out"
            )


def _services(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    yield from (cluster.get("/api/v1/services", timeout_s=_CALL_S) or {}).get("items") or []


def _is_alias(service: Mapping[str, Any]) -> bool:
    return (service.get("spec") or {}).get("type") == _ELSEWHERE


def _name_of(service: Mapping[str, Any]) -> str:
    metadata = service["metadata"]
    return f"{metadata['name']}.{metadata.get('namespace') or 'default'}.svc"
