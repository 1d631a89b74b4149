"""A certificate authority for loopback tests."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class PemFiles:
    """A certificate and its key on disk."""

    cert: Path
    key: Path


class Authority:
    """A CA that issues certificates into a folder.

    Args:
        folder: Where certificates are put.
        name: Its own.
        certificate: Its own, if it is one that was made before with ``ALWAYS_THE_SAME`` as its key; else it is new.
    """

    ALWAYS_THE_SAME = 20241211
    """A key that can be made again from a number: it guards nothing but a test's loopback."""

    def __init__(self, folder: Path, name: str = "test-ca", certificate: bytes = b"") -> None:
        self._folder = folder
        kept = ec.derive_private_key(self.ALWAYS_THE_SAME, ec.SECP256R1()) if certificate else None
        self._key = kept or ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0), [])
        self.ca_file = folder / f"{name}.pem"
        self.ca_file.write_bytes(certificate or own.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        common_name: str,
        organizations: tuple[str, ...] = (),
        address: str = "127.0.0.1",
        lasts: datetime.timedelta = datetime.timedelta(days=1),
    ) -> PemFiles:
        """Return a certificate valid for ``address``, as server or client; one that lasts less than 0 has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        parts += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
        names = [x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")]
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._sign(x509.Name(parts), key.public_key(), leaf, names, lasts)
        stem = common_name.replace(":", "-")
        made = PemFiles(self._folder / f"{stem}.crt", self._folder / f"{stem}.key")
        made.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made

    def sign(self, request_pem: bytes, lasts: datetime.timedelta) -> bytes:
        """Return a certificate for who is named in a request."""
        request = x509.load_pem_x509_csr(request_pem)
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._sign(request.subject, key, leaf, [], lasts)
        return certificate.public_bytes(serialization.Encoding.PEM)

    def server_context(self, ask_for_certificate: bool = False) -> ssl.SSLContext:
        """Return a context for a server on 127.0.0.1."""
        files = self.issue("fake-api")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL if ask_for_certificate else ssl.CERT_NONE
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a context that trusts this CA only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca_file)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        constraints: x509.BasicConstraints,
        names: list[x509.GeneralName],
        lasts: datetime.timedelta = datetime.timedelta(days=1),
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=2))
            .not_valid_after(now + lasts)
            .add_extension(constraints, critical=True)
            # Python 3.13 checks chains strictly (RFC 5280): both identifiers must be there
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if constraints.ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
