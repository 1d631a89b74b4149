"""Which cluster is opened, as whom, and how a call ends."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.cluster.door.call import CallFailed, Cluster
from chaoslib_cp.cluster.door.connect import choose, describe, open_cluster
from chaoslib_cp.errors import ProfileInvalid, TargetRefused, TargetUnreachable
from chaoslib_cp.settings import read_settings
from tests.fakes import process_1
from tests.fakes.api_server import HANG, RESET, Answer
from tests.fakes.kube_objects import KubeObjects


def edited(kube: KubeObjects, change: Any) -> dict[str, Any]:
    """Configuration that leads to a changed copy of the kubeconfig."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    change(document)
    path = kube.folder / "edited"
    path.write_text(yaml.safe_dump(document))
    return {"kubeconfig": str(path)}


@pytest.mark.parametrize("identity", ["runner", "admin", "break-glass", "observer"])
def test_each_identity_is_its_own_user_whatever_the_current_context_is(kube: KubeObjects, identity: str) -> None:
    """Identities are never mixed."""
    with open_cluster(kube.settings(), identity) as cluster:
        cluster.get("/api/v1/namespaces/kube-system")
    assert kube.server.requests[-1].peer_name == f"user-{identity}"


def test_a_context_named_in_the_configuration_is_used(kube: KubeObjects) -> None:
    """On other clusters contexts have other names."""
    with open_cluster(kube.settings(admin_context="observer"), "admin") as cluster:
        cluster.get("/api/v1/namespaces/kube-system")
    assert kube.server.requests[-1].peer_name == "user-observer"


def test_the_context_key_of_chaosk8s_names_the_runner(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment that already works with chaosk8s opens the same context."""
    assert choose(read_settings(kube.configuration(), {"KUBERNETES_CONTEXT": "admin"}), "runner").context == "admin"
    monkeypatch.setenv("KUBERNETES_CONTEXT", "observer")
    assert choose(kube.settings(), "runner").context == "observer"
    assert choose(kube.settings(), "admin").context == "admin"


def test_without_a_named_cluster_the_default_kubeconfig_is_not_used(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``~/.kube/config`` is often production."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_bytes(kube.kubeconfig.read_bytes())
    with pytest.raises(TargetRefused, match="no cluster was named"):
        open_cluster(read_settings())
    assert kube.server.requests == []


def test_the_environment_names_the_cluster_when_the_configuration_does_not(
    kube: KubeObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KUBECONFIG counts also when it was set after the client was imported, and is left as it was."""
    open_cluster(kube.settings()).close()
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    with open_cluster(read_settings({}, {})) as cluster:
        assert cluster.get("/api/v1/namespaces/kube-system") is not None
    assert os.environ["KUBECONFIG"] == str(kube.kubeconfig)


def test_a_host_given_by_chaosk8s_own_keys_is_opened_even_beside_a_default_kubeconfig(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The factory would prefer a file in the home directory; an explicit host must win."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text("contexts: []")
    secrets = {
        "KUBERNETES_HOST": f"https://127.0.0.1:{kube.server.port}",
        "KUBERNETES_CA_CERT_FILE": str(kube.folder / "test-ca.pem"),
        "KUBERNETES_VERIFY_SSL": "true",
        "KUBERNETES_API_KEY": "s3cret",
    }
    with open_cluster(read_settings({}, secrets)) as cluster:
        cluster.get("/version")
    assert kube.server.requests[-1].headers["authorization"] == "Bearer s3cret"
    with pytest.raises(TargetRefused, match="identity admin needs a kubeconfig"):
        open_cluster(read_settings({}, secrets), "admin")


@pytest.mark.parametrize("said", [{}, {"KUBERNETES_VERIFY_SSL": "false"}, {"KUBERNETES_VERIFY_SSL": "true"}])
def test_an_authority_given_by_chaosk8s_own_keys_is_enforced(
    kube: KubeObjects, tmp_path: Path, said: dict[str, str]
) -> None:
    """chaosk8s verifies nothing unless it is told to; we would send the token to whoever answers."""
    secrets = {"KUBERNETES_HOST": f"https://127.0.0.1:{kube.server.port}", "KUBERNETES_API_KEY": "s3cret", **said}
    ours, theirs = (str(folder / "test-ca.pem") for folder in (kube.folder, tmp_path / "other"))
    with (
        KubeObjects(tmp_path / "other"),
        open_cluster(read_settings({}, {**secrets, "KUBERNETES_CA_CERT_FILE": theirs})) as cluster,
    ):
        assert cluster.is_verified
        with pytest.raises(CallFailed, match="tls"):
            cluster.get("/version")
    assert kube.server.requests == []
    with open_cluster(read_settings({}, {**secrets, "KUBERNETES_CA_CERT_FILE": ours})) as cluster:
        cluster.get("/version")
    with open_cluster(read_settings({}, secrets)) as cluster:
        assert not cluster.is_verified
    assert len(kube.server.requests) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (":\n- [", "not YAML"),
        ("[]", "not a kubeconfig"),
        ("contexts: []", "no context 'runner'"),
        ("contexts: [{name: prod}]", "it has: prod"),
        ("contexts: [{name: runner, context: {cluster: x, user: y}}]", "no entry in clusters with the name 'x'"),
    ],
)
def test_a_bad_kubeconfig_is_refused_in_one_line(kube: KubeObjects, content: str | None, says: str) -> None:
    """What is wrong, that nothing was changed, and no traceback of the client."""
    path = kube.folder / "bad"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TargetRefused, match=says) as caught:
        open_cluster(read_settings({"kubeconfig": str(path)}))
    assert "nothing was changed" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_kubeconfigs_are_refused(kube: KubeObjects) -> None:
    """chaosk8s would silently fall back to localhost."""
    with pytest.raises(TargetRefused, match="several files"):
        choose(read_settings({"kubeconfig": f"{kube.kubeconfig}:{kube.kubeconfig}"}), "runner")


