"""The programs of the control plane and their flags; each flag that is not obvious has its reason beside it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from chaoslib_cp.inheritance import python_module
from chaoslib_cp.testbed import addresses
from chaoslib_cp.testbed.cgroups import Limits
from chaoslib_cp.testbed.instance import Instance
from chaoslib_cp.testbed.process import Component
from chaoslib_cp.testbed.spec import ClusterSpec
from chaoslib_cp.version import VERSION

API_URL = f"https://{addresses.API_STABLE}:{addresses.API_PORT}"
# Gone with the supervisor's mount namespace, even after SIGKILL.
VOLATILE = Path("/run/chaoslib-cp")
_AGENT_IMAGE = f"chaoslib-cp:{VERSION}"
_AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")
# Go's own floor since 1.25; set because Go does not read quotas reliably in nested version 1 cgroups.
GO_PROCESSORS = {"GOMAXPROCS": "2"}


@dataclass(frozen=True)
class Layout:
    """Where the files of one testbed are."""

    instance: Instance
    programs: Path

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.instance.folder / "pki"

    @property
    def config(self) -> Path:
        """Kubeconfigs and configuration files of components."""
        return self.instance.folder / "config"

    @property
    def nodes(self) -> Path:
        """One folder for each kubelet node."""
        return self.instance.folder / "nodes"

    def program(self, name: str) -> str:
        """Path of a program."""
        return str(self.programs / name)

    def kubeconfig(self, name: str) -> str:
        """Path of a component's kubeconfig."""
        return str(self.config / f"{name}.kubeconfig")


def etcd(layout: Layout) -> Component:
    """Build etcd: on a tmpfs and without fsync, because its disk is not what is rehearsed."""
    client_url = f"http://{addresses.ETCD}:2379"
    peer_url = f"http://{addresses.ETCD}:2380"
    flags = {
        "name": "etcd",
        "data-dir": str(VOLATILE / "etcd"),
        "listen-client-urls": client_url,
        "advertise-client-urls": client_url,
        "listen-peer-urls": peer_url,
        "initial-advertise-peer-urls": peer_url,
        "initial-cluster": f"etcd={peer_url}",
        "log-level": "warn",
        "quota-backend-bytes": str(2 * 1024**3),
    }
    return _component("etcd", layout, flags, "--unsafe-no-fsync")


