"""A prober's page as it is asked for and read."""

import json
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.engine.sample import https
from chaoslib_cp.engine.sample.https import HttpsRequest, HttpsTarget
from chaoslib_cp.errors import ProfileInvalid

PULL_DEADLINE_S: Final = 2.0
_MAX_PAGE_BYTES: Final = 4_000_000


@dataclass(frozen=True)
class PageRead:
    """What one request brought.

    Attributes:
        page: The page; None where none came.
        outcome: ``ok``, or why none came.
    """

    page: dict[str, Any] | None
    outcome: str = "ok"


def target_of(page: str) -> HttpsTarget:
    """Where a page is.

    Args:
        page: ``ip:port``.

    Raises:
        ProfileInvalid: It is not; nothing was asked.
    """
    address, _, port = page.rpartition(":")
    if not address or not port.isdigit():
        raise ProfileInvalid(f"prober page {page!r} is not ip:port; nothing was asked; correct the plan")
    return HttpsTarget(address.strip("[]"), int(port), page)


async def read_after(target: HttpsTarget, after: int) -> PageRead:
    """Ask for all that came after sample number ``after``; takes 2 s at most and raises for no sick prober."""
    request = HttpsRequest("GET", f"/?after={after}", keep_body_bytes=_MAX_PAGE_BYTES)
    answer = await https.ask(target, request, PULL_DEADLINE_S)
    if answer.outcome != "ok":
        return PageRead(None, answer.outcome)
    page = _parse(answer.body)
    return PageRead(page, "ok" if page else "not a prober's page")


def _parse(body: bytes) -> dict[str, Any] | None:
    """Return the page if it is one: whoever answers on that port might be somebody else."""
    try:
        page: dict[str, Any] = json.loads(body)
        fits = (
            isinstance(page["now_s"], float)
            and isinstance(page["prober"], str)
            # a prober of an earlier version tells no node, and has always been asking
            and isinstance(page.setdefault("node", ""), str)
            and isinstance(page.setdefault("asks_since_s", 0.0), float)
            and all(_is_sample(one) and isinstance(one["seq"], int) for one in page["samples"])
            and all(_is_sample(one) and _is_account(one) for one in page["accounts"])
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return page if fits else None


def _is_sample(one: dict[str, Any]) -> bool:
    is_typed = isinstance(one["at_s"], float) and isinstance(one["vantage"], str) and isinstance(one["ok"], bool)
    return is_typed and "target" in one


def _is_account(one: dict[str, Any]) -> bool:
    return isinstance(one["target"], str) and isinstance(one["fault"], str) and isinstance(one["counts"], dict)
