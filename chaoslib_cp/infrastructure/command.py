"""Your own program as a driver: it is told what to do by arguments and answers in JSON."""

from collections.abc import Collection
from pathlib import Path

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.infrastructure.driver import CpuSeconds, killed_from_json, restart_arguments, run_program


class CommandDriver:
    """Starts ``PROGRAM restart-containers --namespace N --label K=V --pod-uid UID ...``.

    It answers ``{"killed": ["...", ...]}``. That it kills nothing but containers of pods with these UIDs is its duty:
    nobody can check it from here.
    """

    def __init__(self, program: str) -> None:
        """Check the path.

        Raises:
            ProfileInvalid: It is not an absolute path: a name found on PATH could be anybody's.
        """
        if not Path(program).is_absolute():
            raise ProfileInvalid(
                f"configuration.infrastructure names the command {program!r}; nothing was changed; give its full path"
            )
        self._program = program

    def restart_containers(self, namespace: str, label: str, pod_uids: Collection[str], timeout_s: float) -> list[str]:
        """Let the program kill the containers of these pods; see :class:`Driver`."""
        arguments = restart_arguments(namespace, label, pod_uids)
        return killed_from_json(self._program, run_program([self._program, *arguments], timeout_s))

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:  # noqa: ARG002 - the contract has it
        """Nothing here counts it; see :class:`Driver`."""
        return None
