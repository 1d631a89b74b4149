"""Tokens and server URLs that cannot be used: refused in a line that does not repeat them, nor does anything else."""

import logging
import os
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from chaoslib_cp.cluster.door.authorization import authorization, refuse_unsendable
from chaoslib_cp.cluster.door.connect import describe, open_cluster
from chaoslib_cp.cluster.gate.guard import check_gate
from chaoslib_cp.cluster.undo.recover import recover
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.questions import ways_of
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock

CANARY = "canary-token-7f3a9"
BAD_TOKENS = {
    "a line break inside": f"{CANARY}\nx",
    "a carriage return inside": f"{CANARY}\rx",
    "a tab inside": f"{CANARY}\tx",
    "a NUL": f"{CANARY}\x00x",
    "the last control character": f"{CANARY}\x1fx",
    "DEL": f"{CANARY}\x7fx",
    "outside of latin-1": f"{CANARY}€x",
    "the first beyond latin-1": f"{CANARY}\u0100x",
}


def users(kube: KubeObjects, user: dict[str, Any]) -> None:
    """Let every identity be this user."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    for one in document["users"]:
        one["user"] = dict(user)
    kube.kubeconfig.write_text(yaml.safe_dump(document))


def server(kube: KubeObjects, url: str) -> None:
    """Have another URL of the API server in the kubeconfig."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = url
    kube.kubeconfig.write_text(yaml.safe_dump(document))


def own_keys(kube: KubeObjects, **more: str) -> dict[str, str]:
    """The same server by chaosk8s' own keys."""
    host = f"https://127.0.0.1:{kube.server.port}"
    return {"KUBERNETES_HOST": host, "KUBERNETES_CA_CERT_FILE": str(kube.folder / "test-ca.pem"), **more}


def files_with(words: str) -> list[str]:
    """Which files of the state folder hold them."""
    found = [path for path in Path(os.environ["XDG_STATE_HOME"]).rglob("*") if path.is_file()]
    return [str(path) for path in found if words.encode() in path.read_bytes()]


@pytest.mark.parametrize("end", ["\n", " \r\n", "", "\n\n"])
@pytest.mark.parametrize("how", ["token", "tokenFile"])
def test_a_line_break_after_a_token_is_not_part_of_it(kube: KubeObjects, tmp_path: Path, how: str, end: str) -> None:
    """A file made with ``echo`` and a block of YAML end with one."""
    file = tmp_path / "token"
    file.write_text(f" {CANARY}{end}")
    users(kube, {"token": f" {CANARY}{end}"} if how == "token" else {"tokenFile": str(file)})
    assert check_gate(kube.settings(), ManualClock())
    assert {one.headers["authorization"] for one in kube.server.requests} == {f"Bearer {CANARY}"}
    sent = (("Authorization", f"Bearer {CANARY}"),)
    assert describe(kube.settings(), "observer").headers() == sent
    plan = ObservePlan("", str(kube.kubeconfig), 1.0)
    assert {way.target.headers for way in ways_of(plan).values()} == {sent}


@pytest.mark.parametrize("prefix", [{}, {"KUBERNETES_API_KEY_PREFIX": "Token"}])
def test_a_line_break_after_a_token_of_the_environment_is_not_part_of_it(
    kube: KubeObjects, prefix: dict[str, str]
) -> None:
    """The shell that read it from a file may have kept it; the scheme in front of it stays."""
    scheme = prefix.get("KUBERNETES_API_KEY_PREFIX", "Bearer")
    with open_cluster(read_settings({}, own_keys(kube, KUBERNETES_API_KEY=f"{CANARY}\n", **prefix))) as cluster:
        cluster.get("/version")
    assert kube.server.requests[-1].headers["authorization"] == f"{scheme} {CANARY}"


@pytest.mark.parametrize(
    ("value", "prefix", "sent"),
    [
        ("tok \n", {}, "Bearer tok"),
        ("\n tok", {"authorization": "Token"}, "Token tok"),
        ("tok", {"authorization": ""}, "Bearer tok"),
        ("Bearer  tok\n", {}, "Bearer tok"),
        ("\nBasic tok", {"authorization": "Token"}, "Basic tok"),
    ],
)
def test_a_scheme_that_the_client_lost_is_put_before_the_token_again(
    value: str, prefix: dict[str, str], sent: str
) -> None:
    """As some versions of the client hand it over, with the line break and all."""
    setting = {"in": "header", "key": "authorization", "value": value}
    client = SimpleNamespace(auth_settings=lambda: {"BearerToken": setting}, api_key_prefix=prefix)
    assert authorization(client) == {"authorization": sent}


