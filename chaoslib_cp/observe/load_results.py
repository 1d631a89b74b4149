"""What the processes of a load told the probers at their end, read from their pages: neither API nor DNS is asked."""

import asyncio
import base64
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from chaoslib_cp.agent.told_results import MAX_KEPT_BYTES, RESULTS_PATH
from chaoslib_cp.clock import Clock
from chaoslib_cp.engine.load.result import LoadResult, unpacked
from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.observe.prober_page import target_of

_ASK_S: Final = 5.0
_AGAIN_AFTER_S: Final = 0.5


def read_results(
    pages: Collection[str], fault: str, sources: Collection[str], within_s: float, clock: Clock
) -> dict[str, LoadResult]:
    """Ask the pages until all processes have told their result, or the time is over.

    Args:
        pages: Of the probers, as ``ip:port``.
        fault: Id of the load.
        sources: The processes whose results are wanted.
        within_s: Seconds to go on asking.
        clock: Source of time.

    Returns:
        Result by process, of those that told one.

    Raises:
        ProfileInvalid: A page is not ``ip:port``.
    """
    targets = [target_of(page) for page in pages]
    found: dict[str, LoadResult] = {}
    end_s = clock.monotonic_s() + within_s
    while targets:
        told = dict(asyncio.run(_ask_all(targets, fault)))
        found |= {source: told[source] for source in sources if source in told}
        if found.keys() >= set(sources) or clock.monotonic_s() >= end_s:
            break
        clock.sleep(_AGAIN_AFTER_S)
    return found


async def _ask_all(targets: Iterable[HttpsTarget], fault: str) -> list[tuple[str, LoadResult]]:
    request = HttpsRequest("GET", f"{RESULTS_PATH}{fault}", keep_body_bytes=MAX_KEPT_BYTES + 1_000_000)
    answers = await asyncio.gather(*(https.ask(target, request, _ASK_S) for target in targets))
    return [told for answer in answers if answer.outcome == "ok" for told in _results(answer.body)]


def _results(body: bytes) -> Iterator[tuple[str, LoadResult]]:
    """What one page shows; what is no result is left out: whoever answers on that port might be somebody else."""
    try:
        told: Any = json.loads(body)["results"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    for source, packed in told:
        with suppress(ProfileInvalid, ValueError, TypeError):
            yield str(source), unpacked(base64.b64decode(packed, validate=True))
