"""A request that came due, until its last try is over."""

import asyncio

from chaoslib_cp.engine.load.channel import Channel


class DueRequest:
    """It holds its place under its agent's cap all that time.

    Attributes:
        kind: index into the profile's requests.
        due_at: when it came due, in the event loop's time, as all moments here.
        sent_at: when its last try began.
        answered_at: when its last try was answered: the end of an answer, for a watch the beginning; 0 before.
        tries: made so far for the page that is being asked for.
        next_page: token of that page; empty for the first.
        is_waiting: for its next try.
        was_sent: at least once.
        timer: of the next thing that happens to it by itself.
        channel: that its try is made over.
        connecting: while there is no connection for it yet.
    """

    __slots__ = (
        "answered_at",
        "channel",
        "connecting",
        "due_at",
        "is_waiting",
        "kind",
        "next_page",
        "sent_at",
        "timer",
        "tries",
        "was_sent",
    )

    def __init__(self, kind: int, due_at: float) -> None:
        self.kind = kind
        self.due_at = due_at
        self.sent_at = 0.0
        self.answered_at = 0.0
        self.tries = 0
        self.next_page = ""
        self.is_waiting = False
        self.was_sent = False
        self.timer: asyncio.TimerHandle | None = None
        self.channel: Channel | None = None
        self.connecting: asyncio.Task[None] | None = None
