"""What Kubernetes cannot do for you when its API is down: a driver reaches the machines another way."""

from chaoslib_cp.errors import ProfileInvalid, TargetRefused
from chaoslib_cp.infrastructure.command import CommandDriver
from chaoslib_cp.infrastructure.driver import Driver
from chaoslib_cp.infrastructure.kind import KindDriver
from chaoslib_cp.infrastructure.testbed import TestbedDriver
from chaoslib_cp.settings import Settings

__all__ = ["Driver", "open_driver"]


def open_driver(settings: Settings) -> Driver:
    """The driver an experiment chose with ``configuration.infrastructure``.

    Args:
        settings: ``infrastructure`` is ``none``, ``testbed``, ``kind``, ``kind:CLUSTER`` or ``command:/path``; without
            it the environment that ``chaos cp exec`` sets decides.

    Raises:
        TargetRefused: None was chosen, so what was asked cannot be done; nothing was changed.
        ProfileInvalid: No such driver.
    """
    chosen = settings.infrastructure
    name, _, detail = chosen.partition(":")
    match name:
        case "testbed":
            return TestbedDriver()
        case "kind":
            return KindDriver(detail or "kind")
        case "command":
            return CommandDriver(detail)
        case "none":
            raise TargetRefused(
                "no infrastructure driver is configured, so containers cannot be reached without the API; "
                "nothing was changed; set configuration.infrastructure to testbed, kind or command:/path"
            )
    raise ProfileInvalid(
        f"{settings.said('infrastructure')} is {chosen!r}; nothing was changed; "
        "use none, testbed, kind or command:/path"
    )
