"""What the observer is told to do: a frozen value, checked once, written as JSON without a secret in it."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.settings import Settings, read_settings
from chaoslib_cp.vantage import asked_by_observer
from chaoslib_cp.vantage_point import LONGEST_PERIOD_S, SHORTEST_PERIOD_S

SCHEMA: Final = 1
PLAN_FILE: Final = "observe-plan.json"
"""Its name in the folder of a run."""
MAX_DURATION_S: Final = 21_600.0


@dataclass(frozen=True)
class ObservePlan:
    """One observer's orders.

    Attributes:
        run_dir: Folder of the run; ``timeline.jsonl`` is appended there.
        kubeconfig: Path of the kubeconfig that holds the identities.
        duration_s: The observer ends after this many seconds, whatever happens; at most 6 hours.
        contexts: Context of each identity (observer, admin, break-glass, runner). An identity that is left out takes
            its vantage points with it; without ``runner`` the prober is found only through ``prober_pages``.
        prober_pages: Addresses ``ip:port`` of the prober's page; empty to look them up as the runner at the start.
        namespace: Namespace of the library's own objects; the prober's manifest makes it.
        api_servers: Where each API server listens (``ip:port``), as the gate noted it; empty where nobody knows.
        periods_s: Seconds between attempts by vantage point; 0 switches a vantage point off.
        deadlines_s: Seconds an attempt may take, by vantage point.
        epoch_offset_s: Epoch minus CLOCK_BOOTTIME as the control read it, so that both write one steady time; None
            reads it anew.
    """

    run_dir: str
    kubeconfig: str
    duration_s: float
    contexts: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in ("observer", "admin", "break-glass", "runner")}
    )
    prober_pages: tuple[str, ...] = ()
    namespace: str = "chaoslib-cp"
    api_servers: tuple[str, ...] = ()
    periods_s: Mapping[str, float] = field(default_factory=dict)
    deadlines_s: Mapping[str, float] = field(default_factory=dict)
    epoch_offset_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.duration_s <= MAX_DURATION_S:
            raise _wrong("duration_s", self.duration_s, f"more than 0 and at most {MAX_DURATION_S:.0f}")
        _check_seconds("periods_s", self.periods_s, zero_is_off=True)
        _check_seconds("deadlines_s", self.deadlines_s, zero_is_off=False)

    def period_s(self, vantage: str) -> float:
        """Seconds between two attempts of ``vantage``; 0 when it is switched off."""
        return self.periods_s.get(vantage, asked_by_observer()[vantage].period_s)

    def deadline_s(self, vantage: str) -> float:
        """Seconds one attempt of ``vantage`` may take."""
        return self.deadlines_s.get(vantage, asked_by_observer()[vantage].deadline_s)

    def settings(self) -> Settings:
        """How the plan's cluster is reached; where the plan says nothing, the environment of this process counts."""
        return read_settings().reached_by(self.kubeconfig, self.contexts)

    def write(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps({"schema": SCHEMA, **dataclasses.asdict(self)}, indent=2) + "\n", encoding="utf-8")


def read_plan(path: Path) -> ObservePlan:
    """Read a plan.

    Raises:
        ProfileInvalid: The file is not there or not a plan.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProfileInvalid(f"plan {path} cannot be read ({error}); nothing was asked; name a plan file") from error
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        raise ProfileInvalid(f"plan {path} is not of schema {SCHEMA}; nothing was asked; write it with this version")
    unknown = sorted(document.keys() - {known.name for known in dataclasses.fields(ObservePlan)})
    if unknown:
        raise ProfileInvalid(f"plan {path} has the unknown key {unknown[0]}; nothing was asked; remove it")
    try:
        lists = {name: tuple(document.get(name, ())) for name in ("prober_pages", "api_servers")}
        return ObservePlan(**{**document, **lists})
    except (TypeError, AttributeError) as error:
        raise ProfileInvalid(f"plan {path}: {error}; nothing was asked; correct that key") from error


def _check_seconds(key: str, given: Mapping[str, float], zero_is_off: bool) -> None:
    known = asked_by_observer()
    for vantage, value in given.items():
        if vantage not in known:
            raise _wrong(f"{key}.{vantage}", value, f"one of {', '.join(known)} as the name")
        if not (zero_is_off and value == 0) and not SHORTEST_PERIOD_S <= value <= LONGEST_PERIOD_S:
            raise _wrong(f"{key}.{vantage}", value, f"between {SHORTEST_PERIOD_S} and {LONGEST_PERIOD_S:.0f} (s)")


def _wrong(key: str, value: object, wanted: str) -> ProfileInvalid:
    return ProfileInvalid(f"observe plan: {key} is {value}, wanted {wanted}; nothing was asked; correct the plan")
