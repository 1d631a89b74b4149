"""``chaos cp oom-kill-containers``: what the infrastructure driver of the testbed calls."""

from chaoslib_cp.cli.container_act import command_for

command = command_for(
    "oom-kill-containers",
    """Lower the memory limit of the containers of the pods with these UIDs, so that the kernel kills them.

    Their kubelet starts them again with the limit of their pod. One that lives on gets its own limit back. Pods of
    other UIDs are left alone, and the API server is not asked.
    """,
)
