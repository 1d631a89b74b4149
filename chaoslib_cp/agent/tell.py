"""Tells the workload prober the account of agents: a small request now and then, which the load never waits for.

A process that plays a share of a load tells at its end what it came to, too, as often as it takes.

It goes to the address of the prober's page, so it needs neither cluster DNS nor the API while both are down.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from chaoslib_cp.agent.told_results import ToldResult
from chaoslib_cp.engine.load.account import Account
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget
from chaoslib_cp.vantage import AGENT_LOAD

PERIOD_S: Final = AGENT_LOAD.period_s
DEADLINE_S: Final = AGENT_LOAD.deadline_s
RESULT_WITHIN_S: Final = 6.0
"""With the last account it fits into the time that a pod of a load is given to end."""
_AGAIN_AFTER_S: Final = 0.3


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

    async def tell_result(self, result: ToldResult) -> None:
        """Tell each page a result until it took it, 6 s at most; never raises for a sick prober or network."""
        request = HttpsRequest("POST", "/result", result.as_json(), keep_body_bytes=0)
        left = list(self._targets)
        with suppress(TimeoutError):
            async with asyncio.timeout(RESULT_WITHIN_S):
                while left:
                    answers = await asyncio.gather(*(https.ask(target, request, DEADLINE_S) for target in left))
                    left = [target for target, one in zip(left, answers, strict=True) if one.outcome != "ok"]
                    await asyncio.sleep(_AGAIN_AFTER_S if left else 0)
        if self._targets and len(left) == len(self._targets):
            self._on_trouble(f"no prober took the result within {RESULT_WITHIN_S:.0f} s; what there is of it is here")


def _target(page: str) -> HttpsTarget:
    address, _, port = page.rpartition(":")
    return HttpsTarget(address.strip("[]"), int(port), page)
