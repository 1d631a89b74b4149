"""The HTTP/2 connections of one agent: one that all its requests share, as Go's client has it, or one for each."""

from collections.abc import Callable, Sequence

from chaoslib_cp.engine.load.budget import Budget
from chaoslib_cp.engine.load.channel import Channel, Listener
from chaoslib_cp.engine.load.http2 import Http2Session
from chaoslib_cp.engine.load.http2_stream import Http2Stream
from chaoslib_cp.engine.load.profile import KEPT, RequestSpec
from chaoslib_cp.engine.load.special_channels import PagedStream, WatchStream


class OwnStreams:
    """Gives each request a stream, of a new connection when there is none that has room.

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
        self._specs = specs
        self._budget = budget
        self._listener = listener
        self._on_answer = on_answer
        self._sessions: set[Http2Session] = set()
        self._shared: Http2Session | None = None

    def can_serve(self, kind: int) -> bool:
        """Whether a request of this kind finds a connection, or may open one, and may make what it makes."""
        if self._specs[kind].makes and not self._budget.has_objects:
            return False
        return self._budget.has_connections or self._shared_one(kind) is not None

    def take_idle(self, kind: int) -> Http2Stream | None:
        """A stream of the connection that is shared; None when that is not open, or has no room."""
        shared = self._shared_one(kind)
        return self._stream(kind, shared) if shared is not None and shared.is_open else None

    def make(self, kind: int) -> Http2Stream:
        """A stream of a connection that is being opened, or of a new one, which counts from now on."""
        session = self._shared_one(kind)
        if session is None:
            session = Http2Session(self._listener, self._forget, self._is_kept(kind))
            self._sessions.add(session)
            self._budget.opened(session)
            if self._is_kept(kind):
                self._shared = session
        return self._stream(kind, session)

    def give_back(self, channel: Channel, kind: int) -> None:
        """Nothing: a connection that is not shared closes itself."""

    def lost(self, channel: Channel) -> None:
        """Forget a stream whose connection is not open: the connection tells that itself."""

    def close_idle(self) -> None:
        """Close all connections."""
        for session in list(self._sessions):
            session.close()

    def _is_kept(self, kind: int) -> bool:
        return self._specs[kind].connection == KEPT

    def _shared_one(self, kind: int) -> Http2Session | None:
        """The connection that a request of this kind shares; None when it has to open one."""
        shared = self._shared
        if shared is None or not self._is_kept(kind):
            return None
        return shared if (shared.is_coming or shared.is_open) and shared.has_room else None

    def _stream(self, kind: int, session: Http2Session) -> Http2Stream:
        spec = self._specs[kind]
        if spec.watch_s:
            watch = WatchStream(session)
            watch.on_answer = self._on_answer
            return watch
        return PagedStream(session) if spec.paged else Http2Stream(session)

    def _forget(self, session: Http2Session) -> None:
        self._sessions.discard(session)
        self._budget.closed(session)
        if self._shared is session:
            self._shared = None
