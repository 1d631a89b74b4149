"""``chaos cp manifests``: what a cluster's owner applies before the first run."""

import ipaddress
import re
from typing import TYPE_CHECKING

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cluster.gate.roles import AGENT_ACCOUNT
from chaoslib_cp.version import VERSION

if TYPE_CHECKING:
    from chaoslib_cp.agent.manifests import DnsPlace

_LABEL = re.compile(r"(?:[a-z0-9.-]+/)?[A-Za-z0-9_.-]{1,63}=[A-Za-z0-9_.-]{0,63}")


@click.command("manifests")
@click.option("--image", default=f"chaoslib-cp:{VERSION}", show_default=True, help="Where the cluster finds our image.")
@click.option("--image-pull-secret", default="", help="Secret of namespace chaoslib-cp to pull it with.")
@click.option("--cluster-dns", default="", help="ClusterIP of cluster DNS; by default what pods have in resolv.conf.")
@click.option("--cluster-domain", default="", help="The cluster's DNS domain; by default what pods have there.")
@click.option("--dns-namespace", default="kube-system", show_default=True, help="Namespace of the pods of cluster DNS.")
@click.option("--dns-selector", default="k8s-app=kube-dns", show_default=True, help="Labels of these pods.")
@click.option("--dns-port", type=click.IntRange(1, 65535), default=53, show_default=True, help="The port they answer.")
@click.option(
    "--agent-account",
    "agent_accounts",
    default=(AGENT_ACCOUNT,),
    multiple=True,
    show_default=True,
    help="ServiceAccount that rollouts make for agents; may be given several times.",
)
@click.option("--prober-nodes", default="", help="Labels of the nodes that get a prober; by default all Linux nodes.")
@click.option("--external-name", default="", help="A name outside that the prober asks for; none by default.")
@click.option("--service-accounts", is_flag=True, help="ServiceAccounts too, for `chaos cp kubeconfig --tokens`.")
@click.option("--admin-group", default="", help="A group to make cluster-admin, where no usable one is.")
@output.json_option
def command(  # noqa: PLR0913 - one for each option
    image: str,
    image_pull_secret: str,
    cluster_dns: str,
    cluster_domain: str,
    dns_namespace: str,
    dns_selector: str,
    dns_port: int,
    agent_accounts: tuple[str, ...],
    prober_nodes: str,
    external_name: str,
    service_accounts: bool,
    admin_group: str,
    as_json: bool,
) -> None:
    """Print namespace, roles and workload prober, for `kubectl apply --filename -`.

    Nothing is sent to a cluster. A testbed has all of it already. Agents are given the prober's image and pull secret,
    too. Where a node-local cache is what pods have in resolv.conf, --cluster-dns says the address behind it; on
    OpenShift the pods of cluster DNS are in openshift-dns. Each node gets a prober, and a run reads ten of them: on a
    larger cluster label ten nodes, and say which with --prober-nodes. Faults of extensions (CHAOSLIB_CP_EXTENSIONS)
    bring roles of their own. Users are bound, as `chaos cp kubeconfig` makes them; with --service-accounts,
    ServiceAccounts of the same names in namespace chaoslib-cp as well, of which that of the administrator is
    cluster-admin.
    """
    import yaml

    from chaoslib_cp.agent.manifests import ProberPods, prober_manifests
    from chaoslib_cp.cluster.credentials.rights import with_accounts
    from chaoslib_cp.cluster.gate.roles import fault_roles, role_manifests
    from chaoslib_cp.faults import fault_kinds

    _refuse_name(cluster_dns)
    dns = _place(dns_namespace, dns_selector, dns_port)
    roles = [*role_manifests(dns_namespace, agent_accounts), *fault_roles(fault_kinds(), dns_namespace)]
    nodes = _labels(prober_nodes, "--prober-nodes") if prober_nodes else ()
    prober = prober_manifests(
        cluster_dns, image, external_name, cluster_domain, dns, ProberPods(image_pull_secret, nodes)
    )
    items = [*roles, *(one for one in prober if one not in roles)]  # both need the namespace
    items = with_accounts(items, service_accounts, admin_group)
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    output.show(listed, as_json, lambda: str(yaml.safe_dump_all(items, sort_keys=False)).rstrip())


def _refuse_name(cluster_dns: str) -> None:
    try:
        if cluster_dns:
            ipaddress.ip_address(cluster_dns)
    except ValueError:
        raise click.BadParameter(
            f"{cluster_dns!r} is no IP address; give that of the Service of cluster DNS "
            "(`kubectl --namespace kube-system get service kube-dns`), or leave it out",
            param_hint="--cluster-dns",
        ) from None


def _place(namespace: str, selector: str, port: int) -> "DnsPlace":
    from chaoslib_cp.agent.manifests import DnsPlace

    return DnsPlace(namespace, _labels(selector, "--dns-selector"), port)


def _labels(selector: str, option: str) -> tuple[tuple[str, str], ...]:
    pairs = selector.split(",")
    for pair in pairs:
        if not _LABEL.fullmatch(pair):
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint=option)
    return tuple((key, value) for key, _, value in (pair.partition("=") for pair in pairs))
