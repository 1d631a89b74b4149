"""What can be done to DNS, as kinds of fault."""

from collections.abc import Mapping
from typing import Any, Final

from chaoslib_cp import fault
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.cluster.gate.roles import NODE_CACHE_CONFIG_MAPS, object_names
from chaoslib_cp.fault import DNS_NAMESPACE, FaultKind

_EDITS_COREFILE: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "namespace": DNS_NAMESPACE,
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["coredns"],
        "verbs": ["patch"],
    },
    {"namespace": DNS_NAMESPACE, "apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]},
)

DNS_RESTART: Final = FaultKind(
    name="dns_restart",
    label="DNS restart",
    start="chaoslib_cp.dns.actions:restart_dns_pods",
    example={"coupling": "delete-pods", "wait_for_fresh_cache": False, "timeout_s": 2.0},
)

DNS_POISON: Final = FaultKind(
    name=fault.DNS_POISON,
    label="DNS poison",
    start="chaoslib_cp.dns.actions:start_dns_poison",
    stop="chaoslib_cp.dns.actions:stop_dns_poison",
    example={"name": "api.shop.svc.cluster.local", "lie": "nxdomain", "ttl_s": 10, "duration_s": 40.0},
    rights=_EDITS_COREFILE,
)

DNS_FLUSH: Final = FaultKind(
    name="dns_flush",
    label="DNS flush",
    start="chaoslib_cp.dns.actions:flush_dns_caches",
    example={"arm_within_s": 2.0},
    rights=_EDITS_COREFILE,
)

DNS_ROGUE: Final = FaultKind(
    name=fault.DNS_ROGUE,
    label="rogue DNS server",
    start="chaoslib_cp.dns.actions:start_dns_rogue",
    stop="chaoslib_cp.dns.actions:stop_dns_rogue",
    example={"name": "api.shop.svc.cluster.local", "lie": "truth", "delay_s": 1.0, "duration_s": 40.0},
    rights=(
        *DNS_POISON.rights,
        {"namespace": LIBRARY_NAMESPACE, "apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
        {
            "namespace": LIBRARY_NAMESPACE,
            "apiGroups": [""],
            "resources": ["pods"],
            "resourceNames": object_names(fault.DNS_ROGUE),
            "verbs": ["delete", "get"],
        },
    ),
)

NODE_CACHE_PIN: Final = FaultKind(
    name="node_cache_pin",
    label="node cache pin",
    start="chaoslib_cp.dns.actions:start_node_cache_pin",
    stop="chaoslib_cp.dns.actions:stop_node_cache_pin",
    example={"pin_s": 20, "timeout_s": 0.0},
    rights=(
        {
            "namespace": DNS_NAMESPACE,
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": list(NODE_CACHE_CONFIG_MAPS),
            "verbs": ["patch"],
        },
        {"namespace": DNS_NAMESPACE, "apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]},
    ),
)

ENDPOINT_REPLACEMENT: Final = FaultKind(
    name="endpoint_replacement",
    label="endpoint replacement",
    start="chaoslib_cp.dns.actions:replace_endpoints",
    example={"timeout_s": 2.0},
    rights=({"namespace": LIBRARY_NAMESPACE, "apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]},),
)

DNS_LOAD: Final = FaultKind(
    name=fault.DNS_LOAD,
    label="DNS load",
    start="chaoslib_cp.dns.actions:start_dns_load",
    stop="chaoslib_cp.dns.actions:stop_dns_load",
    standing="chaoslib_cp.cluster.agents.standing:agents_standing",
    example={"rate_per_s": 20.0, "duration_s": 20.0},
    rights=tuple(
        {
            "namespace": LIBRARY_NAMESPACE,
            "apiGroups": [group],
            "resources": [resource],
            "resourceNames": object_names(fault.DNS_LOAD),
            "verbs": ["delete", "get"],
        }
        for group, resource in (("apps", "daemonsets"), ("", "serviceaccounts"))
    ),
)
