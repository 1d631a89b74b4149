"""Actions of the API server: overload it, from this machine or from pods, find out how much it bears, end that."""

from chaoslib_cp.apiserver.actions.in_cluster import start_api_overload_in_cluster, stop_api_overload_in_cluster
from chaoslib_cp.apiserver.actions.overload import start_api_overload, stop_api_overload
from chaoslib_cp.apiserver.actions.ramp import ramp_until_saturated, stop_ramp

__all__ = [
    "ramp_until_saturated",
    "start_api_overload",
    "start_api_overload_in_cluster",
    "stop_api_overload",
    "stop_api_overload_in_cluster",
    "stop_ramp",
]
