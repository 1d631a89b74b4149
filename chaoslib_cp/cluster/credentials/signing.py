"""Certificate requests: made, approved, waited for, and deleted whatever happened."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Any, Final

from chaoslib_cp.clock import Clock, SystemClock
from chaoslib_cp.cluster.credentials.certificates import KeyAndRequest, checked_end
from chaoslib_cp.cluster.credentials.who import Credential
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.labels import OWNER_LABELS
from chaoslib_cp.errors import ControlPlaneError, TargetRefused, UndoFailed
from chaoslib_cp.waits import waiting_for

REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNED_WITHIN_S: Final = 60.0
"""The signer takes a second or two; where none is at work, this is how long nobody knows."""
_LOOK_EVERY_S = 0.3
_SIGNER = "kubernetes.io/kube-apiserver-client"
_APPROVALS = 3  # somebody else may write to the request in between


def signed(
    cluster: Cluster,
    asked: Sequence[KeyAndRequest],
    lasts_s: int,
    within_s: float = SIGNED_WITHIN_S,
    clock: Clock | None = None,
) -> tuple[list[Credential], list[str]]:
    """Have certificates signed by the cluster.

    Args:
        cluster: As somebody who may make and approve certificate requests.
        asked: Whose.
        lasts_s: How long they should be good, in seconds; at least 600.
        within_s: How long to wait for the signer.
        clock: Source of time.

    Returns:
        Credentials in the order of ``asked``, and the names of requests that could not be deleted.

    Raises:
        TargetRefused: Not allowed, denied, or not signed in time. No request is left.
        TargetUnreachable: No answer, or the server is unwell. No request is left.
        UndoFailed: The same, and the named requests could not be deleted.
    """
    names: list[str] = []
    try:
        for one in asked:
            names.append(f"{one.user}-{secrets.token_hex(4)}")  # before it is sent: its answer may be lost
            _create_and_approve(cluster, names[-1], one, lasts_s)
        certificates = _wait(cluster, names, within_s, clock or SystemClock())
        made = [
            Credential(one.user, one.entry(pem), checked_end(one, pem))
            for one, pem in zip(asked, certificates, strict=True)
        ]
    except BaseException as error:
        if left := _delete(cluster, names):
            what = str(error) if isinstance(error, ControlPlaneError) else "interrupted"
            raise UndoFailed(f"{what}; {words_of_left(left)}") from error
        raise
    return made, _delete(cluster, names)


def words_of_left(names: Sequence[str]) -> str:
    """Say which requests are left, and how to delete them. They hold no key."""
    return (
        "certificate requests are left, without keys; to delete them: kubectl delete certificatesigningrequests "
        f"--ignore-not-found {' '.join(names)}"
    )


def _create_and_approve(cluster: Cluster, name: str, asked: KeyAndRequest, lasts_s: int) -> None:
    manifest = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name, "labels": dict(OWNER_LABELS)},
        "spec": {
            "request": base64.b64encode(asked.request_pem).decode(),
            "signerName": _SIGNER,
            "usages": ["client auth"],
            "expirationSeconds": lasts_s,
        },
    }
    answer = cluster.call("POST", REQUESTS, body=manifest)
    cluster.expect_success(answer, f"make the certificate request for {asked.user}")
    request = answer.json()
    for attempt in range(_APPROVALS):
        if attempt:
            request = cluster.get(f"{REQUESTS}/{name}") or {}
        answer = cluster.call("PUT", f"{REQUESTS}/{name}/approval", body=_approved(request))
        if answer.status != 409:
            break
    cluster.expect_success(answer, f"approve the certificate request for {asked.user}")


def _approved(request: dict[str, Any]) -> dict[str, Any]:
    status = request.get("status") or {}
    others = [one for one in status.get("conditions") or () if one.get("type") != "Approved"]
    ours = {"type": "Approved", "status": "True", "reason": "ChaosCpKubeconfig", "message": "by chaos cp kubeconfig"}
    return {**request, "status": {**status, "conditions": [*others, ours]}}


def _wait(cluster: Cluster, names: Sequence[str], within_s: float, clock: Clock) -> list[bytes]:
    """Return the certificates, in the order of the requests."""
    ends_s = clock.monotonic_s() + within_s
    found: list[bytes] = []
    with waiting_for("the cluster's signer to sign the certificates", within_s) as wait:
        while len(found) < len(names):
            wait.what = f"the cluster's signer to sign request {names[len(found)]}"
            if pem := _certificate(cluster, names[len(found)]):
                found.append(pem)
            elif clock.monotonic_s() >= ends_s:
                raise TargetRefused(
                    f"nobody signed certificate request {names[len(found)]} within {within_s:g} s, though it was "
                    f"approved: no signer for {_SIGNER} is at work there, as on many managed clusters; use --tokens"
                )
            else:
                clock.sleep(_LOOK_EVERY_S)
    return found


def _certificate(cluster: Cluster, name: str) -> bytes:
    """The certificate of one request; empty while there is none."""
    status = (cluster.get(f"{REQUESTS}/{name}") or {}).get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") in ("Denied", "Failed"):
            said = " ".join(str(condition.get("message") or condition.get("reason") or "no reason given").split())
            raise TargetRefused(f"certificate request {name}: {condition['type']}: {said[:200]}; use --tokens")
    try:
        return base64.b64decode(str(status.get("certificate") or ""))
    except binascii.Error:
        raise TargetRefused(f"certificate request {name}: its certificate is not base64; use --tokens") from None


def _delete(cluster: Cluster, names: Sequence[str]) -> list[str]:
    """Delete requests, past those that cannot be; return these."""
    left = []
    for name in names:
        try:
            answer = cluster.call("DELETE", f"{REQUESTS}/{name}")
            if answer.status != 404:
                cluster.expect_success(answer, f"delete the certificate request {name}")
        except ControlPlaneError:
            left.append(name)
    return left
