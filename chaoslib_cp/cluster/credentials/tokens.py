"""Tokens of ServiceAccounts, for clusters that sign no client certificates. Asking for one leaves nothing behind."""

from collections.abc import Sequence
from datetime import datetime

from chaoslib_cp.cluster.credentials.who import Credential, account_name, service_account_user
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import LIBRARY_NAMESPACE
from chaoslib_cp.errors import TargetRefused


def tokens(cluster: Cluster, identities: Sequence[str], lasts_s: int) -> list[Credential]:
    """Ask for a token of the ServiceAccount of each identity.

    Args:
        cluster: As somebody who may.
        identities: Of ``who.MADE``.
        lasts_s: How long they should be good, in seconds; the server may give less.

    Raises:
        TargetRefused: Not allowed, or there are no such ServiceAccounts; nothing was changed.
        TargetUnreachable: No answer, or the server is unwell; nothing was changed.
    """
    return [_token(cluster, identity, lasts_s) for identity in identities]


def _token(cluster: Cluster, identity: str, lasts_s: int) -> Credential:
    name = account_name(identity)
    path = f"/api/v1/namespaces/{LIBRARY_NAMESPACE}/serviceaccounts/{name}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": lasts_s},
    }
    answer = cluster.call("POST", path, body=request)
    if answer.status == 404:
        raise TargetRefused(
            f"{cluster.server} has no ServiceAccount {name} in namespace {LIBRARY_NAMESPACE}; nothing was changed; "
            "apply what `chaos cp manifests --service-accounts` prints"
        )
    cluster.expect_success(answer, f"ask for a token of ServiceAccount {name}")
    status = answer.json().get("status") or {}
    token = str(status.get("token") or "")
    if not token:
        raise TargetRefused(f"{cluster.server} gave no token of ServiceAccount {name}; nothing was changed; ask again")
    return Credential(service_account_user(identity), {"token": token}, _epoch_s(status.get("expirationTimestamp")))


def _epoch_s(timestamp: object) -> float | None:
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        return None
