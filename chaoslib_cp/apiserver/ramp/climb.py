"""Where a ramp goes next, from what each dwell showed. Pure: no clock, nothing is asked."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from chaoslib_cp.apiserver.ramp.ladder import Ladder
from chaoslib_cp.apiserver.ramp.reading import Reading
from chaoslib_cp.apiserver.ramp.signals import SIGNALS

Phase = Literal["idle", "climb", "hold", "over"]
LEAST_TRIES: Final = 20
"""Of fewer tries in the middle of a dwell a share of errors is chance."""
_LEAST_IN_A_DWELL: Final = 5
HELD: Final = "held to its end"
FOUND: Final = "capacity found, and no hold was asked for"
CAP: Final = "the cap of max_nodes was reached before any signal crossed its line"
AT_ONCE: Final = "a signal crossed its line on the first rung: the capacity is below it"
_UNREAD_IN_A_ROW: Final = 2


@dataclass(frozen=True)
class Crossing:
    """What said that the servers are saturated.

    Attributes:
        signal: Its name.
        value: Its value.
        line: Its line.
        nodes: Virtual nodes then.
    """

    signal: str
    value: float
    line: float
    nodes: int


class Climb:
    """One ramp under way.

    A rung on which a signal crosses is looked at once more, since one slow moment is no saturation: only a rung that
    crosses twice in a row ends the climb. The capacity is the last rung below it.

    Args:
        ladder: How to climb.

    Attributes:
        phase: ``idle`` before any load, ``climb``, ``hold`` or ``over``.
        nodes: How many virtual nodes the next dwell has.
        capacity: The dwell on the highest rung that stayed below all lines; None where none did.
        crossing: What crossed twice; None while nothing did.
        hold_nodes: Virtual nodes of the hold; None before it.
        held_s: How long it has been held, seconds.
        ended_by: Why it is over; empty before.
        is_backed_off: A guard rail ended it.
        rows: The ladder: a row for each dwell.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self.phase: Phase = "idle" if ladder.reads_metrics or ladder.reads_leases else "climb"
        self.nodes = 0 if self.phase == "idle" else ladder.first_nodes
        self.capacity: Reading | None = None
        self.crossing: Crossing | None = None
        self.hold_nodes: int | None = None
        self.held_s = 0.0
        self.ended_by = ""
        self.is_backed_off = False
        self.rows: list[dict[str, Any]] = []
        self._suspicion: Crossing | None = None
        self._unread = 0

    @property
    def is_over(self) -> bool:
        """Whether all load is to be taken away."""
        return self.phase == "over"

    def take(self, told: Reading, is_spent: bool = False) -> None:
        """Go on from what a dwell showed.

        Args:
            told: What it showed.
            is_spent: Some virtual nodes have ended: a budget of requests or bytes is used up.
        """
        self.rows.append({"phase": self.phase, **told.as_row()})
        rail = self._rail(told, is_spent)
        if rail:
            self._end(rail, backed_off=True)
        elif self.phase == "hold":
            self.held_s += told.seconds
            if self.held_s >= self._ladder.hold_s:
                self._end(HELD)
        elif self.phase == "idle":
            self._begin(told)
        else:
            self._climb(told)

    def back_off(self, told: Reading, least: int = LEAST_TRIES) -> bool:
        """Whether errors alone are reason to take all load away at once, in the middle of a dwell.

        Args:
            told: What was seen of it so far.
            least: So many tries must be over.
        """
        return told.ended >= least and told.error_ratio >= self._ladder.max_error_ratio

    def result(self) -> dict[str, Any]:
        """What was found: ``summary.py`` tells the keys."""
        capacity = self.capacity
        return {
            "capacity_nodes": capacity.nodes if capacity else None,
            "capacity_rate_per_s": round(capacity.answered_per_s, 3) if capacity else None,
            "is_lower_bound": self.crossing is None,
            "crossed": asdict(self.crossing) if self.crossing else None,
            "hold_nodes": self.hold_nodes,
            "held_s": round(self.held_s, 1),
            "ended_by": self.ended_by,
            "is_backed_off": self.is_backed_off,
            "ladder": self.rows,
        }

    def _begin(self, told: Reading) -> None:
        """Nothing is climbed where a line is crossed without any load, or where a signal cannot be read."""
        found = next(self._crossed(told), None)
        if found:
            self._end(f"{found.signal} is {found.value:.3g} without any load, and its line is {found.line:g}", True)
        elif told.servers.trouble:
            self._end(f"not to be read: {told.servers.trouble}", backed_off=True)
        else:
            self.phase, self.nodes = "climb", self._ladder.first_nodes

    def _climb(self, told: Reading) -> None:
        found = next(self._crossed(told), None)
        unread = self._unread_signal(told)
        if found is None and unread:
            self._unread += 1
            if self._unread >= _UNREAD_IN_A_ROW:
                self._end(f"nobody could tell whether to go on: {unread}", backed_off=True)
            return
        self._unread = 0
        if found is None:
            self._suspicion, self.capacity = None, told
            self._next_rung()
        elif self._suspicion is None:
            self._suspicion = found
        else:
            self.crossing = found
            self._hold()

    def _next_rung(self) -> None:
        if self.nodes >= self._ladder.max_nodes:
            self._end(CAP)
        else:
            self.nodes = min(self.nodes + self._ladder.step_nodes, self._ladder.max_nodes)

    def _hold(self) -> None:
        if self.capacity is None:
            self._end(AT_ONCE)
        elif not self._ladder.hold_s:
            self._end(FOUND)
        else:
            wanted = round(self._ladder.hold_factor * self.capacity.nodes)
            self.phase = "hold"
            self.nodes = self.hold_nodes = min(max(wanted, 1), self._ladder.max_nodes)

    def _end(self, why: str, backed_off: bool = False) -> None:
        self.phase, self.nodes = "over", 0
        self.ended_by, self.is_backed_off = why, backed_off

    def _crossed(self, told: Reading) -> Iterator[Crossing]:
        """The signals that have crossed; a dwell in which our own machine was late says nothing of the client's."""
        for name, line in self._ladder.until.items():
            signal = SIGNALS[name]
            value = signal.value(told)
            if value is not None and value >= line and not (told.is_void and signal.source == "client"):
                yield Crossing(name, float(f"{value:.4g}"), line, told.nodes)

    def _unread_signal(self, told: Reading) -> str:
        """Why a dwell cannot say that no line is crossed; empty where it can."""
        if told.is_void:
            return f"this machine began requests {told.lag_p99_s:.2f} s late, too late to judge the servers"
        missing = [name for name in self._ladder.until if SIGNALS[name].value(told) is None]
        if missing:
            return f"{missing[0]} was not read{f' ({told.servers.trouble})' if told.servers.trouble else ''}"
        if self._ladder.stop_at_restart and told.servers.trouble:
            return told.servers.trouble
        return ""

    def _rail(self, told: Reading, is_spent: bool) -> str:
        """The guard rail that was hit, in words; empty where none was."""
        if self._ladder.stop_at_restart and told.servers.restarts:
            return "guard rail: an API server was restarted"
        if self.back_off(told, _LEAST_IN_A_DWELL):
            return (
                f"guard rail: {told.error_ratio:.0%} of the tries got no answer or 5xx (max_error_ratio "
                f"{self._ladder.max_error_ratio:g})"
            )
        if is_spent:
            return "guard rail: the budget of requests or bytes of the profile is used up"
        return ""
