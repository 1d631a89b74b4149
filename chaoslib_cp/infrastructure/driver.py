"""The contract of a driver, and how all of them start programs."""

import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.infrastructure.container_act import ContainerAct
from chaoslib_cp.infrastructure.setting import Value
from chaoslib_cp.inheritance import Kind, handed_to


@dataclass(frozen=True)
class CpuSeconds:
    """CPU time used so far.

    Attributes:
        api_servers_s: By all API servers together.
        agents_s: By what plays the telemetry agents.
    """

    api_servers_s: float
    agents_s: float


class Driver(Protocol):
    """Reaches a cluster's machines without its API."""

    def act_on_containers(
        self, act: ContainerAct, namespace: str, label: str, pod_uids: Collection[str], timeout_s: float
    ) -> list[str]:
        """Do one thing of ``CONTAINER_ACTS`` to the containers of these pods.

        A driver goes by a name, which another cluster may bear too; the UIDs are what says that a pod is of the cluster
        that was meant, so everything else is left alone.

        Args:
            act: What is done.
            namespace: Namespace of the pods.
            label: ``key=value`` of the pods.
            pod_uids: UIDs of the pods; without any nothing is done.
            timeout_s: Limit of everything.

        Returns:
            To what it was done, for people: container ids or names; empty when none of the pods has a container running
            there, and then nothing was changed.

        Raises:
            TargetRefused: The driver cannot be used here; nothing was changed.
            TargetUnreachable: It failed or took too long; it may have been done to some containers.
        """

    def cpu_seconds(self, timeout_s: float) -> CpuSeconds | None:
        """Read CPU time where it is counted, without asking the API; None where this driver cannot.

        Args:
            timeout_s: Limit of everything.

        Raises:
            TargetRefused: The driver cannot be used here.
            TargetUnreachable: It failed or took too long.
        """

    def read_setting(self, name: str, cluster_uid: str, timeout_s: float) -> Value:
        """Read one setting of ``SETTINGS``.

        Args:
            name: Its name.
            cluster_uid: UID of the cluster that is meant: a driver's name may lead to another one.
            timeout_s: Limit of everything.

        Raises:
            TargetRefused: The driver cannot do it here.
            TargetUnreachable: It failed, took too long, or leads to another cluster.
        """

    def set_setting(self, name: str, value: Value, expected: Value, cluster_uid: str, timeout_s: float) -> Value:
        """Set one setting where it is as expected, and leave it alone otherwise.

        Args:
            name: Its name.
            value: What it is to be.
            expected: What it must be now.
            cluster_uid: UID of the cluster that is meant.
            timeout_s: Limit of everything.

        Returns:
            What it is then: ``value``, or what somebody else has set.

        Raises:
            TargetRefused: The driver cannot do it here; nothing was changed.
            TargetUnreachable: It failed, took too long, or leads to another cluster; it may have been set.
        """

    def set_command(self, name: str, value: Value, expected: Value, cluster_uid: str) -> list[str]:
        """The command that does the same by hand; empty where there is none."""


def run_program(argv: Sequence[str], timeout_s: float, kind: Kind = Kind.THEIRS) -> str:
    """Start a program without a shell and return what it wrote.

    Args:
        argv: Program and arguments.
        timeout_s: Limit of everything.
        kind: Whose program it is; that decides what it inherits.

    Raises:
        TargetRefused: There is no such program; nothing was changed.
        TargetUnreachable: It failed or took too long.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise TargetRefused(f"{argv[0]} is not installed; nothing was changed; install it or use another driver")
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            encoding="utf-8",
            errors="replace",
            **handed_to(kind),
        )
    except subprocess.TimeoutExpired as error:
        raise TargetUnreachable(
            f"{argv[0]} took more than {timeout_s:g} s and was stopped; what it had done stays; look at the cluster"
        ) from error
    except OSError as error:
        raise TargetRefused(f"{argv[0]} cannot be started: {error.strerror}; nothing was changed") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing said").splitlines()[-1][:200]
        raise TargetUnreachable(f"{argv[0]} ended with {done.returncode}: {said}; what it had done stays")
    return done.stdout
