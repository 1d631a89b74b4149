"""Probes of DNS as workloads use it. None raises for sick DNS, none changes anything."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.observe.evidence import gather, summary
from chaoslib_cp.vantage import all_points

__all__ = ["workload_dns"]


def _known_path(path: str, **_others: object) -> str:
    """The vantage point of a path."""
    by_path = {point.dns_path: point.name for point in all_points() if point.dns_path}
    if path not in by_path:
        raise ProfileInvalid(f"path is {path!r}; nothing was asked; use one of {', '.join(by_path)}")
    return by_path[path]


@activity(between(window_s=(1, 280), min_ok_ratio=(0, 1)), _known_path)
def workload_dns(
    path: str = "cached",
    window_s: float = 10.0,
    min_ok_ratio: float = 0.9,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether a pod's DNS questions get the right answer, as the workload prober sees it.

    Reads the observer's samples; reads the prober's own page where there are none. Changes nothing.

    Args:
        path: Which way the question goes: ``cached`` (the pod's own resolv.conf, so through the node cache),
            ``uncached`` (the cluster DNS Service), ``pods`` (each DNS server), ``external`` (a name outside).
        window_s: Seconds to look back, 1 to 280: the prober keeps about 280 s.
        min_ok_ratio: Share of questions with the right answer, 0 to 1.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``, ``worst_latency_s``, ``by`` (observer or probe).

    Raises:
        ProfileInvalid: An argument is wrong; nothing was asked.
    """
    vantage = _known_path(path)
    return summary(gather(settings_of(configuration, secrets), [vantage], window_s)[vantage], min_ok_ratio)
