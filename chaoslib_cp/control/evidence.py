"""What a reader needs to believe a result: versions, effective parameters, and what the cluster stands for."""

import json
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE, SCALE_NAME
from chaoslib_cp.control.extension import own_blocks
from chaoslib_cp.control.placeholder import PLACEHOLDER, filled
from chaoslib_cp.dns.pods import BACK_OFF_S, recent_crashes
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import OWN_KEYS, Settings
from chaoslib_cp.version import VERSION

_DISTRIBUTIONS = ("chaostoolkit", "chaostoolkit-lib", "chaostoolkit-kubernetes", "kubernetes")
_SCALE_PATH = f"/api/v1/namespaces/{LIBRARY_NAMESPACE}/configmaps/{SCALE_NAME}"
_SCALE_KEY = "scale.json"
_READ_TIMEOUT_S = 5.0
_SECRET = re.compile(r"token|pass|pwd|secret|credential|cert|key|auth|private|bearer", re.IGNORECASE)


def versions(settings: Settings) -> dict[str, str]:
    """Name the versions that shape a result; asked while the API is healthy."""
    found = {"chaostoolkit-cp": VERSION, "python": platform.python_version(), "system": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    server = _read("/version", settings)
    found["kube-apiserver"] = str(server.get("gitVersion") or server.get("unknown"))
    return found


def scale(settings: Settings) -> dict[str, Any]:
    """Read what the cluster stands for, which whoever built it wrote into ConfigMap chaoslib-cp/chaoslib-cp-scale.

    Returns:
        Its ``scale.json``; ``{"unknown": why}`` when there is none: nobody said what this cluster stands for.
    """
    found = _read(_SCALE_PATH, settings)
    if "unknown" in found:
        return found
    try:
        content = json.loads((found.get("data") or {}).get(_SCALE_KEY, ""))
    except ValueError:
        return {"unknown": f"ConfigMap {LIBRARY_NAMESPACE}/{SCALE_NAME} has no readable {_SCALE_KEY}"}
    return content if isinstance(content, dict) else {"unknown": f"{_SCALE_KEY} is not a mapping"}


def own_knobs(experiment: Mapping[str, Any], configuration: Mapping[str, Any]) -> list[str]:
    """Name what the experiment itself says is not realistic in it: ``unrealistic`` of our extension block.

    Args:
        experiment: The experiment.
        configuration: The resolved configuration; ``${name}`` in a sentence stands for its value in this run.
    """

    def value(found: re.Match[str]) -> str:
        given = filled(found.group(), configuration)
        is_told = isinstance(given, str | int | float) and not _SECRET.search(found.group(1))
        return f"{given:g}" if is_told and isinstance(given, float) else str(given) if is_told else found.group()

    return [
        PLACEHOLDER.sub(value, str(knob)) for block in own_blocks(experiment) for knob in block.get("unrealistic") or []
    ]


def back_off_notes(settings: Settings, now_epoch_s: float) -> list[str]:
    """Say which DNS servers crashed a short while ago, for example in an earlier run: recovery would take longer."""
    try:
        with open_cluster(settings) as cluster:
            crashes = recent_crashes(cluster, now_epoch_s, _READ_TIMEOUT_S)
    except ControlPlaneError:
        return []
    return [
        f"{pod} crashed {since_s:.0f} s ago: its kubelet backs off up to 300 s after the next crash, so this run's DNS "
        f"comes back late; wait {BACK_OFF_S / 60:.0f} minutes between runs, or take a fresh testbed"
        for pod, since_s in sorted(crashes.items())
    ]


def with_knobs(scale_of_cluster: Mapping[str, Any], knobs: Iterable[str]) -> dict[str, Any]:
    """Add what is not realistic in this run."""
    knobs = list(knobs)
    already = scale_of_cluster.get("unrealistic") or []
    return {**scale_of_cluster, "unrealistic": [*already, *knobs]} if knobs else dict(scale_of_cluster)


def parameters(
    experiment: Mapping[str, Any], configuration: Mapping[str, Any], outputs: Iterable[tuple[str, Any]]
) -> dict[str, Any]:
    """Collect what was really played: the configuration's plain values, and what activities say they used.

    Chaos Toolkit's journal keeps the unresolved file, so this is the only place where values given on the command line
    or by the environment are kept. A configuration may hold secrets under any name, so a value is shown only where
    this library reads it, which reads no secrets, or where an activity of ours is given it, it is plain, and its name
    does not look like a secret's.

    Returns:
        ``configuration`` (name to value), ``not_shown`` (names of all other keys of it) and ``activities``.
    """
    known = OWN_KEYS | set(_references(experiment))
    shown = {
        key: value
        for key, value in configuration.items()
        if key in OWN_KEYS or (key in known and isinstance(value, str | int | float | bool) and not _SECRET.search(key))
    }
    used = {
        name: output["parameters"]
        for name, output in outputs
        if isinstance(output, Mapping) and isinstance(output.get("parameters"), Mapping)
    }
    return {"configuration": shown, "not_shown": sorted(configuration.keys() - shown.keys()), "activities": used}


def _references(experiment: Mapping[str, Any]) -> list[str]:
    """Names of the configuration that our own activities and our extension block are given."""
    hypothesis = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    activities = [*hypothesis, *(experiment.get("method") or []), *(experiment.get("rollbacks") or [])]
    providers = [(one.get("provider") or {}, one.get("pauses")) for one in activities]
    ours = [
        (provider.get("arguments"), pauses)
        for provider, pauses in providers
        if str(provider.get("module", "")).startswith("chaoslib_cp.")
    ]
    return PLACEHOLDER.findall(json.dumps([ours, list(own_blocks(experiment))], default=str))


def _read(path: str, settings: Settings) -> dict[str, Any]:
    try:
        with open_cluster(settings) as cluster:
            found = cluster.get(path, timeout_s=_READ_TIMEOUT_S)
    except ControlPlaneError as error:
        return {"unknown": str(error)}
    return found if found is not None else {"unknown": f"there is no {path.rpartition('/')[2]} in the cluster"}
