"""Certificates and kubeconfigs of one testbed: one authority, one certificate for each identity, as kubeadm has them.

Nobody but ``break-glass`` is in system:masters; the administrator is in kubeadm:cluster-admins and therefore *not*
exempt from API Priority and Fairness (source: KEP-4214, kubeadm since 1.29).
"""

import base64
import datetime
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chaoslib_cp.kubeconfig import REACHED_FROM

VALID_FOR = datetime.timedelta(days=7)
CLUSTER = "testbed"


@dataclass(frozen=True)
class Identity:
    """Who somebody is to the API server: a user name and groups, in a client certificate."""

    user: str
    groups: tuple[str, ...] = ()


AGENT_NAMESPACE = "monitoring"
"""Where the testbed's agent lives as which loads are played; there is no such object."""

# The contexts a person or an experiment uses (docs/architecture.md, "Who is who").
PEOPLE = {
    "runner": Identity("chaoslib-cp-runner"),
    "admin": Identity("kubernetes-admin", ("kubeadm:cluster-admins",)),
    "break-glass": Identity("break-glass", ("system:masters",)),
    "observer": Identity("chaoslib-cp-observer"),
    # As a ServiceAccount of a namespace of its own: priority level workload-low, as an agent's there.
    "agent": Identity(
        f"system:serviceaccount:{AGENT_NAMESPACE}:agent",
        ("system:serviceaccounts", f"system:serviceaccounts:{AGENT_NAMESPACE}"),
    ),
}
COMPONENTS = {
    "kube-controller-manager": Identity("system:kube-controller-manager"),
    "kube-scheduler": Identity("system:kube-scheduler"),
    "kube-proxy": Identity("system:kube-proxy"),
    "kube-apiserver-kubelet-client": Identity("kube-apiserver-kubelet-client", ("kubeadm:cluster-admins",)),
    # not system:masters, which would be exempt; NodeRestriction does not take it for a node (shared facts, KWOK)
    "kwok": Identity("kwok", ("system:nodes",)),
    "farm": Identity("chaoslib-cp-farm", ("system:nodes",)),
}


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


class Authority:
    """A certificate authority of its own in a folder; makes files ``<name>.crt`` and ``<name>.key`` there."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"chaoslib-cp testbed {name}")])
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.crt"
        _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM))

    def keep_key(self) -> None:
        """Write its own key beside its certificate, readable for the owner only: for who signs in its name."""
        _write(self.certificate.with_suffix(".key"), _private_pem(self._key))

    def client(self, name: str, identity: Identity) -> None:
        """Make a client certificate: the user is its common name, each group an organization."""
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, identity.user)]
        subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in identity.groups]
        self._issue(name, x509.Name(subject), [], ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(self, name: str, dns_names: list[str], addresses: list[str]) -> None:
        """Make a server certificate for these names and addresses."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = [x509.DNSName(dns_name) for dns_name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        self._issue(name, subject, names, ExtendedKeyUsageOID.SERVER_AUTH)

    def _issue(
        self, name: str, subject: x509.Name, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        # Python 3.13 verifies strictly: a certificate must name its authority's key (RFC 5280, 4.2.1.1)
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority_key, critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        _write(self._folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        _write(self._folder / f"{name}.key", _private_pem(key))


def write_key_pair(folder: Path, name: str) -> None:
    """Write ``<name>.key`` and ``<name>.pub``: what ServiceAccount tokens are signed and checked with."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write(folder / f"{name}.key", _private_pem(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(folder / f"{name}.pub", public)


def write_kubeconfig(
    path: Path, pki: Path, server: str, contexts: list[str], reached_from: Mapping[str, list[str]] | None = None
) -> None:
    """Write a kubeconfig with the certificates in it, the first context as the current one.

    JSON is YAML, so every client reads it.

    Args:
        path: the file, made readable for its owner only.
        pki: the folder with ``ca.crt`` and a certificate and key for each context.
        server: URL of the API server.
        contexts: names of contexts; each is also the name of its user and of its certificate.
        reached_from: for a file that people use: from where the server can be reached, as ``kubeconfig.way_in``
            reads it, so that whoever opens the file elsewhere can be told.
    """

    def inline(name: str) -> str:
        return base64.b64encode((pki / name).read_bytes()).decode()

    users = [
        {
            "name": name,
            "user": {"client-certificate-data": inline(f"{name}.crt"), "client-key-data": inline(f"{name}.key")},
        }
        for name in contexts
    ]
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}],
        "users": users,
        "contexts": [{"name": name, "context": {"cluster": CLUSTER, "user": name}} for name in contexts],
        "current-context": contexts[0],
    }
    if reached_from:
        config["extensions"] = [{"name": REACHED_FROM, "extension": dict(reached_from)}]
    _write(path, json.dumps(config, indent=1).encode())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
