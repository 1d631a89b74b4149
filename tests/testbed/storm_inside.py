"""Run inside a testbed: clients that ask for one path again and again, each waiting for its answer, until time is up.

    python -m tests.testbed.storm_inside admin 8 20 0.5 '/api/v1/pods?resourceVersion=0' application/yaml fresh

Eight clients ask as the admin for 20 s, each half a second after its last answer, each time over a fresh connection.
"""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress

from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget, KeptConnections
from chaoslib_cp.settings import read_settings

_LIMIT_S = 30.0
_APART_S = 0.01
_AFTER_FAILURE_S = 0.1


async def ask_on(target: HttpsTarget, request: HttpsRequest, pause_s: float, is_fresh: bool) -> None:
    """One client, until it is cancelled."""
    kept = None if is_fresh else KeptConnections()
    while True:
        sample = await https.ask(target, request, _LIMIT_S, kept)
        await asyncio.sleep(pause_s if sample.outcome == "ok" else max(pause_s, _AFTER_FAILURE_S))


async def storm(target: HttpsTarget, request: HttpsRequest, clients: int, pause_s: float, is_fresh: bool) -> None:
    """All clients, one beginning shortly after the other."""
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(ask_on(target, request, pause_s, is_fresh))
            await asyncio.sleep(_APART_S)


async def until_over(lasts_s: float, storm_: Coroutine[None, None, None]) -> None:
    """Let it end by itself, whatever becomes of who started it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(lasts_s):
            await storm_


if __name__ == "__main__":
    identity, clients, lasts_s, pause_s, path, accept, connection = sys.argv[1:]
    asked = HttpsRequest("GET", path, keep_body_bytes=0, headers=(("Accept", accept),))
    way = describe(read_settings({}), identity).target()
    asyncio.run(until_over(float(lasts_s), storm(way, asked, int(clients), float(pause_s), connection == "fresh")))
