"""Looks after faults that were just injected: where nothing of one begins, a person reads why within seconds.

An image that nobody can pull, a quota or a policy would otherwise be noticed at the end of a run, as an effect that
never came.
"""

import importlib
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from chaoslib_cp.control.telling import Teller
from chaoslib_cp.errors import ControlPlaneError, said_safely
from chaoslib_cp.fault import FAULT_TROUBLE, Injected, Standing, read
from chaoslib_cp.faults import fault_kinds
from chaoslib_cp.settings import Settings

logger = logging.getLogger("chaostoolkit")

FIRST_LOOK_S: Final = 0.5
LOOK_EVERY_S: Final = 2.0
LOOK_FOR_S: Final = 60.0
SILENT_AFTER_S: Final = 10.0
"""A controller makes what it should within a second or two; after this many seconds its silence is told."""
_STOP_WITHIN_S: Final = 6.0  # as long as one look may take


class StandingWatch:
    """Watches every fault of a run whose kind tells how it stands, each in a thread of its own."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def follow(self, output: object, settings: Settings, teller: Teller) -> None:
        """Begin to look, if an activity has injected something of such a kind.

        Args:
            output: What the activity returned.
            settings: What the run was told.
            teller: Gets the event ``fault_trouble``.
        """
        made = read(output)
        kinds = {kind.name: kind.standing for kind in fault_kinds() if kind.standing}
        if not isinstance(made, Injected) or made.kind not in kinds:
            return
        look = _function(kinds[made.kind])
        thread = threading.Thread(target=self._watch, args=(made, look, settings, teller), name="standing", daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Look no more; may be called twice."""
        self._over.set()
        for thread in self._threads:
            thread.join(_STOP_WITHIN_S)

    def _watch(
        self, made: Injected, look: Callable[[Settings, str], Standing], settings: Settings, teller: Teller
    ) -> None:
        said = ""
        for number in range(int(LOOK_FOR_S / LOOK_EVERY_S)):
            if self._over.wait(LOOK_EVERY_S if number else FIRST_LOOK_S):
                return
            try:
                now = look(settings, made.fault)
            except ControlPlaneError:
                continue  # a sick API is what the fault is for
            except Exception as error:  # noqa: BLE001 - a mistake in somebody's kind must not end the run
                logger.warning("%s: nobody can tell how it stands: %s", made.label, said_safely(error))
                return
            if now.has_begun:
                return
            trouble = now.trouble or _silence(now, number * LOOK_EVERY_S)
            if trouble and trouble != said:
                said = trouble
                words = f"{_nothing_of(made)}: {trouble}"
                logger.error("%s: %s", made.label, words)
                teller.tell(FAULT_TROUBLE, fault=made.fault, words=words)


def _nothing_of(made: Injected) -> str:
    promised = made.delivers
    if promised is None or not promised.what:
        return "nothing of it has begun"
    return f"0 of {'an unknown number of' if promised.wanted is None else promised.wanted} {promised.what} run"


def _silence(now: Standing, since_s: float) -> str:
    """What to say where nobody complains: nothing was made, so its controller has not worked, or was not let."""
    if now.has_parts or since_s < SILENT_AFTER_S:
        return ""
    within = f"{SILENT_AFTER_S:.0f} s"
    return f"no pod was made within {within}, and no event says why; look at the cluster's controller manager"


def _function(named: str) -> Any:
    module, _, function = named.partition(":")
    return getattr(importlib.import_module(module), function)
