"""``chaos cp manifests``: what a cluster's owner applies before the first run."""

import ipaddress

import click

from chaoslib_cp.cli import output
from chaoslib_cp.version import VERSION


@click.command("manifests")
@click.option("--image", default=f"chaoslib-cp:{VERSION}", show_default=True, help="Where the cluster finds our image.")
@click.option("--cluster-dns", default="10.96.0.10", show_default=True, help="ClusterIP of cluster DNS.")
@click.option("--cluster-domain", default="cluster.local", show_default=True, help="The cluster's DNS domain.")
@click.option("--external-name", default="", help="A name outside that the prober asks for; none by default.")
@output.json_option
def command(image: str, cluster_dns: str, cluster_domain: str, external_name: str, as_json: bool) -> None:
    """Print namespace, roles and workload prober, for `kubectl apply --filename -`.

    Nothing is sent to a cluster. A testbed has all of it already. The prober asks cluster DNS where --cluster-dns and
    --cluster-domain say it is. Faults of extensions (CHAOSLIB_CP_EXTENSIONS) bring roles of their own.
    """
    import yaml

    from chaoslib_cp.agent.manifests import prober_manifests
    from chaoslib_cp.cluster.gate.roles import fault_roles, role_manifests
    from chaoslib_cp.faults import fault_kinds

    try:
        ipaddress.ip_address(cluster_dns)
    except ValueError:
        raise click.BadParameter(
            f"{cluster_dns!r} is no IP address; give that of the Service of cluster DNS "
            "(`kubectl --namespace kube-system get service kube-dns`)",
            param_hint="--cluster-dns",
        ) from None
    roles = [*role_manifests(), *fault_roles(fault_kinds())]
    prober = prober_manifests(cluster_dns, image, external_name, cluster_domain)
    items = [*roles, *(one for one in prober if one not in roles)]  # both need the namespace
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    output.show(listed, as_json, lambda: str(yaml.safe_dump_all(items, sort_keys=False)).rstrip())
