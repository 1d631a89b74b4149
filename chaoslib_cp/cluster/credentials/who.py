"""The identities that can be made, and what they are made with. Break-glass cannot: it is copied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE

MADE: Final = ("runner", "observer", "admin")
NEVER_SIGNED: Final = "system:masters"
"""The API server refuses certificate requests for it (source: admission plugin CertificateSubjectRestriction)."""


def account_name(identity: str) -> str:
    """The user name of one of ``MADE``, and the name of its ServiceAccount: what the bindings know it by."""
    return f"chaoslib-cp-{identity}"


def service_account_user(identity: str) -> str:
    """The user name that the API server gives to the ServiceAccount of one of ``MADE``."""
    return f"system:serviceaccount:{LIBRARY_NAMESPACE}:{account_name(identity)}"


@dataclass(frozen=True)
class Credential:
    """What one identity logs in with.

    Attributes:
        user: The user name that the API server should know it by; empty where nobody asked for a certain one.
        entry: The user's entry in a kubeconfig; never printed.
        until_epoch_s: When it ends; None where nobody knows.
    """

    user: str
    entry: Mapping[str, Any] = field(repr=False)
    until_epoch_s: float | None
