"""Whatever stands in a kubeconfig: what we send is what kubectl sends, to the same path as the same person, or nothing.

Hypothesis puts values into the keys, good and odd ones; kubectl is asked with the same file.
"""

import base64
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.errors import ControlPlaneError
from chaoslib_cp.settings import read_settings
from chaoslib_cp.testbed.programs import find_programs
from tests.fakes.api_server import Request
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold import part
from tests.scaffold.figures import note
from tests.scaffold.kubeconfigs import a_plugin, says

pytestmark = pytest.mark.proof

FILES = part.amount("any kubeconfig: files")
SENT = ("authorization", "host", "impersonate-user", "impersonate-uid", "impersonate-group", "impersonate-extra-a%2fb")
TEXT = st.one_of(st.sampled_from(["", "admin", "system:masters", "a b", "Zo\u00eb", "x\ny", "0"]), st.text(max_size=8))
ODD = st.one_of(st.none(), st.booleans(), st.integers(-1, 9), TEXT, st.lists(TEXT, max_size=2))


class World:
    """A cluster, and files that keys may name."""

    def __init__(self, folder: Path) -> None:
        self.kube = KubeObjects(folder / "kube")
        self.folder = self.kube.folder
        (self.folder / "token").write_text("from-a-file\n")
        (self.folder / "bundle").write_bytes("# F\u0151\n".encode() + (self.folder / "test-ca.pem").read_bytes())
        self.plugin: dict[str, Any] = a_plugin(self.folder, says("from-a-plugin"))["exec"]

    def data(self, name: str) -> str:
        """A file's content as a key holds it."""
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def users(self) -> st.SearchStrategy[dict[str, Any]]:
        """Users: any keys, with values that mean something and values that do not."""
        files = ["user-admin.crt", "user-admin.key", "user-runner.crt", "user-runner.key", "token", "nowhere", ""]
        named = st.one_of(st.sampled_from(files), ODD)
        data = st.one_of(st.sampled_from([self.data(name) for name in files[:4]]), ODD)
        pairs = st.sampled_from(["admin", "runner"]).map(
            lambda who: {"client-certificate": f"user-{who}.crt", "client-key": f"user-{who}.key"}
        )
        plugin = st.fixed_dictionaries(self.plugin_keys(), optional={"provideClusterInfo": ODD, "timeout": ODD})
        keys = {
            "client-certificate": named, "client-key": named, "client-certificate-data": data, "client-key-data": data,
            "token": TEXT, "tokenFile": named, "username": TEXT, "password": TEXT, "as": TEXT, "as-uid": TEXT,
            "as-groups": st.one_of(st.lists(TEXT, max_size=2), ODD), "auth-provider": ODD, "Token": TEXT,
            "as-user-extra": st.one_of(st.just({"a/b": ["c"]}), ODD), "exec": st.one_of(plugin, ODD),
            "extensions": st.just([]),
        }  # fmt: skip
        some = [st.fixed_dictionaries({key: value}) for key, value in keys.items()]
        few = st.lists(st.one_of(*some), max_size=2).map(
            lambda users: {k: v for user in users for k, v in user.items()}
        )
        # kubectl asks on the terminal when a user has nothing at all
        return st.builds(lambda first, more: {**first, **more}, st.one_of(pairs, st.just({"token": "t"})), few)

    def plugin_keys(self) -> dict[str, st.SearchStrategy[Any]]:
        """Mostly a plugin that works."""
        return {key: st.one_of(st.just(value), st.just(value), ODD) for key, value in self.plugin.items()}

    def clusters(self) -> st.SearchStrategy[dict[str, Any]]:
        """Clusters that lead here, below any path, or nowhere."""
        host = f"https://127.0.0.1:{self.kube.server.port}"
        servers = [host, f"{host}/", f"{host}/k8s/clusters/c-1", host.replace("127.0.0.1", "localhost"), f"{host}?a=b"]
        authority = st.sampled_from(
            ["test-ca.pem", "bundle", "test-ca.pem", "bundle", "test-ca.pem", "token", "nowhere"]
        )
        keys = {
            "tls-server-name": st.one_of(st.sampled_from(["localhost", "127.0.0.1", "other"]), ODD),
            "certificate-authority-data": st.one_of(st.just(self.data("bundle")), ODD),
            "insecure-skip-tls-verify": ODD, "proxy-url": st.sampled_from(["", "http://127.0.0.1:1", "x"]),
            "disable-compression": st.booleans(), "Server": TEXT,
        }  # fmt: skip
        few = st.fixed_dictionaries({}, optional=keys).map(lambda cluster: dict(list(cluster.items())[:1]))
        few = st.one_of(st.just({}), few)
        return st.builds(
            lambda server, file, more: {"server": server, "certificate-authority": file, **more},
            st.one_of(st.sampled_from(servers), st.sampled_from(servers), ODD), authority, few,
        )  # fmt: skip

    def write(self, user: dict[str, Any], cluster: dict[str, Any]) -> None:
        """Write them down as the runner's."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "runner", "context": {"cluster": "c", "user": "u"}}],
        }
        self.kube.kubeconfig.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        self.kube.server.requests.clear()

    def sent(self) -> list[tuple[object, ...]]:
        """What arrived, as far as it says whom and as whom."""
        return [_who_and_where(request) for request in self.kube.server.requests]


def _who_and_where(request: Request) -> tuple[object, ...]:
    return (request.method, request.path, request.peer_name, *(request.headers.get(name) for name in SENT))


def test_a_request_is_kubectls_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is one line of ours; never a request that differs, never an error that is not ours."""
    programs = find_programs()
    if programs is None:
        pytest.skip("there is no kubectl: `make programs` gets it")
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    counts = {"files": 0, "sent": 0, "differ": 0}
    kubectl = [str(programs.folder / "kubectl"), "--context=runner", "--request-timeout=5s", "get", "--raw", "/version"]
    world = World(tmp_path)
    with world.kube:

        @settings(
            max_examples=FILES,
            deadline=None,
            derandomize=not part.is_whole(),
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(world.users(), world.clusters())
        def same(user: dict[str, Any], cluster: dict[str, Any]) -> None:
            world.write(user, cluster)
            counts["files"] += 1
            refusal = ""
            try:
                with open_cluster(read_settings(world.kube.configuration())) as opened:
                    opened.call("GET", "/version", timeout_s=5)
            except ControlPlaneError as error:
                refusal = str(error)
            assert len(refusal.splitlines()) <= 1
            ours = world.sent()
            if ours:
                counts["sent"] += 1
                world.kube.server.requests.clear()
                environment = {**os.environ, "KUBECONFIG": str(world.kube.kubeconfig), "HOME": str(tmp_path)}
                said = subprocess.run(kubectl, env=environment, capture_output=True, timeout=30, check=False)
                if ours != world.sent():
                    counts["differ"] += 1
                    assert ours == world.sent(), (yaml.safe_dump([user, cluster]), said.stderr)

        same()
    assert counts["sent"] > counts["files"] / 20  # otherwise nothing was compared
    note("kubeconfig", **counts)
