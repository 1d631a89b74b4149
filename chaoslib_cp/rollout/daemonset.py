"""The objects of a telemetry agent's rollout: identity, rights, profile, and one pod on every node."""

import dataclasses
from typing import Any

from chaoslib_cp.cluster.agents.pods import AgentPods
from chaoslib_cp.cluster.agents.reads import reading_account
from chaoslib_cp.engine.load.profile import LoadProfile

AGENT_ROLE = "telemetry-agent"
_RESOURCES = {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}}


@dataclasses.dataclass(frozen=True)
class AgentRollout:
    """What is rolled out where.

    Attributes:
        profile: What each agent asks for, with its absolute deadline set.
        service_account: Name of the ServiceAccount made for the agents.
        pods: The agents. Their namespace decides the priority level and flow they share: in kube-system they queue in
            front of CoreDNS and the controllers.
    """

    profile: LoadProfile
    service_account: str
    pods: AgentPods

    def manifests(self) -> list[dict[str, Any]]:
        """All objects in the order they are made; the one that starts the load comes last."""
        return [
            *reading_account(self.pods, self.service_account, self.profile),
            self.pods.config_map(self.profile.as_dict()),
            self.pods.daemonset("load", self._pod_spec(), _RESOURCES),
        ]

    def _pod_spec(self) -> dict[str, Any]:
        return {
            "serviceAccountName": self.service_account,
            "tolerations": [{"operator": "Exists"}],
            "dnsPolicy": "Default",  # the agent finds the API by its Service address: it is no victim of DNS itself
        }
