"""What a driver can do to containers without the API: a closed table, and how a driver program is told and answers."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.errors import TargetUnreachable


@dataclass(frozen=True)
class ContainerAct:
    """One thing that can be done to the containers of some pods.

    Attributes:
        name: What a driver program is told, and the coupling of ``restart_dns_pods``.
        answer: Key of its answer. One for each act, so that a program that knows only one of them is found out.
        done: What containers are then, for people.
        after: Why there is nothing to undo.
    """

    name: str
    answer: str
    done: str
    after: str


RESTART: Final = ContainerAct("restart-containers", "killed", "killed", "the kubelet starts them again")
"""Killed by SIGKILL, as a crash would."""
RELOAD: Final = ContainerAct("reload-containers", "reloaded", "told to reload", "they run on with what they have read")
"""SIGUSR1 to the first process of each, at which CoreDNS reads its Corefile again and makes all its plugins anew."""
OOM_KILL: Final = ContainerAct(
    "oom-kill-containers",
    "oom_killed",
    "killed by their memory limit",
    "the kubelet starts them again, with the limit of their pod",
)
"""The memory limit of each is lowered below what it uses, so that the kernel kills it."""
CONTAINER_ACTS: Final[Mapping[str, ContainerAct]] = {one.name: one for one in (RESTART, RELOAD, OOM_KILL)}

LOWERED_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""The limit that kills: half of what CoreDNS 1.14.7 needs without a cluster, its program's own pages not counted."""
OOM_KILL_WITHIN_S: Final = 10.0
"""How long the kernel may take; it needs milliseconds, and a second where control groups are of version 1."""


def act_arguments(act: ContainerAct, namespace: str, label: str, pod_uids: Collection[str]) -> list[str]:
    """How a driver program is told what to do to which pods' containers, UID by UID."""
    uids = [argument for uid in pod_uids for argument in ("--pod-uid", uid)]
    return [act.name, "--namespace", namespace, "--label", label, *uids]


def done_from_json(program: str, act: ContainerAct, text: str) -> list[str]:
    """Read the answer of a driver program, for example ``{"killed": ["worker-1/coredns"]}``.

    Raises:
        TargetUnreachable: It answered something else.
    """
    try:
        done = json.loads(text)[act.answer]
        if isinstance(done, list):
            return [str(one) for one in done]
    except (ValueError, KeyError, TypeError):
        pass
    raise TargetUnreachable(
        f'{program} {act.name} did not answer {{"{act.answer}": [...]}}; what it had done stays; correct the program'
    )
