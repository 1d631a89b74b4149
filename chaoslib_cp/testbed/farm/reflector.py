"""Keeps a list of objects up to date as client-go's reflector does: list, watch, and when the watch dies, again.

While the API server does not answer, what was seen last stays true: that is how a node goes on while the API is away.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from chaoslib_cp.testbed.api import Manifest
from chaoslib_cp.testbed.async_api import REQUEST_TIMEOUT_S, ApiAnswer, ApiSession, NoAnswerError
from chaoslib_cp.testbed.farm.backoff import ListBackoff

# client-go asks for watches of 5 to 10 min, at random
_WATCH_LEAST_S = 300
_WATCH_MOST_S = 600
# a watch that ends at once and without an event is a failure (client-go: "very short watch")
_SHORT_WATCH_S = 1.0
# what the server's cache has, which is what client-go asks first; and what the database has
_ANY_VERSION = "0"
_NEWEST_VERSION = ""


@dataclass(frozen=True)
class Collection:
    """What to list and watch: path for all namespaces, label selector, and whether names and labels are enough."""

    path: str
    selector: str
    is_metadata_only: bool = False

    def accept(self, kind: str) -> dict[str, str]:
        """Return the Accept header; ``kind`` is what the answer holds (asked for a wrong one, a watch ends at once)."""
        partly = f"application/json;as={kind};g=meta.k8s.io;v=v1,"
        return {"Accept": f"{partly if self.is_metadata_only else ''}application/json"}


class Reflector:
    """One collection.

    Args:
        session: a connection of its own.
        collection: what to follow.
        on_put: called with key (namespace/name) and content of each new or changed object.
        on_gone: called with the key of each object that is no more.
        draws: random numbers for back-off and watch lengths.
    """

    def __init__(
        self,
        session: ApiSession,
        collection: Collection,
        on_put: Callable[[str, Manifest], None],
        on_gone: Callable[[str], None],
        draws: random.Random,
    ) -> None:
        self.state = "starting"
        self.last_error = ""
        self._session = session
        self._collection = collection
        self._on_put = on_put
        self._on_gone = on_gone
        self._draws = draws
        self._backoff = ListBackoff(draws)
        self._keys: set[str] = set()
        self._version = _ANY_VERSION
        self._events = 0

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            self.state = "listing"
            if await self._list():
                self.state = "watching"
                while await self._watch():
                    pass
            self.state = "waiting"
            await self._wait()

    async def _list(self) -> bool:
        headers = self._collection.accept("PartialObjectMetadataList")
        try:
            answer = await self._session.request("GET", self._url({}), headers=headers)
            listed = answer.json() if answer.status == HTTPStatus.OK else {}
        except (NoAnswerError, ValueError) as error:
            self.last_error = f"list: {error}"
            return False
        if answer.status != HTTPStatus.OK:
            self._refused("list", answer.status, answer.words())
            if answer.status in (HTTPStatus.GONE, HTTPStatus.GATEWAY_TIMEOUT):
                # the version is too old for the server, or too new for its cache
                self._version = _NEWEST_VERSION
            return False
        keys = set()
        for item in listed["items"] or []:  # an empty list of metadata comes as null
            keys.add(_key(item))
            self._on_put(_key(item), item)
        for key in self._keys - keys:
            self._on_gone(key)
        self._keys = keys
        self._version = listed["metadata"]["resourceVersion"]
        return True

    async def _watch(self) -> bool:
        """Watch once; say whether to watch on from where it ended rather than list again."""
        lasts_s = int(self._draws.uniform(_WATCH_LEAST_S, _WATCH_MOST_S))
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(lasts_s)}
        headers = self._collection.accept("PartialObjectMetadata")
        begun_s, self._events = time.monotonic(), 0
        try:
            answer = await self._session.watch(self._url(query), self._take, lasts_s + REQUEST_TIMEOUT_S, headers)
        except NoAnswerError as error:
            self.last_error = f"watch: {error}"
            if error.outcome != "refused":
                return False
            await self._wait()
            return True
        except (_WatchExpiredError, ValueError) as error:
            self.last_error = f"watch: {error}"
            return False
        return await self._watch_again(answer, time.monotonic() - begun_s)

    async def _watch_again(self, answer: ApiAnswer, lasted_s: float) -> bool:
        if answer.status == HTTPStatus.OK:
            if self._events or lasted_s > _SHORT_WATCH_S:
                return True
            self.last_error = "watch: ended at once, without an event"
            return False
        self._refused("watch", answer.status, answer.words())
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            return False
        await self._wait()
        return True

    def _take(self, event: dict[str, Any]) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise _WatchExpiredError(item.get("message", "error event"))
        self._events += 1
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return  # it brings a version, and an object without a name
        key = _key(item)
        if event["type"] == "DELETED":
            self._keys.discard(key)
            self._on_gone(key)
        else:
            self._keys.add(key)
            self._on_put(key, item)

    async def _wait(self) -> None:
        await asyncio.sleep(self._backoff.next_s(time.monotonic()))

    def _refused(self, what: str, status: int, words: str) -> None:
        self.last_error = f"{what}: {status} {words}"

    def _url(self, more: dict[str, str]) -> str:
        query = {"labelSelector": self._collection.selector, "resourceVersion": self._version, **more}
        return f"{self._collection.path}?{urlencode(query)}"


class _WatchExpiredError(Exception):
    """The server cannot continue this watch: list again."""


def _key(item: Manifest) -> str:
    metadata = item["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
