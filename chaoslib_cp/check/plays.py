"""What an experiment will do in a cluster, as far as the cluster must be fit for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib import substitute

from chaoslib_cp.apiserver.fault import API_OVERLOAD_IN_CLUSTER
from chaoslib_cp.cluster.agents.reads import rules_for
from chaoslib_cp.cluster.gate.roles import AGENT_ACCOUNT
from chaoslib_cp.engine.load.presets import profile_document
from chaoslib_cp.engine.load.profile import ROLLOUTS_OWN, LoadProfile, parse_profile
from chaoslib_cp.fault import FaultKind
from chaoslib_cp.faults import fault_kinds
from chaoslib_cp.rollout.fault import AGENT_ROLLOUT

_USUAL_NAMESPACE: Final = "kube-system"  # the default of start_agent_rollout


@dataclass(frozen=True)
class Plays:
    """What will be played.

    Attributes:
        experiment: The experiment; None when none was named: then all that could be played counts.
        configuration: Its configuration, resolved.
    """

    experiment: Mapping[str, Any] | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rollouts(self) -> list[dict[str, Any]]:
        """The arguments of each rollout of agents; of one with all defaults when no experiment was named."""
        return [{}] if self.experiment is None else self._arguments_of(AGENT_ROLLOUT.start)

    @property
    def agent_namespaces(self) -> list[str]:
        """Where agents will live."""
        return list(dict.fromkeys(str(one.get("namespace") or _USUAL_NAMESPACE) for one in self.rollouts))

    @property
    def agent_accounts(self) -> list[str]:
        """As whom agents will ask."""
        return list(dict.fromkeys(str(one.get("service_account") or AGENT_ACCOUNT) for one in self.rollouts))

    @property
    def faults(self) -> list[FaultKind]:
        """The kinds of fault that will be played."""
        return [kind for kind in fault_kinds() if self.experiment is None or self._arguments_of(kind.start)]

    def agent_rules(self) -> list[dict[str, Any]]:
        """What agents must be granted, as rules of a Role; nothing when no experiment was named.

        Raises:
            ProfileInvalid: A profile is none; nothing was changed.
        """
        return [rule for profile in self.profiles() for rule in rules_for(profile)]

    def profiles(self) -> list[LoadProfile]:
        """What agents of rollouts and pods of loads will be told to ask; nothing when no experiment was named.

        Raises:
            ProfileInvalid: A profile is none; nothing was changed.
        """
        plays = [*self.rollouts, *self._arguments_of(API_OVERLOAD_IN_CLUSTER.start)]
        given = [one["profile"] for one in plays if isinstance(one.get("profile"), Mapping | str)]
        profiles = [profile_document(one) for one in given]
        told = [{key: value for key, value in one.items() if key not in ROLLOUTS_OWN} for one in profiles]
        return [parse_profile(one) for one in told]

    def _arguments_of(self, start: str) -> list[dict[str, Any]]:
        """Arguments of each activity that calls a function, filled in; a mapping is never empty here."""
        found = []
        for activity in (self.experiment or {}).get("method") or []:
            provider = activity.get("provider") or {}
            if f"{provider.get('module')}:{provider.get('func')}" == start:
                given = substitute(provider.get("arguments") or {}, dict(self.configuration), None)
                found.append(dict(given or {}))
        return found
