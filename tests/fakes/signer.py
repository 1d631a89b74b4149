"""A cluster that gives credentials, for ``KubeObjects``: it signs certificate requests and gives tokens.

    signer = Signer(kube, authority)
    signer.signs = False                       # requests are approved and nobody signs them
    signer.approvals = [Answer(409)]           # answers to the next approvals

A token of a ServiceAccount is ``token-of-USER``.
"""

import base64
import datetime
import json
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from chaoslib_cp.cluster.credentials.signing import REQUESTS
from tests.fakes.api_server import Answer, Request, json_answer
from tests.fakes.certificates import Authority
from tests.fakes.kube_objects import KubeObjects

ACCOUNTS = "/api/v1/namespaces/chaoslib-cp/serviceaccounts"
TOKENS_END = "2026-11-28T08:00:00Z"


class Signer:
    """Serves approvals and TokenRequests.

    Attributes:
        signs: Whether approved requests are signed.
        approvals: Answers to the next approvals, before any is carried out.
        requests: What was approved, by the user's name.
        at_most_s: Certificates last no longer.
        signed: Certificate that is given in the place of the right one; empty for the right one.
    """

    def __init__(self, kube: KubeObjects, authority: Authority) -> None:
        self._kube, self._authority = kube, authority
        self.signs = True
        self.signed = b""
        self.at_most_s = 365 * 24 * 3600
        self.approvals: list[Answer] = []
        self.requests: dict[str, dict[str, Any]] = {}
        kube.server.on("PUT", REQUESTS, self._approve)
        kube.server.on("POST", f"{ACCOUNTS}/", self._give_token)

    def add_accounts(self) -> None:
        """Put the ServiceAccounts there."""
        for name in ("chaoslib-cp-runner", "chaoslib-cp-observer", "chaoslib-cp-admin"):
            self._kube.objects[f"{ACCOUNTS}/{name}"] = {"metadata": {"name": name}}

    def left(self) -> list[str]:
        """Names of the requests that are there now."""
        return [path.rpartition("/")[2] for path in self._kube.objects if path.startswith(REQUESTS)]

    def _approve(self, request: Request) -> Answer:
        if self.approvals:
            return self.approvals.pop(0)
        path, _, subresource = request.path.rpartition("/")
        assert subresource == "approval"
        document = request.json()
        pem = base64.b64decode(document["spec"]["request"])
        subject = x509.load_pem_x509_csr(pem).subject
        self.requests[str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)] = {
            **document["spec"],
            "groups": [one.value for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)],
        }
        if self.signs:
            lasts_s = min(document["spec"]["expirationSeconds"], self.at_most_s)
            signed = self.signed or self._authority.sign(pem, datetime.timedelta(seconds=lasts_s))
            document["status"]["certificate"] = base64.b64encode(signed).decode()
        self._kube.objects[path] = document
        return json_answer(document)

    def _give_token(self, request: Request) -> Answer:
        account, _, subresource = request.path.rpartition("/")
        assert subresource == "token"
        if account not in self._kube.objects:
            return Answer(404)
        user = f"system:serviceaccount:chaoslib-cp:{account.rpartition('/')[2]}"
        status = {"token": f"token-of-{user}", "expirationTimestamp": TOKENS_END}
        return Answer(201, body=json.dumps({"status": status}).encode())
