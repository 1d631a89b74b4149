"""What processes of loads told of themselves at their end: kept beside the samples until the runner asks for it.

A result is packed and is not looked into here; whoever adds results up checks them (``engine/load/result.py``).
"""

import base64
import json
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.engine.load.account import is_fault_label, is_source
from chaoslib_cp.engine.load.result import MAX_PACKED_BYTES
from chaoslib_cp.errors import ProfileInvalid

RESULTS_PATH: Final = "/results/"
"""Before the id of a fault."""
MAX_TOLD_BYTES: Final = MAX_PACKED_BYTES * 4 // 3 + 512
MAX_KEPT_BYTES: Final = 8_388_608
"""Of all of them: of two hundred pods, 40 kB each. Of more, what came first is forgotten."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


@dataclass(frozen=True)
class ToldResult:
    """What one process told.

    Attributes:
        fault: Id of the fault that it belongs to.
        source: Which process of it.
        packed: Its result, as ``LoadResult.packed`` has it.
    """

    fault: str
    source: str
    packed: bytes

    def as_json(self) -> bytes:
        """Return it as the page takes it."""
        packed = base64.b64encode(self.packed).decode()
        return json.dumps({"fault": self.fault, "source": self.source, "packed": packed}).encode()


class ToldResults:
    """The last result of each process, as text that goes over the page."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._bytes = 0

    def hear(self, body: bytes) -> None:
        """Keep a result in place of its source's last one.

        Raises:
            ProfileInvalid: It is none; nothing was kept.
        """
        key, packed = _read(body)
        self._bytes += len(packed) - len(self._kept.pop(key, ""))
        self._kept[key] = packed
        while self._bytes > MAX_KEPT_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._bytes -= len(forgotten)

    def document(self, fault: str) -> bytes:
        """Return what the processes of a fault told, by source."""
        told = {source: packed for (of, source), packed in self._kept.items() if of == fault}
        return json.dumps({"results": told}, separators=(",", ":")).encode()


def _read(body: bytes) -> tuple[tuple[str, str], str]:
    try:
        told: Any = json.loads(body)
        fault, source, packed = told["fault"], told["source"], told["packed"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProfileInvalid("what was told is no result of a load; nothing was kept") from error
    if not (is_fault_label(fault) and is_source(source) and isinstance(packed, str) and _BASE64.fullmatch(packed)):
        raise ProfileInvalid("what was told is no result of a load; nothing was kept")
    return (fault, source), packed