def api_server(layout: Layout, spec: ClusterSpec, index: int) -> Component:
    """Build one kube-apiserver. Everything not named here is the program's default: watch cache and APF are on."""
    pki = layout.pki
    address = addresses.api_server(index)
    flags = {
        "etcd-servers": f"http://{addresses.ETCD}:2379",
        "bind-address": address,
        "advertise-address": address,
        "secure-port": str(addresses.API_PORT),
        "tls-cert-file": str(pki / "apiserver.crt"),
        "tls-private-key-file": str(pki / "apiserver.key"),
        "client-ca-file": str(pki / "ca.crt"),
        "kubelet-client-certificate": str(pki / "kube-apiserver-kubelet-client.crt"),
        "kubelet-client-key": str(pki / "kube-apiserver-kubelet-client.key"),
        # node names are in no DNS here: logs and exec go to the address
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": str(pki / "sa.pub"),
        "service-account-signing-key-file": str(pki / "sa.key"),
        "service-cluster-ip-range": addresses.SERVICE_CIDR,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "max-requests-inflight": str(spec.max_requests_inflight),
        "max-mutating-requests-inflight": str(spec.max_mutating_requests_inflight),
        "event-ttl": "15m",
        # without the front proxy's authority, controllers log an error every few seconds
        "requestheader-client-ca-file": str(pki / "front-proxy-ca.crt"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": str(pki / "front-proxy-client.crt"),
        "proxy-client-key-file": str(pki / "front-proxy-client.key"),
    }
    if spec.audit_log:
        flags["audit-policy-file"] = str(_AUDIT_POLICY)
        flags["audit-log-path"] = str(layout.instance.logs / f"kube-apiserver-{index}-audit.log")
    if spec.api_servers > 1:
        # otherwise an HTTP/2 connection stays with its first server for good
        flags["goaway-chance"] = "0.001"
    return replace(
        _component("kube-apiserver", layout, flags),
        name=f"kube-apiserver-{index}",
        limits=Limits(spec.api_server_cpu_cores, spec.api_server_memory_mib),
        # its identity Lease is a hash of the host name, so each needs its own
        hostname=f"control-plane-{index}",
    )


def controller_manager(layout: Layout) -> Component:
    """Build kube-controller-manager, with a ServiceAccount for each controller as kubeadm has it."""
    flags = {
        "kubeconfig": layout.kubeconfig("kube-controller-manager"),
        "authentication-kubeconfig": layout.kubeconfig("kube-controller-manager"),
        "authorization-kubeconfig": layout.kubeconfig("kube-controller-manager"),
        "bind-address": "127.0.0.1",
        "use-service-account-credentials": "true",
        "leader-elect": "true",
        "root-ca-file": str(layout.pki / "ca.crt"),
        "service-account-private-key-file": str(layout.pki / "sa.key"),
        # certificate requests of people (`chaos cp kubeconfig`) are signed, as on a kubeadm cluster
        "cluster-signing-cert-file": str(layout.pki / "ca.crt"),
        "cluster-signing-key-file": str(layout.pki / "ca.key"),
        "requestheader-client-ca-file": str(layout.pki / "front-proxy-ca.crt"),
        "client-ca-file": str(layout.pki / "ca.crt"),
        "cluster-cidr": addresses.POD_CIDR,
        "service-cluster-ip-range": addresses.SERVICE_CIDR,
    }
    return _component("kube-controller-manager", layout, flags)


def scheduler(layout: Layout) -> Component:
    """Build kube-scheduler."""
    flags = {
        "kubeconfig": layout.kubeconfig("kube-scheduler"),
        "authentication-kubeconfig": layout.kubeconfig("kube-scheduler"),
        "authorization-kubeconfig": layout.kubeconfig("kube-scheduler"),
        "bind-address": "127.0.0.1",
        "leader-elect": "true",
    }
    return _component("kube-scheduler", layout, flags)


def kube_proxy(layout: Layout) -> Component:
    """Build kube-proxy in nftables mode; all kubelet nodes share one network namespace, so one serves them all."""
    flags = {
        "kubeconfig": layout.kubeconfig("kube-proxy"),
        "proxy-mode": "nftables",
        "cluster-cidr": addresses.POD_CIDR,
        "hostname-override": addresses.node_name(1),
        # conntrack's settings belong to the machine, not to this namespace
        "conntrack-max-per-core": "0",
        "conntrack-tcp-timeout-established": "0s",
        "conntrack-tcp-timeout-close-wait": "0s",
        "bind-address": addresses.node(1),
        # by default it serves NodePorts on the primary address of its own node alone
        "nodeport-addresses": addresses.NODES,
    }
    return _component("kube-proxy", layout, flags)


def outside_resolver(layout: Layout) -> Component:
    """Build the resolver that stands for the outside world: one zone with one name, everything else NXDOMAIN."""
    corefile = layout.config / "outside-resolver.Corefile"
    corefile.write_text(
        f"""{addresses.OUTSIDE_ZONE} {{
    bind {addresses.OUTSIDE_RESOLVER}
    template IN A {{
        match "^www[.]outside[.]test[.]$"
        answer "{{{{ .Name }}}} 60 IN A 192.0.2.80"
        fallthrough
    }}
    template IN ANY {{
        rcode NXDOMAIN
        authority "{addresses.OUTSIDE_ZONE}. 60 IN SOA ns.{addresses.OUTSIDE_ZONE}. root.{addresses.OUTSIDE_ZONE}. (1 60 60 60 60)"
    }}
}}
. {{
    bind {addresses.OUTSIDE_RESOLVER}
    template IN ANY {{
        rcode NXDOMAIN
        authority ". 60 IN SOA ns.{addresses.OUTSIDE_ZONE}. root.{addresses.OUTSIDE_ZONE}. (1 60 60 60 60)"
    }}
}}
"""  # noqa: E501 - a Corefile's line is one record
    )
    return Component("outside-resolver", (layout.program("coredns"), "-conf", str(corefile)))


def node(layout: Layout, index: int, rootless: bool) -> Component:
    """Build a kubelet node: our node runner, in a mount namespace that its kubelet and its containers share."""
    name = addresses.node_name(index)
    folder = layout.nodes / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "node": name,
        "index": index,
        "node_ip": addresses.node(index),
        "pod_cidr": addresses.node_pod_cidr(index),
        "bridge": addresses.BRIDGE,
        "gateway": addresses.BRIDGE_ADDRESS,
        "cluster_dns": addresses.node_cache(index),
        "cluster_domain": addresses.CLUSTER_DOMAIN,
        "resolv_conf": str(layout.config / "outside-resolv.conf"),
        "kubeconfig": layout.kubeconfig(name),
        "client_ca": str(layout.pki / "ca.crt"),
        "folder": str(folder),
        "logs": str(layout.instance.logs),
        "programs": str(layout.programs),
        "labels": {"chaoslib-cp.testbed/kubelet": "true"},
        "rootless": rootless,
        "cgroup_tree": layout.instance.cgroup_name,
        "images": {
            "coredns/coredns:1.14.7": {"kind": "program", "path": layout.program("coredns")},
            _AGENT_IMAGE: {"kind": "python"},
        },
    }
    (folder / "node.json").write_text(json.dumps(config, indent=1))
    argv = ("unshare", "--mount", *python_module("chaoslib_cp.testbed.node", str(folder / "node.json")))
    return Component(name, argv)


def farm(layout: Layout) -> Component:
    """Build the agent farm, which sends the traffic of the telemetry agents on fake nodes."""
    config = {
        "api": {"address": addresses.API_STABLE, "port": addresses.API_PORT, "server_name": "kubernetes"},
        "ca": str(layout.pki / "ca.crt"),
        "client_cert": str(layout.pki / "farm.crt"),
        "client_key": str(layout.pki / "farm.key"),
        "node_prefix": "kwok-",
        "images": [_AGENT_IMAGE],
        "source": f"farm-{layout.instance.name}",
        "status_file": str(layout.instance.folder / "farm.json"),
    }
    path = layout.config / "farm.json"
    path.write_text(json.dumps(config, indent=1))
    return Component("farm", tuple(python_module("chaoslib_cp.testbed.farm", str(path))))


def _component(program: str, layout: Layout, flags: dict[str, str], *extra: str) -> Component:
    argv = (layout.program(program), *(f"--{flag}={value}" for flag, value in flags.items()), *extra)
    return Component(program, argv, environment=GO_PROCESSORS)
