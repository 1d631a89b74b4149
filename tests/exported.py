"""Every exported activity with arguments that play it in seconds: tests that must hold for all of them start here.

An activity that is added later fails tests/unit/test_exported.py until it has arguments, and is covered from then on.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import chaoslib_cp
from tests.scaffold.profiles import OVERLOAD, PROFILE

# In the order in which a run would play them.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "start_agent_rollout": {"profile": PROFILE, "duration_s": 20.0},
    "rollout_progress": {"timeout_s": 2.0},
    "start_api_overload": {"profile": OVERLOAD, "nodes": 3, "duration_s": 20.0},
    "start_api_overload_in_cluster": {
        "profile": OVERLOAD,
        "pods": 2,
        "nodes_per_pod": 2,
        "duration_s": 20.0,
        "begin_in_s": 0.0,
    },
    "ramp_until_saturated": {"profile": OVERLOAD, "dwell_s": 2.0, "hold_s": 2.0, "stop_at_restart": False},
    "ramp_progress": {"timeout_s": 0.5},
    "api_health": {},
    "api_comes_back": {},
    "api_is_saturated": {"timeout_s": 1.0},
    "what_is_saturated": {"window_s": 1.0},
    "start_dns_poison": {"name": "api.shop.svc.cluster.local", "duration_s": 10.0, "arm_within_s": 4.0},
    "stop_dns_poison": {"timeout_s": 10.0},
    "start_dns_rogue": {"name": "api.shop.svc.cluster.local", "duration_s": 10.0, "arm_within_s": 4.0},
    "stop_dns_rogue": {"timeout_s": 10.0},
    "flush_dns_caches": {"arm_within_s": 4.0},
    "restart_dns_pods": {"coupling": "delete-pods", "wait_for_fresh_cache": False, "timeout_s": 2.0},
    "replace_endpoints": {"timeout_s": 2.0},
    "start_dns_load": {"rate_per_s": 5.0, "duration_s": 10.0},
    "stop_dns_load": {"timeout_s": 10.0},
    "start_node_cache_pin": {"pin_s": 20, "timeout_s": 0.0},
    "workload_dns": {},
    "dns_truth_is_back": {},
    "dns_configuration_risks": {},
    "dns_servers_stay_up": {"timeout_s": 3.0},
    "admin_write": {},
    "break_glass_write": {},
    "remove_agent": {"timeout_s": 5.0, "attempt_deadline_s": 2.0},
    "wait_until_recovered": {"timeout_s": 1.0, "good_in_a_row": 1},
    "stop_agent_rollout": {"timeout_s": 10.0},
    "stop_api_overload": {"timeout_s": 10.0},
    "stop_api_overload_in_cluster": {"timeout_s": 10.0},
    "stop_ramp": {"timeout_s": 10.0},
    "stop_node_cache_pin": {"timeout_s": 10.0},
}


@dataclass(frozen=True)
class Exported:
    """One activity as `chaos discover` lists it.

    Attributes:
        kind: action or probe.
        module: Where it is.
        name: Its function.
    """

    kind: str
    module: str
    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def activity(self) -> dict[str, Any]:
        """It as part of an experiment."""
        provider = {"type": "python", "module": self.module, "func": self.name, "arguments": ARGUMENTS[self.name]}
        return {"type": self.kind, "name": self.name, "provider": provider}

    def play(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Call it as Chaos Toolkit does and return its result."""
        function = getattr(importlib.import_module(self.module), self.name)
        return dict(function(**ARGUMENTS[self.name], configuration=configuration, secrets=None))


def exported(*kinds: str) -> list[Exported]:
    """List the activities of these kinds, all by default, in the order in which a run would play them."""
    listed = [Exported(one["type"], one["mod"], one["name"]) for one in chaoslib_cp.discover()["activities"]]
    order = list(ARGUMENTS)
    return sorted(
        (one for one in listed if one.kind in (kinds or ("action", "probe"))),
        key=lambda one: order.index(one.name) if one.name in order else len(order),
    )
