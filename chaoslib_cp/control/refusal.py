"""What an experiment file or a command line must not say, found before anything is touched.

Each rule stands for a trap that was seen: Chaos Toolkit accepts all of these and then skips rollbacks, never looks at a
tolerance, or ends with exit code 0 after a broken run.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaoslib_cp.cluster.agents.image import image_refusals
from chaoslib_cp.cluster.door.connect import choose
from chaoslib_cp.cluster.gate.production import max_nodes
from chaoslib_cp.control.abort_rules import rule_refusals
from chaoslib_cp.control.arguments import argument_refusals
from chaoslib_cp.control.extension import extension_refusals
from chaoslib_cp.control.given import given_refusals
from chaoslib_cp.control.placeholder import filled
from chaoslib_cp.control.watching import watching_refusals
from chaoslib_cp.dns.fault import DNS_RESTART
from chaoslib_cp.errors import ControlPlaneError, TargetRefused
from chaoslib_cp.faults import fault_kinds, problems
from chaoslib_cp.infrastructure import open_driver
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS
from chaoslib_cp.settings import Settings

_LACKING = {"probes": "nobody watching", "pause": "no time for anything to happen"}


def control_refusals(control: Mapping[str, Any]) -> Iterator[str]:
    """Find what would keep the control from seeing the whole run."""
    if control.get("scope"):
        yield f"control {control.get('name')!r} has a scope: it would see only half of the run; remove `scope`"
    if control.get("automatic") is False:
        yield f"control {control.get('name')!r} is not automatic: it would not see activities; remove `automatic`"


def experiment_refusals(
    experiment: Mapping[str, Any], runtime: Mapping[str, Any], configuration: Mapping[str, Any], settings: Settings
) -> Iterator[str]:
    """Find what would make a run unsafe or its verdict wrong, or what an activity would refuse in the middle of it.

    Args:
        experiment: The experiment.
        runtime: The strategies in force (file and command line together).
        configuration: The resolved configuration, for what arguments ask of it.
        settings: What was read of it.
    """
    yield from problems()
    yield from _strategy_refusals(experiment, runtime)
    dry = getattr(experiment.get("dry"), "value", None)
    if dry in ("probes", "pause"):
        yield f"--dry {dry} would inject all the same, with {_LACKING[dry]}; use --dry actions"
    yield from _secret_refusals(experiment)
    yield from given_refusals(experiment)
    yield from extension_refusals(experiment, configuration)
    yield from rule_refusals(experiment, settings)
    yield from watching_refusals(settings)
    yield from image_refusals(settings)
    yield from _cluster_setting_refusals(settings)
    method, rollbacks = experiment.get("method") or [], experiment.get("rollbacks") or []
    hypothesis = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    for activity in [*hypothesis, *method, *rollbacks]:
        yield from _activity_refusals(activity, configuration, settings)
    for activity in method:
        if "tolerance" in activity:
            yield f"{activity.get('name')!r}: a tolerance in the method is never looked at; move it to the hypothesis"
    yield from _never_stopped(method, rollbacks)


def cluster_refusals(settings: Settings) -> Iterator[str]:
    """Say why no cluster can be chosen from here, if so; asks nothing of any cluster."""
    try:
        choose(settings, "runner")
    except TargetRefused as error:
        yield str(error)


def _cluster_setting_refusals(settings: Settings) -> Iterator[str]:
    reads = [max_nodes] if settings.infrastructure == "none" else [max_nodes, open_driver]
    for read in reads:
        try:
            read(settings)
        except ControlPlaneError as error:
            yield str(error)


def _secret_refusals(experiment: Mapping[str, Any]) -> Iterator[str]:
    secrets = experiment.get("secrets") or {}
    if not isinstance(secrets, Mapping):
        yield "secrets is no mapping of scopes; use one, with entries that have a type, such as env"
        return
    for scope, entries in secrets.items():
        if not isinstance(entries, Mapping):
            yield f"secrets.{scope} is no mapping of names to entries; use entries with a type, such as env"
            continue
        written = [key for key, value in entries.items() if not isinstance(value, Mapping) or "type" not in value]
        if written:
            yield (
                f"secrets.{scope}.{written[0]} is written in the file, and Chaos Toolkit copies the file into its "
                "journal; use an entry with a type, such as env"
            )


def _strategy_refusals(experiment: Mapping[str, Any], runtime: Mapping[str, Any]) -> Iterator[str]:
    rollbacks = (runtime.get("rollbacks") or {}).get("strategy", "default")
    if rollbacks != "always":
        yield f"rollbacks strategy is {rollbacks!r}: rollbacks are skipped when most needed; use `always`"
    hypothesis = (runtime.get("hypothesis") or {}).get("strategy", "default")
    if experiment.get("steady-state-hypothesis") and hypothesis != "continuously":
        yield f"hypothesis strategy is {hypothesis!r}: a failure that heals itself is missed; use `continuously`"


def _activity_refusals(
    activity: Mapping[str, Any], configuration: Mapping[str, Any], settings: Settings
) -> Iterator[str]:
    name = activity.get("name", activity.get("ref"))
    if activity.get("background"):
        yield f"{name!r} runs in the background, where nothing can stop it early; use a start_/stop_ pair"
    yield from argument_refusals(activity, configuration, settings.source_of)
    if _function(activity) == DNS_RESTART.start and settings.infrastructure == "none":
        yield from _driver_refusals(name, activity, configuration)


def _never_stopped(method: Iterable[Mapping[str, Any]], rollbacks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Each fault that leaves something must have its stop action in the rollbacks."""
    stops = {_function(activity) for activity in rollbacks}
    needed = {kind.start: kind.stop for kind in fault_kinds() if kind.stop}
    for activity in method:
        stop = needed.get(_function(activity))
        if stop and stop not in stops:
            module, _, function = stop.partition(":")
            yield f"{activity.get('name')!r} is never stopped: add {function} of {module} to rollbacks"


def _driver_refusals(name: object, activity: Mapping[str, Any], configuration: Mapping[str, Any]) -> Iterator[str]:
    arguments = (activity.get("provider") or {}).get("arguments") or {}
    coupling = filled(arguments.get("coupling"), configuration)
    if coupling in tuple(CONTAINER_ACTS):
        yield (
            f"{name!r}: coupling {coupling} needs an infrastructure driver, and none is chosen; "
            "set configuration.infrastructure, or use coupling delete-pods"
        )


def _function(activity: Mapping[str, Any]) -> str:
    """What an activity calls, as the tables of faults name it."""
    provider = activity.get("provider") or {}
    return f"{provider.get('module')}:{provider.get('func')}"
