"""``chaos cp restart-containers``: what the infrastructure driver of the testbed calls."""

import click

from chaoslib_cp.cli import output


@click.command("restart-containers", hidden=True)
@output.name_option
@click.option("--namespace", required=True, help="Namespace of the pods.")
@click.option("--label", "labels", multiple=True, required=True, metavar="KEY=VALUE", help="Label the pods must have.")
@click.option("--pod-uid", "pod_uids", multiple=True, required=True, metavar="UID", help="Pods to kill; repeatable.")
@output.json_option
def command(name: str, namespace: str, labels: tuple[str, ...], pod_uids: tuple[str, ...], as_json: bool) -> None:
    """Kill the containers of the pods with these UIDs, as a crash would; their kubelet starts them again.

    Pods of other UIDs are left alone, whatever their labels: the testbed may not be the cluster that was meant. The API
    server is not asked, so this works while it does not answer.
    """
    from chaoslib_cp.testbed.cri.client import kill_containers
    from chaoslib_cp.testbed.cri.server import SOCKET
    from chaoslib_cp.testbed.inside import ready_state
    from chaoslib_cp.testbed.instance import Instance

    ready_state(name)
    sockets = sorted(Instance(name).folder.glob(f"nodes/*/{SOCKET}"))
    killed = kill_containers(sockets, namespace, parse_labels(labels), pod_uids)
    output.show({"killed": killed}, as_json, lambda: "\n".join(killed) or "no running container matched")


def parse_labels(labels: tuple[str, ...]) -> dict[str, str]:
    """Turn KEY=VALUE texts into a mapping.

    Raises:
        click.BadParameter: One has no key or no equals sign.
    """
    pairs = [label.partition("=") for label in labels]
    for key, separator, value in pairs:
        if not key or not separator:
            raise click.BadParameter(f"{key}{separator}{value} is not KEY=VALUE", param_hint="--label")
    return {key: value for key, _, value in pairs}
