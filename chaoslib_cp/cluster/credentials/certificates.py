"""Keys and requests for client certificates. A key is made in this process and goes into the kubeconfig only.

With a library, not the program openssl: a key is then never in a pipe or a file of another process, and every machine
makes the same request.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chaoslib_cp.errors import TargetRefused


@dataclass(frozen=True)
class KeyAndRequest:
    """A new key, and the request that its certificate be signed.

    Attributes:
        user: User name that is asked for.
        request_pem: What the cluster is sent.
        key_pem: What it is not sent.
    """

    user: str
    request_pem: bytes
    key_pem: bytes = field(repr=False)

    def entry(self, certificate_pem: bytes) -> Mapping[str, str]:
        """The user's entry in a kubeconfig, with the certificate that was signed."""
        return {
            "client-certificate-data": base64.b64encode(certificate_pem).decode(),
            "client-key-data": base64.b64encode(self.key_pem).decode(),
        }


def key_and_request(user: str, group: str = "") -> KeyAndRequest:
    """Make a key and a request; the user is the common name, the group an organization.

    Args:
        user: User name.
        group: A group of the user; empty for none.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return KeyAndRequest(
        user,
        request.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def checked_end(asked: KeyAndRequest, certificate_pem: bytes) -> float:
    """Return when a certificate ends, in epoch seconds; signers may give less than was asked for.

    Raises:
        TargetRefused: It is none, or not for our key.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        is_ours = certificate.public_key() == x509.load_pem_x509_csr(asked.request_pem).public_key()
    except (ValueError, UnsupportedAlgorithm):
        is_ours, certificate = False, None
    if certificate is None or not is_ours:
        raise TargetRefused(
            f"what the cluster's signer gave for user {asked.user} is no certificate for the key of the request; ask "
            "whoever runs that signer, or use --tokens"
        )
    return certificate.not_valid_after_utc.timestamp()
