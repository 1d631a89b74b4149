"""``chaos cp manifests``: what a cluster's owner applies before the first run."""

from typing import Any

import click

from chaoslib_cp.cli import output
from chaoslib_cp.version import VERSION

DEFAULT_IMAGE = f"chaoslib-cp:{VERSION}"


@click.command("manifests")
@click.option("--image", default=DEFAULT_IMAGE, show_default=True, help="Where your cluster finds the agent's image.")
@output.json_option
def command(image: str, as_json: bool) -> None:
    """Print namespace, roles and workload prober, for `kubectl apply --filename -`.

    Nothing is sent to a cluster. A testbed has all of it already.
    """
    import yaml

    from chaoslib_cp.cluster.roles import role_manifests

    items = [*role_manifests(), *_prober(image)]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    output.show(listed, as_json, lambda: str(yaml.safe_dump_all(items, sort_keys=False)).rstrip())


def _prober(image: str) -> list[dict[str, Any]]:
    from importlib import resources

    import yaml

    text = (resources.files("chaoslib_cp.agent") / "manifests" / "prober.yaml").read_text()
    manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
    for manifest in manifests:
        for container in manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            container["image"] = image
    return manifests
