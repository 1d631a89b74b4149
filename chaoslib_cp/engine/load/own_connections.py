"""The HTTP/1.1 connections of one agent: which are idle, which fits a request, and whether one more may be opened."""

from collections.abc import Callable, Sequence

from chaoslib_cp.engine.load.budget import Budget
from chaoslib_cp.engine.load.channel import Channel, Listener
from chaoslib_cp.engine.load.connection import HttpConnection
from chaoslib_cp.engine.load.profile import KEPT, RequestSpec
from chaoslib_cp.engine.load.special_channels import PagedConnection, WatchConnection


class OwnConnections:
    """Keeps connections for the next request, as the request's kind allows.

    Args:
        specs: the kinds of request.
        budget: counts the connections of all agents.
        listener: the agent.
        on_answer: told when a watch is answered.
    """

    def __init__(
        self,
        specs: Sequence[RequestSpec],
        budget: Budget,
        listener: Listener,
        on_answer: Callable[[Channel], None],
    ) -> None:
        self._is_kept = [spec.connection == KEPT for spec in specs]
        self._looks_for = [_looks_for(spec) for spec in specs]
        self._makes = [spec.makes for spec in specs]
        self._budget = budget
        self._listener = listener
        self._on_answer = on_answer
        self._idle: list[Channel] = []

    def can_serve(self, kind: int) -> bool:
        """Whether a request of this kind finds a connection, or may open one, and may make what it makes."""
        if self._makes[kind] and not self._budget.has_objects:
            return False
        return self._budget.has_connections or any(self._fits(one, kind) for one in self._idle)

    def take_idle(self, kind: int) -> Channel | None:
        """Take a kept one; None when there is none that fits."""
        # the one used last, as in Go's transport: the others may grow old and be closed by the server
        for place in range(len(self._idle) - 1, -1, -1):
            if self._fits(self._idle[place], kind):
                return self._idle.pop(place)
        return None

    def make(self, kind: int) -> HttpConnection:
        """Return a new one, which counts from now on and is not connected yet."""
        made = self._looks_for[kind](self._listener)
        if isinstance(made, WatchConnection):
            made.on_answer = self._on_answer
        self._budget.opened(made)
        return made

    def give_back(self, connection: Channel, kind: int) -> None:
        """Keep it for the next request, or close it."""
        if self._is_kept[kind] and connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.abort()
            self.lost(connection)

    def lost(self, connection: Channel) -> None:
        """Forget one that is closed, or was never opened; may be called twice."""
        self._budget.closed(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self) -> None:
        """Close all that are kept."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def _fits(self, connection: Channel, kind: int) -> bool:
        return self._is_kept[kind] and type(connection) is self._looks_for[kind] and connection.is_reusable


def _looks_for(spec: RequestSpec) -> type[HttpConnection]:
    """Few kinds look at their answers; a connection that does is kept for these alone, since a look costs a copy."""
    return PagedConnection if spec.paged else WatchConnection if spec.watch_s else HttpConnection
