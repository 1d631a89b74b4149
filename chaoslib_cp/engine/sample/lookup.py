"""A lookup as workloads make it: getaddrinfo(3), so with the search list of resolv.conf and what the C library thinks.

A C library blocks for as long as it likes: glibc 20 s where nobody answers. So each lookup has a thread of its own, and
nobody waits for that one after the deadline.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Final

from chaoslib_cp import outcome as outcomes
from chaoslib_cp.engine.sample.dns import DnsSample
from chaoslib_cp.outcome import Outcome

# glibc asks each server twice for 5 s, resolv.conf(5) allows 30 s and five times: a few seconds' worth is enough.
_AT_ONCE: Final = 32
# A C library does not tell a SERVFAIL from a silence; below its own patience of 5 s only the first is left.
_FAILURES: Final[dict[int, Outcome]] = {
    socket.EAI_NONAME: "nxdomain",
    getattr(socket, "EAI_NODATA", -5): "nodata",  # musl has the name since 1.2.4
    socket.EAI_AGAIN: "servfail",
}


class CLibrary:
    """The C library's lookups.

    Args:
        at_once: How many may be under way; what is more waits, within its deadline, for one to end.
    """

    def __init__(self, at_once: int = _AT_ONCE) -> None:
        self._free = asyncio.Semaphore(at_once)

    async def look_up(self, name: str, deadline_s: float) -> DnsSample:
        """Look a name up as a workload does; never raises for a sick server or network.

        Args:
            name: As a workload writes it: the search list applies.
            deadline_s: Seconds; below 5, so that a second attempt of the C library is a failure of its first.

        Returns:
            The addresses of either family, sorted. A C library tells no code and no TTL.
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        try:
            async with asyncio.timeout(deadline_s):
                found = await self._addresses(name)
        except socket.gaierror as error:
            outcome = _FAILURES.get(error.errno or 0, "error")
            return DnsSample(outcome, loop.time() - started_s)
        except OSError as error:  # asyncio's TimeoutError is one too
            return DnsSample(outcomes.of_socket_error(error), loop.time() - started_s)
        return DnsSample("ok" if found else "nodata", loop.time() - started_s, answers=found)

    async def look_up_and_connect(self, name: str, port: int, deadline_s: float) -> DnsSample:
        """Look a name up and connect to its first address, as the first request of a workload does.

        Args:
            name: As above.
            port: TCP port.
            deadline_s: Seconds for both together.

        Returns:
            The lookup's sample where that failed, else that of the connection with the addresses, from the lookup's
            begin.
        """
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        found = await self.look_up(name, deadline_s)
        if found.outcome != "ok":
            return found
        outcome: Outcome = "ok"
        try:
            async with asyncio.timeout(deadline_s - found.latency_s):
                _, writer = await asyncio.open_connection(found.answers[0], port)
            writer.transport.abort()
        except OSError as error:
            outcome = outcomes.of_socket_error(error)
        return DnsSample(outcome, loop.time() - started_s, answers=found.answers)

    async def _addresses(self, name: str) -> tuple[str, ...]:
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def ended(found: tuple[str, ...] | OSError) -> None:
            self._free.release()
            if answered.done():
                return  # too late: it was given up
            if isinstance(found, OSError):
                answered.set_exception(found)
            else:
                answered.set_result(found)

        def ask() -> None:
            found = _ask_c_library(name)
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(ended, found)

        # a daemon: the process does not wait for it at its end
        thread = threading.Thread(target=ask, name=f"lookup of {name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._free.release()
            raise OSError("no thread for a lookup") from error
        return await answered


def _ask_c_library(name: str) -> tuple[str, ...] | OSError:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return tuple(sorted({str(address[0]) for *_, address in found}))
