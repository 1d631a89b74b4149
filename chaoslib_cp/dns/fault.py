"""A restart of the DNS servers as a kind of fault."""

from typing import Final

from chaoslib_cp.fault import FaultKind

DNS_RESTART: Final = FaultKind(
    name="dns_restart",
    label="DNS restart",
    start="chaoslib_cp.dns.actions:restart_dns_pods",
    example={"coupling": "delete-pods", "wait_for_fresh_cache": False, "timeout_s": 2.0},
)
