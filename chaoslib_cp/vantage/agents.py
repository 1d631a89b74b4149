"""What injectors tell of themselves: the account of the agents of a rollout."""

from typing import Final

from chaoslib_cp.vantage_point import VantagePoint

AGENT_LOAD: Final = VantagePoint(
    name="agent_load",
    label="the agents' own account",
    asked_by="injector",
    # Shorter tells more exactly how much of the rollout was done at the first alarm. A hundred nodes with this period
    # are already fifty small requests a second for the one prober.
    period_s=2.0,
    deadline_s=1.0,  # a late account is dropped: the next one holds all that it held
    fails="agents do not tell their account",
    works="agents tell their account again",
    is_check=False,
    in_story=False,
)
