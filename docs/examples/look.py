"""Look at a cluster from Python: the API server, DNS without a cache, and an administrator's write."""

from chaoslib_cp.access.probes import admin_write
from chaoslib_cp.apiserver.probes import api_health
from chaoslib_cp.dns.probes import workload_dns

print(api_health()["diagnosis"])
print(workload_dns(path="uncached")["ok_ratio"])
print(admin_write()["worst_latency_s"])
