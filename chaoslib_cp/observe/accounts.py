"""Accounts of agents, as the pages of several probers show them: each is taken once.

An agent tells its account to the first few pages, so the same account is on several. Accounts are running totals, and
one that has less than the one before stands for an agent whose pod was replaced (``results/delivery.py``): an old copy
must not pass for that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.vantage import AGENT_LOAD

_COPIES_WITHIN_S: Final = AGENT_LOAD.deadline_s
"""An agent tells all pages at the same time, and gives up on one after this long."""

_Source = tuple[str, str]


@dataclass(frozen=True)
class _Taken:
    prober: str
    at_s: float
    counts: dict[str, float]


class Accounts:
    """Which accounts have been taken."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, _Source], float] = {}
        self._taken: dict[_Source, _Taken] = {}

    def forget(self, prober: str) -> None:
        """A prober is gone: what it showed need not be known any more."""
        self._shown = {key: at_s for key, at_s in self._shown.items() if key[0] != prober}

    def fresh(self, prober: str, accounts: Iterable[dict[str, Any]], offset_s: float) -> list[dict[str, Any]]:
        """Those that say something new, on our clock.

        Args:
            prober: Whose page shows them.
            accounts: Each with when it came by that prober's clock. One stays on the page until a later sample of that
                prober has been read.
            offset_s: Our clock minus that prober's.
        """
        found = []
        for account in accounts:
            source = (str(account["fault"]), str(account["target"]))
            if account["at_s"] <= self._shown.get((prober, source), float("-inf")):
                continue
            self._shown[prober, source] = account["at_s"]
            told = _Taken(prober, account["at_s"] + offset_s, dict(account["counts"]))
            if not _is_copy(told, self._taken.get(source)):
                self._taken[source] = told
                found.append({**account, "at_s": told.at_s})
        return found


def _is_copy(told: _Taken, last: _Taken | None) -> bool:
    """Whether another prober's page has shown the same already, or something newer."""
    if last is None or last.prober == told.prober or told.at_s > last.at_s + _COPIES_WITHIN_S:
        return False
    return told.counts == last.counts or told.counts.get("due", 0.0) < last.counts.get("due", 0.0)
