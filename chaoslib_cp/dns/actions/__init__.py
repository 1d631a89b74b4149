"""Actions on the DNS servers and on the caches in front of them, a file for each way to make them suffer."""

from chaoslib_cp.dns.actions.caches import flush_dns_caches, start_node_cache_pin, stop_node_cache_pin
from chaoslib_cp.dns.actions.load import start_dns_load, stop_dns_load
from chaoslib_cp.dns.actions.poison import start_dns_poison, stop_dns_poison
from chaoslib_cp.dns.actions.restart import replace_endpoints, restart_dns_pods
from chaoslib_cp.dns.actions.rogue import start_dns_rogue, stop_dns_rogue

__all__ = [
    "flush_dns_caches",
    "replace_endpoints",
    "restart_dns_pods",
    "start_dns_load",
    "start_dns_poison",
    "start_dns_rogue",
    "start_node_cache_pin",
    "stop_dns_load",
    "stop_dns_poison",
    "stop_dns_rogue",
    "stop_node_cache_pin",
]
