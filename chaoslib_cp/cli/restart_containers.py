"""``chaos cp restart-containers``: what the infrastructure driver of the testbed calls."""

from chaoslib_cp.cli.container_act import command_for

command = command_for(
    "restart-containers",
    """Kill the containers of the pods with these UIDs, as a crash would; their kubelet starts them again.

    Pods of other UIDs are left alone, whatever their labels: the testbed may not be the cluster that was meant. The API
    server is not asked, so this works while it does not answer.
    """,
)
