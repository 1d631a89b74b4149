"""The few API calls the testbed makes itself: plain HTTP/1.1 and JSON, no Kubernetes client.

The library's one door to a cluster is ``chaoslib_cp.cluster``; the testbed stands beside it and only sets up what a
cluster installer would: objects of its own, before anybody measures anything.
"""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaoslib_cp.errors import TestbedFailed

Manifest = dict[str, Any]

COLLECTIONS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "DaemonSet": "/apis/apps/v1/namespaces/{namespace}/daemonsets",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Namespace": "/api/v1/namespaces",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
}


@dataclass(frozen=True)
class ApiAccess:
    """How to reach the API server as one identity: an address and three PEM files."""

    address: str
    port: int
    server_name: str
    ca_file: Path
    cert_file: Path
    key_file: Path

    def tls(self) -> ssl.SSLContext:
        """Return a context that trusts only the cluster's CA and presents the identity's certificate."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(str(self.cert_file), str(self.key_file))
        return context


class ApiClient:
    """One connection, one request at a time.

    Args:
        access: where and as whom.
        timeout_s: limit of one request, in seconds.
    """

    def __init__(self, access: ApiAccess, timeout_s: float = 10.0) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._tls = access.tls()
        self._connection: http.client.HTTPSConnection | None = None

    def request(self, method: str, path: str, body: Manifest | None = None) -> tuple[int, Any]:
        """Send one request on the kept connection, opened anew when there is none.

        Returns:
            The HTTP status and the decoded JSON body, or the text when it is not JSON.

        Raises:
            OSError or http.client.HTTPException: no complete answer came; whether a write happened is unknown.
        """
        connection = self._connection or self._open()
        content_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        is_json = (response.getheader("Content-Type") or "").startswith("application/json")
        return response.status, json.loads(text) if is_json else text

    def _open(self) -> http.client.HTTPSConnection:
        # the address is an IP; the certificate is checked against the same IP, which is one of its names
        connection = http.client.HTTPSConnection(
            self._access.address, self._access.port, timeout=self._timeout_s, context=self._tls
        )
        self._connection = connection
        return connection

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; one that is there already is left as it is.

        Raises:
            TestbedFailed: the API server refused it; the message holds its words.
        """
        metadata = manifest["metadata"]
        path = COLLECTIONS[manifest["kind"]].format(namespace=metadata.get("namespace", "default"))
        status, answer = self.request("POST", path, manifest)
        if status in (200, 201, 202, 409):
            return answer if isinstance(answer, dict) else {}
        words = answer.get("message", "") if isinstance(answer, dict) else str(answer)
        raise TestbedFailed(f"{manifest['kind']} {metadata['name']}: the API server answered {status}: {words}")

    def get(self, path: str) -> Manifest | None:
        """Return the object or list at ``path``, or None when there is none or the server does not answer well."""
        try:
            status, answer = self.request("GET", path)
        except (OSError, http.client.HTTPException):
            return None
        return answer if status == http.HTTPStatus.OK and isinstance(answer, dict) else None

    def missing_readiness(self) -> str:
        """Return "" when /readyz answers 200, else what it answers."""
        try:
            status, answer = self.request("GET", "/readyz")
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({error})"
        return "" if status == http.HTTPStatus.OK else f"it answers {status}: {str(answer)[:200]}"
