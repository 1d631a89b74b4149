"""What ``chaos cp restart-containers`` and its siblings share: one of a driver's acts on containers of pods."""

import click

from chaoslib_cp.cli import output


def command_for(act: str, help_text: str) -> click.Command:
    """Make the hidden command of one act, which the infrastructure driver of the testbed calls.

    Args:
        act: Its name in ``CONTAINER_ACTS``.
        help_text: What the command says of itself.
    """

    @click.command(act, hidden=True, help=help_text)
    @output.name_option
    @click.option("--namespace", required=True, help="Namespace of the pods.")
    @click.option("--label", "labels", multiple=True, required=True, metavar="KEY=VALUE", help="Label pods must have.")
    @click.option("--pod-uid", "pod_uids", multiple=True, required=True, metavar="UID", help="A pod; repeatable.")
    @output.json_option
    def command(name: str, namespace: str, labels: tuple[str, ...], pod_uids: tuple[str, ...], as_json: bool) -> None:
        from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS
        from chaoslib_cp.testbed.cri.client import act_on_containers
        from chaoslib_cp.testbed.cri.server import SOCKET
        from chaoslib_cp.testbed.inside import ready_state
        from chaoslib_cp.testbed.instance import Instance

        ready_state(name)
        sockets = sorted(Instance(name).folder.glob(f"nodes/*/{SOCKET}"))
        done = act_on_containers(CONTAINER_ACTS[act], sockets, namespace, parse_labels(labels), pod_uids)
        answer = {CONTAINER_ACTS[act].answer: done}
        output.show(answer, as_json, lambda: "\n".join(done) or "no running container matched")

    return command


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