def test_a_server_name_is_resolved_once_and_still_checked_by_its_certificate(kube: KubeObjects) -> None:
    """From the opening on, no call needs name resolution."""
    port = kube.server.port
    configuration = edited(kube, lambda d: d["clusters"][0]["cluster"].update(server=f"https://localhost:{port}"))
    with open_cluster(read_settings(configuration)) as cluster:
        assert cluster.get("/api/v1/namespaces/kube-system") is not None
        assert cluster.addresses[-1] == f"127.0.0.1:{port}"
    assert kube.server.requests[-1].headers["host"] == f"localhost:{port}"


def test_addresses_noted_before_serve_when_the_name_no_longer_resolves(kube: KubeObjects) -> None:
    """DNS may be what is broken while we clean up."""
    configuration = edited(
        kube,
        lambda d: d["clusters"][0]["cluster"].update(
            {"server": "https://gone.invalid", "tls-server-name": "localhost"}
        ),
    )
    with pytest.raises(TargetUnreachable, match="does not resolve"):
        open_cluster(read_settings(configuration))
    with open_cluster(read_settings(configuration), known_addresses=[f"127.0.0.1:{kube.server.port}"]) as cluster:
        assert cluster.get("/api/v1/namespaces/kube-system") is not None


def test_a_server_of_another_authority_is_not_talked_to(kube: KubeObjects, tmp_path: Path) -> None:
    """TLS is always verified."""
    with KubeObjects(tmp_path / "other") as other:
        ca = str(other.folder / "test-ca.pem")
        configuration = edited(kube, lambda d: d["clusters"][0]["cluster"].update({"certificate-authority": ca}))
        with open_cluster(read_settings(configuration)) as cluster, pytest.raises(CallFailed) as caught:
            cluster.get("/version")
    assert caught.value.outcome == "tls"
    assert kube.server.requests == []


def opened(kube: KubeObjects) -> Cluster:
    """The runner's connection."""
    return open_cluster(kube.settings())


def test_a_429_is_told_at_once_and_not_retried(kube: KubeObjects) -> None:
    """The client's default would hide it for seconds."""
    kube.fail_next("GET", "/version", Answer(429, {"Retry-After": "1"}), times=5)
    with opened(kube) as cluster, pytest.raises(CallFailed) as caught:
        cluster.get("/version")
    assert caught.value.outcome == "http_429"
    assert len(kube.server.requests) == 1


def create_config_map(cluster: Cluster) -> None:
    """A write with a short limit."""
    body = {"metadata": {"name": "a"}}
    answered = cluster.call("POST", "/api/v1/namespaces/kube-system/configmaps", body=body, timeout_s=0.3)
    cluster.expect_success(answered, "create it")


@pytest.mark.parametrize(("answer", "outcome"), [(HANG, "timeout"), (RESET, "reset"), (Answer(503), "http_5xx")])
def test_a_write_that_got_no_good_answer_is_unknown(kube: KubeObjects, answer: Answer, outcome: str) -> None:
    """A time-out is not a failure: the object may be there."""
    kube.fail_next("POST", "/api", answer)
    with opened(kube) as cluster, pytest.raises(CallFailed) as caught:
        create_config_map(cluster)
    assert caught.value.outcome == outcome
    assert caught.value.is_unknown


def test_a_write_to_a_closed_port_is_known_to_have_failed(kube: KubeObjects) -> None:
    """Nothing was sent, so nothing can land later."""
    configuration = edited(kube, lambda d: d["clusters"][0]["cluster"].update(server="https://127.0.0.1:1"))
    with open_cluster(read_settings(configuration)) as cluster, pytest.raises(CallFailed) as caught:
        cluster.call("POST", "/api/v1/namespaces", body={}, timeout_s=1)
    assert caught.value.outcome == "refused"
    assert not caught.value.is_unknown


