"""Your own program as a driver: it is told what to do by arguments and answers in JSON."""

from collections.abc import Collection
from pathlib import Path

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.infrastructure.container_act import ContainerAct, act_arguments, done_from_json
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program
from chaoslib_cp.infrastructure.setting import Value, read_arguments, set_arguments, value_from_json


class CommandDriver:
    """Starts ``PROGRAM restart-containers --namespace N --label K=V --pod-uid UID ...``.

    It answers ``{"killed": ["...", ...]}``. The other acts are told in the same way: ``reload-containers``, answered
    with ``reloaded``, and ``oom-kill-containers``, with ``oom_killed``. That it touches nothing but containers of pods
    with these UIDs is its duty: nobody can check it from here.

    ``PROGRAM read-setting --setting NAME --cluster-uid UID`` and ``set-setting`` with
    ``--value`` and ``--expected`` beside these answer ``{"value": ...}``, what the setting is then. That it belongs to
    the cluster with that UID, and is set only where it is as expected, is its duty as well.
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

    def act_on_containers(
        self, act: ContainerAct, namespace: str, label: str, pod_uids: Collection[str], timeout_s: float
    ) -> list[str]:
        """Let the program do it to the containers of these pods; see :class:`Driver`."""
        arguments = act_arguments(act, namespace, label, pod_uids)
        return done_from_json(self._program, act, run_program([self._program, *arguments], timeout_s))

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:  # noqa: ARG002 - the contract has it
        """Nothing here counts it; see :class:`Driver`."""
        return None

    def read_setting(self, name: str, cluster_uid: str, timeout_s: float) -> Value:
        """Ask the program; see :class:`Driver`."""
        return value_from_json(
            self._program, run_program([self._program, *read_arguments(name, cluster_uid)], timeout_s)
        )

    def set_setting(self, name: str, value: Value, expected: Value, cluster_uid: str, timeout_s: float) -> Value:
        """Tell the program; see :class:`Driver`."""
        command = self.set_command(name, value, expected, cluster_uid)
        return value_from_json(self._program, run_program(command, timeout_s))

    def set_command(self, name: str, value: Value, expected: Value, cluster_uid: str) -> list[str]:
        """The program with its arguments."""
        return [self._program, *set_arguments(name, value, expected, cluster_uid)]
