"""How a server proves what it is, and how we prove who we are: the one TLS context for every call to a cluster."""

import hashlib
import re
import ssl
from typing import Final

from chaoslib_cp.engine.sample.https import load_identity

# A bundle may hold comments in any encoding; only what stands between these lines is a certificate (RFC 7468, 2).
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


class CertificateUnreadable(ValueError):
    """No certificate stands there, or one that is broken."""


def certificates_in(bundle: bytes) -> bytes:
    """The certificates of a bundle as PEM, without what stands between them.

    Raises:
        CertificateUnreadable: There is none.
    """
    found = _CERTIFICATE.findall(bundle)
    if not found:
        raise CertificateUnreadable
    return b"\n".join(found) + b"\n"


def authority_hash(ca_pem: bytes) -> str:
    """Hash of the certificates themselves: the same authority in another file layout is the same authority.

    Args:
        ca_pem: From :func:`certificates_in`.

    Raises:
        CertificateUnreadable: One is broken, or none is an authority's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CertificateUnreadable from error
    certificates = context.get_ca_certs(binary_form=True)
    return hashlib.sha256(b"".join(sorted(set(certificates)))).hexdigest()


def client_context(ca_pem: bytes, is_verified: bool, cert_pem: bytes = b"", key_pem: bytes = b"") -> ssl.SSLContext:
    """Make the context of an identity.

    Args:
        ca_pem: Authority of the server; empty for the system's.
        is_verified: False accepts any certificate; the gate lets no such connection pass.
        cert_pem: Client certificate, empty without one.
        key_pem: Its key.

    Raises:
        CertificateUnreadable: The client certificate or its key cannot be used.
    """
    context = ssl.create_default_context(cadata=ca_pem.decode("ascii") if ca_pem else None)
    # Python 3.13 began to insist on extensions that Kubernetes distributions leave out of their CAs and that no Go
    # client asks for (kubernetes-client/python#2394); chain, name and dates are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert_pem:
        try:
            load_identity(context, cert_pem + b"\n" + key_pem)
        except (ssl.SSLError, ValueError) as error:
            raise CertificateUnreadable from error
    return context