@pytest.mark.parametrize("kind", BAD_TOKENS)
@pytest.mark.parametrize("how", ["kubeconfig", "own keys"])
def test_a_token_that_no_header_may_hold_is_refused_and_never_shown(
    kube: KubeObjects, kind: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Before anything is sent, for every identity; neither message nor traceback, log or file repeats it."""
    caplog.set_level(logging.DEBUG)
    if how == "kubeconfig":
        users(kube, {"token": BAD_TOKENS[kind]})
        settings, secrets, place = kube.configuration(), None, f"kubeconfig {kube.kubeconfig} context 'runner': "
    else:
        settings, secrets = {}, own_keys(kube, KUBERNETES_API_KEY=BAD_TOKENS[kind])
        place = "the cluster that KUBERNETES_HOST or CHAOSTOOLKIT_IN_POD names: "
    with pytest.raises(TargetRefused) as caught:
        check_gate(read_settings(settings, secrets), ManualClock())
    said = str(caught.value)
    assert said == (
        f"{place}its token holds a line break, another control character or one outside of latin-1, which no HTTP "
        "header may hold; nothing was changed; give it as one line of plain text"
    )
    assert CANARY not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert files_with(CANARY) == []
    assert kube.server.requests == []


@pytest.mark.parametrize("token", ["a b", "a~!b", "a\xa0b\xff"])
def test_what_a_header_may_hold_is_sent_as_it_is(kube: KubeObjects, token: str) -> None:
    """The server judges a token, not we; blank, tilde and the ends of latin-1 are allowed in a header."""
    users(kube, {"token": token})
    with open_cluster(kube.settings()) as cluster:
        cluster.get("/version")
    assert kube.server.requests[-1].headers["authorization"] == f"Bearer {token.encode().decode('latin-1')}"


@pytest.mark.parametrize("identity", ["runner", "admin"])
@pytest.mark.parametrize("url", ["https://u:{c}@{h}", "https://{c}@{h}", "https://{h}/?token={c}", "https://{h}/#{c}"])
def test_a_server_with_a_password_in_its_url_is_refused_and_not_repeated(
    kube: KubeObjects, url: str, identity: str
) -> None:
    """The URL is written to undo log and permit, and shown in messages."""
    server(kube, url.format(c=CANARY, h=f"127.0.0.1:{kube.server.port}"))
    with pytest.raises(TargetRefused) as caught:
        open_cluster(kube.settings(), identity)
    assert str(caught.value) == (
        f"kubeconfig {kube.kubeconfig} context '{identity}': the URL of its server holds a user name, a password or a "
        "query, which would be written to files; nothing was changed; write https://HOST:PORT, with a path if need be"
    )
    with pytest.raises(TargetRefused):
        check_gate(kube.settings(), ManualClock())
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert files_with(CANARY) == []
    assert kube.server.requests == []


def test_a_password_in_the_host_of_chaosk8s_own_keys_is_refused_too(kube: KubeObjects) -> None:
    """It ends in the same files."""
    secrets = own_keys(kube)
    secrets["KUBERNETES_HOST"] = secrets["KUBERNETES_HOST"].replace("//", f"//u:{CANARY}@")
    with pytest.raises(TargetRefused, match=r"KUBERNETES_HOST or .* names: the URL of its server holds") as caught:
        open_cluster(read_settings({}, secrets))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("what", ["token", "server"])
def test_recovery_does_not_show_what_it_could_not_use(
    kube: KubeObjects, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file, not the value."""
    if what == "token":
        users(kube, {"token": f"{CANARY}\nx"})
    else:
        server(kube, f"https://u:{CANARY}@127.0.0.1:{kube.server.port}")
    monkeypatch.setenv("KUBECONFIG", str(kube.kubeconfig))
    report = recover(timeout_s=0, clock=ManualClock())
    assert not report["healed"]
    assert str(kube.kubeconfig) in str(report)
    assert CANARY not in str(report)


def test_an_authority_beside_insecure_is_refused(kube: KubeObjects) -> None:
    """As kubectl does: nobody knows which of them was meant, and a token would go to whoever answers."""
    users(kube, {"token": CANARY})
    document = yaml.safe_load(kube.kubeconfig.read_text())
    document["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    kube.kubeconfig.write_text(yaml.safe_dump(document))
    with pytest.raises(TargetRefused, match="insecure-skip-tls-verify beside a certificate authority"):
        open_cluster(kube.settings())
    assert kube.server.requests == []


def of_a_client(value: str, place: str = "header") -> SimpleNamespace:
    """The official client's configuration, as far as tokens go."""
    setting = {"in": place, "key": "authorization", "value": value}
    return SimpleNamespace(auth_settings=lambda: {"BearerToken": setting}, api_key_prefix={})


def test_only_a_token_in_a_header_is_sent() -> None:
    """Neither none at all nor one that the client would put elsewhere."""
    assert authorization(of_a_client("")) == {}
    assert authorization(of_a_client("t", place="query")) == {}
    assert authorization(of_a_client("t")) == {"authorization": "Bearer t"}


def test_every_byte_that_a_header_may_hold_may_be_in_a_token() -> None:
    """From the first to the last of both ranges."""
    refuse_unsendable("kubeconfig k", "its token", ["!~\x80\xff"])
