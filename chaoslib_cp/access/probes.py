"""Probes of people's access. A write is made as a dry run: it goes all the way through, nothing is kept."""

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.observe.evidence import gather, summary
from chaoslib_cp.vantage import ADMIN_WRITE, BREAK_GLASS_WRITE

__all__ = ["admin_write", "break_glass_write"]


@activity(between(window_s=(1, 300), min_ok_ratio=(0, 1)))
def admin_write(
    window_s: float = 10.0,
    min_ok_ratio: float = 0.9,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether an ordinary administrator, not exempt from fair queueing, can write within 5 s.

    Reads the observer's samples; tries one dry-run write where there are none. Keeps nothing in the cluster.

    Args:
        window_s: Seconds to look back, 1 to 300. The observer tries every 3 s, unless ``observe_periods_s`` of the
            configuration says otherwise.
        min_ok_ratio: Share of attempts that must succeed, 0 to 1.
        configuration: The experiment's configuration; ``admin_context`` names the identity.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``, ``worst_latency_s``, ``by`` (observer or probe).

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.
    """
    name = ADMIN_WRITE.name
    return summary(gather(settings_of(configuration, secrets), [name], window_s)[name], min_ok_ratio)


@activity(between(window_s=(1, 300), min_ok_ratio=(0, 1)))
def break_glass_write(
    window_s: float = 20.0,
    min_ok_ratio: float = 0.5,
    configuration: JsonObject = ABSENT,
    secrets: JsonObject = ABSENT,
) -> JsonObject:
    """Say whether the break-glass identity, exempt from fair queueing, can write within 10 s.

    Reads the observer's samples; tries one dry-run write where there are none. Keeps nothing in the cluster.

    Args:
        window_s: Seconds to look back, 1 to 300. The observer tries every 9 s, unless ``observe_periods_s`` of the
            configuration says otherwise.
        min_ok_ratio: Share of attempts that must succeed, 0 to 1; it is the last way in, slow is good enough.
        configuration: The experiment's configuration; ``break_glass_context`` names the identity.
        secrets: chaosk8s' own keys.

    Returns:
        ``ok``, ``ok_ratio`` (0..1), ``samples``, ``last_outcome``, ``worst_latency_s``, ``by`` (observer or probe).

    Raises:
        ProfileInvalid: An argument is out of its range; nothing was asked.
    """
    name = BREAK_GLASS_WRITE.name
    return summary(gather(settings_of(configuration, secrets), [name], window_s)[name], min_ok_ratio)
