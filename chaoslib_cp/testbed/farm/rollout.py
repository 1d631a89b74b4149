"""One rollout as the farm plays it: its pods on fake nodes, their agents, and the one account of all of them."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from chaoslib_cp.agent.tell import Teller
from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.account import AGENTS_WANTED, Account, account_of
from chaoslib_cp.engine.load.channel import Connect, Credentials
from chaoslib_cp.engine.load.profile import LoadProfile
from chaoslib_cp.engine.load.runner import LoadRunner
from chaoslib_cp.engine.load.totals import Totals
from chaoslib_cp.testbed.farm.kubelet import TelemetryPod


class FarmRollout:
    """The agents of one profile: one rollout, one profile, one runner.

    Args:
        profile: what each of its agents does.
        source: the name under which its account is told.
        host: the Host header.
        connect: opens connections for the agents.
        clock: for deadlines.

    Attributes:
        too_late: agents that were not started because the deadline had passed.
        begun: pods whose container was started, which is never done again (marker file).
        trouble: the last line about an account that nobody took.
    """

    def __init__(self, profile: LoadProfile, source: str, host: str, connect: Connect, clock: Clock) -> None:
        self.runner = LoadRunner(profile, host, connect, clock, asyncio.get_running_loop())
        self.begun: set[str] = set()
        self.too_late = 0
        self.trouble = ""
        self._fault = profile.fault
        self._source = source
        self._wanted: set[str] = set()
        self._teller = Teller(profile.report_to, self._note_trouble)
        self._told: Account | None = None

    @property
    def began(self) -> int:
        """How many agents began."""
        return len(self.begun) - self.too_late

    def start(self, pod: TelemetryPod, token: str) -> None:
        """Start the agent of a pod that has all it needs."""
        self.begun.add(pod.uid)
        place = {"node": pod.node, "namespace": pod.namespace, "pod": pod.name}
        if not self.runner.add_agent(pod.uid, Credentials(token=token), place):
            self.too_late += 1

    def account(self, pods: Iterable[TelemetryPod], reasons: Iterable[str]) -> Account:
        """Return the account of all agents so far.

        Args:
            pods: its pods on fake nodes; those that are gone still count as wanted.
            reasons: for each agent that has not begun, why, as one word.
        """
        self._wanted.update(pod.uid for pod in pods)
        told = account_of(self._fault, self._source, self.runner.totals(), self.began, self.runner.running)
        counts = {AGENTS_WANTED: len(self._wanted | self.begun), **told.counts}
        most_frequent = Counter(reasons).most_common(1)
        return Account(told.fault, told.source, counts, most_frequent[0][0] if most_frequent else "")

    async def tell(self, account: Account) -> None:
        """Tell the account to the prober, except when it was told already and no agent runs or waits."""
        if self.runner.running or account.never_began or account != self._told:
            self._told = account
            await self._teller.tell(account)

    def _note_trouble(self, line: str) -> None:
        self.trouble = line


def totals_of(rollouts: Iterable[FarmRollout]) -> Totals:
    """Return the counts of all of them together."""
    merged = Totals()
    for rollout in rollouts:
        merged.merge(rollout.runner.totals())
    return merged
