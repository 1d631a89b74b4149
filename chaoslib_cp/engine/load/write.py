"""What an agent sends with a write: the pattern's body, with the agent's own words in it, anew for each try."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from chaoslib_cp.engine.load.head import filled
from chaoslib_cp.engine.load.patterns.lookup import find_pattern
from chaoslib_cp.engine.load.profile import LoadProfile, RequestSpec


class Write:
    """The writes of one kind of one agent.

    Args:
        spec: the request; its pattern has a body.
        profile: that it is of; the objects get its ``marks`` as labels.
        place: where the agent is, by the words of ``head.PLACES``.

    Raises:
        ProfileInvalid: the body leaves something open that ``place`` does not have. Nothing was sent.
    """

    def __init__(self, spec: RequestSpec, profile: LoadProfile, place: Mapping[str, str]) -> None:
        row = find_pattern(spec.pattern)
        body = dict(row.body or {}) if row else {}
        marked = {**body, "metadata": {**body.get("metadata", {}), "labels": dict(profile.marks)}}
        self._text = filled(json.dumps(marked), place)
        self._number = 0

    def body(self, epoch_s: float) -> bytes:
        """The next body: ``{number}`` counts from 1, so that no two have one name; ``{now}`` is the time of a try."""
        self._number += 1
        now = datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return self._text.replace("{number}", str(self._number)).replace("{now}", now).encode()

    def message(self, head: bytes, epoch_s: float) -> bytes:
        """A head that ends with an empty line, with the length of the next body in it, and that body."""
        body = self.body(epoch_s)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head[:-2], len(body), body)


def writes_of(profile: LoadProfile, place: Mapping[str, str]) -> list[Write | None]:
    """One for each kind of request; None for what sends no body."""
    rows = [find_pattern(spec.pattern) for spec in profile.requests]
    pairs = zip(profile.requests, rows, strict=True)
    return [Write(spec, profile, place) if row is not None and row.body is not None else None for spec, row in pairs]
