"""``chaos cp reload-containers``: what the infrastructure driver of the testbed calls."""

from chaoslib_cp.cli.container_act import command_for

command = command_for(
    "reload-containers",
    """Send SIGUSR1 to the containers of the pods with these UIDs: CoreDNS reads its Corefile anew and lists anew.

    Pods of other UIDs are left alone, and the API server is not asked. Another program than
    CoreDNS does at that signal what it does.
    """,
)
