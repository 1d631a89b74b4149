"""Tells the workload prober the account of agents: a small request now and then, which the load never waits for.

It goes to the address of the prober's page, so it needs neither cluster DNS nor the API while both are down.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from chaoslib_cp.engine.load.account import Account
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget
from chaoslib_cp.vantage import AGENT_LOAD

PERIOD_S: Final = AGENT_LOAD.period_s
DEADLINE_S: Final = AGENT_LOAD.deadline_s


class Teller:
    """Tells accounts to the pages of the prober.

    Args:
        pages: Addresses of its page as ``ip:port``, each of which is told; none tells nobody.
        on_trouble: Called with one line when nobody took an account, once until one was taken again.
    """

    def __init__(self, pages: Sequence[str], on_trouble: Callable[[str], None]) -> None:
        self._targets = [_target(page) for page in pages]
        self._on_trouble = on_trouble
        self._is_in_trouble = False

    async def keep_telling(self, account: Callable[[], Account]) -> None:
        """Tell what ``account`` returns, at once and then every 2 s, until cancelled."""
        while self._targets:
            await asyncio.gather(self.tell(account()), asyncio.sleep(PERIOD_S))

    async def tell(self, account: Account) -> None:
        """Tell one account; takes 1 s at most and never raises for a sick prober or network."""
        if not self._targets:
            return
        request = HttpsRequest("POST", "/account", account.as_json(), keep_body_bytes=0)
        answers = await asyncio.gather(*(https.ask(target, request, DEADLINE_S) for target in self._targets))
        is_taken = any(answer.outcome == "ok" for answer in answers)
        if not is_taken and not self._is_in_trouble:
            self._on_trouble(f"the prober did not take the account: {answers[0].outcome}; the load goes on")
        self._is_in_trouble = not is_taken


def _target(page: str) -> HttpsTarget:
    address, _, port = page.rpartition(":")
    return HttpsTarget(address.strip("[]"), int(port), page)
