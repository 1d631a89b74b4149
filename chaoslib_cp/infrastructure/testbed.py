"""The embedded testbed, spoken to as to any other infrastructure: by command line and JSON."""

import json
from collections.abc import Collection

from chaoslib_cp.errors import TargetUnreachable
from chaoslib_cp.infrastructure.container_act import ContainerAct, act_arguments, done_from_json
from chaoslib_cp.infrastructure.driver import CpuSeconds, run_program
from chaoslib_cp.infrastructure.setting import Value, read_arguments, set_arguments, value_from_json
from chaoslib_cp.inheritance import Kind, chaos_command

_AGENTS = "farm"


class TestbedDriver:
    """Uses ``chaos cp``; the environment of ``chaos cp exec`` says which testbed."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    def act_on_containers(
        self, act: ContainerAct, namespace: str, label: str, pod_uids: Collection[str], timeout_s: float
    ) -> list[str]:
        """Ask the runtimes of all kubelet nodes; see :class:`Driver`."""
        said = _chaos_cp(act_arguments(act, namespace, label, pod_uids), timeout_s)
        return done_from_json("chaos cp", act, said)

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:
        """Read the control groups; the agents are those of the fake nodes. See :class:`Driver`."""
        said = _chaos_cp(["status"], timeout_s)
        try:
            groups: dict[str, float] = json.loads(said)["cpu_s"]
            servers_s = [used_s for group, used_s in groups.items() if group.startswith("kube-apiserver-")]
            return CpuSeconds(sum(servers_s), groups[_AGENTS]) if servers_s and _AGENTS in groups else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TargetUnreachable("chaos cp status did not answer with cpu_s; is the testbed up?") from error

    def read_setting(self, name: str, cluster_uid: str, timeout_s: float) -> Value:
        """Read the control groups; see :class:`Driver`."""
        return value_from_json("chaos cp read-setting", _chaos_cp(read_arguments(name, cluster_uid), timeout_s))

    def set_setting(self, name: str, value: Value, expected: Value, cluster_uid: str, timeout_s: float) -> Value:
        """Write the control groups; see :class:`Driver`."""
        said = _chaos_cp(set_arguments(name, value, expected, cluster_uid), timeout_s)
        return value_from_json("chaos cp set-setting", said)

    def set_command(self, name: str, value: Value, expected: Value, cluster_uid: str) -> list[str]:
        """The command, typed inside the testbed."""
        return ["chaos", "cp", *set_arguments(name, value, expected, cluster_uid)]


def _chaos_cp(arguments: list[str], timeout_s: float) -> str:
    return run_program(chaos_command("cp", *arguments, "--json"), timeout_s, Kind.OURS)
