"""A rogue DNS server on loopback, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chaoslib_cp.agent.dns_listening import Listening, serve
from chaoslib_cp.agent.dns_rogue import RogueServer
from chaoslib_cp.agent.dns_truth import Truth
from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.poison.rogue import ROGUE_PORTS, Rogue, RogueSettings
from tests.scaffold.coredns import ADDRESS, free_port


@dataclass
class ServedRogue:
    """It, and hands with which a test kills it.

    Attributes:
        server: What answers.
        ports: Where.
    """

    server: RogueServer
    ports: tuple[int, ...]
    _loop: asyncio.AbstractEventLoop
    _listening: Listening

    @property
    def upstreams(self) -> tuple[str, ...]:
        """As a Corefile has them."""
        return tuple(f"{ADDRESS}:{port}" for port in self.ports)

    def die(self) -> None:
        """Close every socket, as the kernel does for a process that was killed."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)

    async def _close(self) -> None:
        self._listening.close()


@contextmanager
def rogue_at(settings: RogueSettings, clock: Clock, count: int = len(ROGUE_PORTS)) -> Iterator[ServedRogue]:
    """Serve a rogue on free ports while the block lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = RogueServer(Rogue(settings, clock), Truth(settings.truth_port))

    async def end() -> None:
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        listening = asyncio.run_coroutine_threadsafe(
            serve(server.answer, server.is_full, ADDRESS, [free_port() for _ in range(count)]), loop
        ).result(5)
        served = ServedRogue(server, listening.ports, loop, listening)
        try:
            yield served
        finally:
            served.die()
            asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