def test_an_answer_that_drips_does_not_outlast_the_limit(kube: KubeObjects) -> None:
    """The limit is on the whole call, not on each piece."""
    kube.fail_next("GET", "/version", Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"))
    with opened(kube) as cluster, pytest.raises(CallFailed) as caught:
        cluster.get("/version", timeout_s=0.3)
    assert caught.value.outcome == "timeout"


def test_writes_tell_the_server_how_long_we_wait(kube: KubeObjects) -> None:
    """So that a write nobody waits for any more is given up by the server, too."""
    with opened(kube) as cluster:
        cluster.call("DELETE", "/api/v1/namespaces/kube-system/configmaps/x", timeout_s=2.5)
    assert kube.server.requests[-1].query["timeout"] == "3s"


@pytest.mark.parametrize(("status", "error"), [(401, TargetRefused), (403, TargetRefused), (422, ProfileInvalid)])
def test_a_status_becomes_the_error_the_user_can_act_on(kube: KubeObjects, status: int, error: type[Exception]) -> None:
    """Not allowed and not accepted are different things to correct."""
    kube.fail_next("GET", "/version", Answer(status, {}, b'{"message": "because\\nof that"}'))
    with opened(kube) as cluster, pytest.raises(error, match=f"{status} because of that"):
        cluster.get("/version")


def test_a_fresh_cluster_connects_anew(kube: KubeObjects) -> None:
    """Each kubectl is a new process with a handshake of its own."""
    with opened(kube) as cluster:
        for one in (cluster, cluster, cluster.fresh()):
            one.get("/version")
            if one is not cluster:
                one.close()
    assert [request.connection for request in kube.server.requests] == [1, 1, 2]


def test_credentials_are_complete_and_never_shown(kube: KubeObjects) -> None:
    """Others measure with them; a log line must not repeat them."""
    connection = describe(kube.settings(), "observer")
    target, login = connection.target(), connection.login.credentials()
    assert (target.address, target.port, target.server_name) == ("127.0.0.1", kube.server.port, "127.0.0.1")
    assert b"BEGIN CERTIFICATE" in connection.ca_pem
    assert b"PRIVATE KEY" in login.client_key_pem
    assert "PRIVATE" not in repr(connection) + repr(login) + repr(target)
    assert "CERTIFICATE" not in repr(connection) + repr(login) + repr(target)


def test_a_token_is_a_header_for_all(kube: KubeObjects) -> None:
    """Who measures sends what everybody sends."""
    configuration = edited(kube, lambda d: d["users"][3].update(user={"token": "s3cret"}))
    connection = describe(read_settings(configuration), "observer")
    assert connection.target().headers == connection.headers() == (("Authorization", "Bearer s3cret"),)
    assert "s3cret" not in repr(connection) + repr(connection.target())


def test_inline_credentials_of_a_kubeconfig_are_read(kube: KubeObjects) -> None:
    """Most kubeconfigs carry their certificates as base64."""
    import base64

    def inline(document: Any) -> None:
        cluster = document["clusters"][0]["cluster"]
        ca = Path(cluster.pop("certificate-authority")).read_bytes()
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()

    by_file, by_data = opened(kube), open_cluster(read_settings(edited(kube, inline)))
    assert by_file.ca_sha256 == by_data.ca_sha256 != ""
    assert by_data.get("/api/v1/namespaces/kube-system") is not None
    by_file.close()
    by_data.close()


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ([], "chaos run EXPERIMENT"),
        (["run", "--var", "password=secret", "x.json"], "chaos run EXPERIMENT"),
        (["--no-version-check", "cp", "mark", "--owner", "me"], r"chaos cp mark \.\.\."),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_a_kubeconfig_that_works_only_elsewhere_says_where(
    typed: list[str], named: str, kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A testbed's addresses exist only inside it: outside nothing is tried, and the command that works is named.

    What tells is where this process is, not a variable: that may have been exported outside, or be lost inside.
    """
    words = ["chaoslib_cp.testbed.supervisor", "/state/testbed/demo"]
    inside = {"process-1": words, "command": ["chaos", "cp", "exec", "--name", "demo", "--"]}
    monkeypatch.setattr(sys, "argv", ["chaos", *typed])

    def reached_from_inside(document: dict[str, Any]) -> None:
        document["extensions"] = [{"name": "chaoslib-cp/reached-from", "extension": inside}]

    configuration = edited(kube, reached_from_inside)
    monkeypatch.setenv("CHAOSLIB_CP_TESTBED", "demo")
    with pytest.raises(TargetRefused, match=f"run: chaos cp exec --name demo -- {named}$"):
        open_cluster(read_settings(configuration))
    assert kube.server.requests == []
    monkeypatch.delenv("CHAOSLIB_CP_TESTBED")
    process_1.started_as(words, tmp_path, monkeypatch)
    open_cluster(read_settings(configuration)).close()
