"""Who is who in a testbed: every certificate and kubeconfig, written once before anything starts."""

from chaoslib_cp.testbed import addresses, pki
from chaoslib_cp.testbed.api import ApiAccess
from chaoslib_cp.testbed.components import API_URL, Layout
from chaoslib_cp.testbed.spec import ClusterSpec

# Components that reach the API through a kubeconfig of their own.
WITH_KUBECONFIG = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kwok")


def write(layout: Layout, spec: ClusterSpec) -> None:
    """Write the authority, all certificates and all kubeconfigs of a testbed."""
    layout.pki.mkdir(mode=0o700, exist_ok=True)
    layout.config.mkdir(mode=0o700, exist_ok=True)
    authority = pki.Authority(layout.pki)
    # The controller manager signs certificate requests with it. Components run as the user who brings the testbed up,
    # whose folder this is; pods see nothing of it.
    authority.keep_key()
    for name, identity in {**pki.PEOPLE, **pki.COMPONENTS}.items():
        authority.client(name, identity)
    dns_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    dns_names += [f"kubernetes.default.svc.{addresses.CLUSTER_DOMAIN}", "localhost"]
    ips = [addresses.API_STABLE, addresses.KUBERNETES_SERVICE, "127.0.0.1"]
    ips += [addresses.api_server(index) for index in range(spec.api_servers)]
    authority.server("apiserver", dns_names, ips)
    pki.Authority(layout.pki, "front-proxy-ca").client("front-proxy-client", pki.Identity("front-proxy-client"))
    pki.write_key_pair(layout.pki, "sa")
    for name in WITH_KUBECONFIG:
        _kubeconfig(layout, name)
    for index in range(1, spec.kubelet_nodes + 1):
        node = addresses.node_name(index)
        authority.client(node, pki.Identity(f"system:node:{node}", ("system:nodes",)))
        _kubeconfig(layout, node)
    instance, people = layout.instance, list(pki.PEOPLE)
    pki.write_kubeconfig(instance.kubeconfig, layout.pki, API_URL, people, instance.reached_from)
    (layout.config / "outside-resolv.conf").write_text(f"nameserver {addresses.OUTSIDE_RESOLVER}\n")


def _kubeconfig(layout: Layout, name: str) -> None:
    pki.write_kubeconfig(layout.config / f"{name}.kubeconfig", layout.pki, API_URL, [name])


def access(layout: Layout, name: str) -> ApiAccess:
    """Return how to reach the API server as one of the identities that ``write`` made."""
    return ApiAccess(
        address=addresses.API_STABLE,
        port=addresses.API_PORT,
        server_name="kubernetes",
        ca_file=layout.pki / "ca.crt",
        cert_file=layout.pki / f"{name}.crt",
        key_file=layout.pki / f"{name}.key",
    )
