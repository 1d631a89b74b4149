"""The table of checks. One that is added is one row; they are made in this order, the cheap and basic ones first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from chaoslib_cp.check import agents, clocks, flows, gate, identities, rights, sight
from chaoslib_cp.check.finding import Finding, refusal
from chaoslib_cp.check.plays import Plays
from chaoslib_cp.check.scene import NotKnown, Scene
from chaoslib_cp.clock import Clock
from chaoslib_cp.errors import ControlPlaneError, said_safely
from chaoslib_cp.settings import Settings
from chaoslib_cp.waits import waiting_for


@dataclass(frozen=True)
class Check:
    """One row.

    Attributes:
        name: What findings call it.
        what: What is looked at, as it goes on after "waiting for".
        look: Finds; it sends only reads, and reviews, which store nothing.
    """

    name: str
    what: str
    look: Callable[[Scene], Iterator[Finding]]


CHECKS: Final = (
    Check("contexts", "the kubeconfig", identities.contexts),
    Check("identities", "the four identities", identities.identities),
    Check("marker", "the mark", gate.marker),
    Check("gate", "the gate", gate.gate),
    Check("prober", "the workload prober", sight.prober),
    Check("page", "the prober's page", sight.page),
    Check("dns", "cluster DNS", sight.dns),
    Check("rights", "the rights of each identity", rights.rights),
    Check("image", "the agents' image", agents.image),
    Check("nodes", "the nodes", agents.nodes),
    Check("load", "the version of the API server", agents.load),
    Check("protocol", "the protocol of the API server", agents.protocol),
    Check("clocks", "the clocks", clocks.clocks),
    Check("flows", "the queue of each identity", flows.flows),
)


def check_cluster(settings: Settings, plays: Plays, clock: Clock | None = None) -> list[Finding]:
    """Make every check; what one cannot find out keeps no other from going on.

    Args:
        settings: What the run will be told.
        plays: What it will do.
        clock: Source of time.

    Returns:
        What was found, in the order of the table. Nothing was changed.
    """
    with Scene(settings, plays, clock) as scene:
        return [replace(found, check=row.name) for row in CHECKS for found in _look(row, scene)]


def _look(row: Check, scene: Scene) -> Iterator[Finding]:
    with waiting_for(row.what, None):
        try:
            yield from row.look(scene)
        except NotKnown as error:
            yield Finding("warning", row.what, f"not looked at: {error}", "correct what is wrong above first")
        except ControlPlaneError as error:
            yield refusal(error, row.what)
        except Exception as error:  # noqa: BLE001 - a mistake in one check must not cost the others
            yield Finding("wrong", row.what, said_safely(error), "report it, with what stands above")
