"""What a kubeconfig says is what everybody sends: gate, actions and observer alike, and nobody honours half of it."""

import asyncio
import base64
from collections import defaultdict
from typing import Any

import pytest

from chaoslib_cp.cluster.door.connect import describe, open_cluster
from chaoslib_cp.engine.sample.https import KeptConnections
from chaoslib_cp.engine.sample.pace import Attempt
from chaoslib_cp.errors import TargetRefused
from chaoslib_cp.observe.plan import ObservePlan
from chaoslib_cp.observe.questions import Kept, questions_of, ways_of
from tests.fakes.api_server import Request
from tests.fakes.kube_objects import CONTEXTS, KubeObjects
from tests.scaffold.kubeconfigs import change, change_cluster, change_user, replace_user


def all_requests(kube: KubeObjects) -> list[Request]:
    """What arrives when every identity makes a control call, and the observer asks all its questions once."""
    for identity in CONTEXTS:
        with open_cluster(kube.settings(), identity) as cluster:
            cluster.call("GET", "/version")
    plan = ObservePlan("", str(kube.kubeconfig), 60.0)

    async def ask_all() -> list[Attempt]:
        kept: Kept = defaultdict(KeptConnections)
        questions = questions_of(plan, ways_of(plan), kept)
        samples = [await question.ask() for question in questions]
        kept[""].close()
        return samples

    assert asyncio.run(ask_all())
    return kube.server.requests


def test_whom_an_identity_stands_for_is_sent_by_all(kube: KubeObjects) -> None:
    """One credential, perhaps of system:masters, and four people: kubernetes-client/python#362."""
    for name in CONTEXTS:
        change_user(kube, name, **{
            "as": f"chaoslib-cp-{name}", "as_uid": "7", "as_groups": ["first", "second"],
            "as_user_extra": {"Example.com/Reason": ["drill", "test"]},
        })  # fmt: skip
    for request in all_requests(kube):
        name = (request.peer_name or "").removeprefix("user-")
        assert request.headers["impersonate-user"] == f"chaoslib-cp-{name}"
        assert request.headers["impersonate-uid"] == "7"
        assert request.headers["impersonate-group"] == "first, second"
        assert request.headers["impersonate-extra-example.com%2freason"] == "drill, test"


def test_a_server_below_a_path_is_asked_there_by_all(kube: KubeObjects) -> None:
    """At the root there is somebody else's API, which nobody marked: krane#808, tilt#5976."""
    change_cluster(kube, server=f"https://127.0.0.1:{kube.server.port}/k8s/clusters/c-m-1/")
    assert all(request.path.startswith("/k8s/clusters/c-m-1/") for request in all_requests(kube))


def test_a_request_names_the_server_as_the_kubeconfig_does(kube: KubeObjects) -> None:
    """Something in front of the API may tell clusters apart by that name."""
    change_cluster(kube, server=f"https://localhost:{kube.server.port}", tls_server_name="127.0.0.1")
    hosts = {request.headers["host"] for request in all_requests(kube)}
    assert hosts == {f"localhost:{kube.server.port}"}


@pytest.mark.parametrize("comment", ["# Főtanúsítvány", "# \N{SNOWMAN}", "garbage -----"])
def test_comments_in_a_bundle_are_passed_over(kube: KubeObjects, comment: str) -> None:
    """As kubectl does, in any encoding: sslyze#670."""
    ca_file = kube.folder / "test-ca.pem"
    before = describe(kube.settings()).ca_sha256
    ca_file.write_bytes(comment.encode() + b"\n\xff\xfe\n" + ca_file.read_bytes() + b"\n" + comment.encode("utf-16"))
    assert describe(kube.settings()).ca_sha256 == before
    assert all_requests(kube)


def test_files_count_from_the_folder_of_the_kubeconfig(kube: KubeObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the folder somebody works in."""
    change_cluster(kube, certificate_authority="test-ca.pem")
    monkeypatch.chdir("/")
    assert describe(kube.settings()).is_verified


def test_data_beside_a_file_are_refused(kube: KubeObjects) -> None:
    """As kubectl does, for all three pairs of keys; data alone may have line breaks, as YAML has them."""
    data = base64.encodebytes((kube.folder / "test-ca.pem").read_bytes()).decode()
    change_cluster(kube, certificate_authority_data=data)
    with pytest.raises(TargetRefused, match="has certificate-authority beside certificate-authority-data"):
        open_cluster(kube.settings())
    change_cluster(kube, certificate_authority=None)
    assert all_requests(kube)


def test_a_name_and_a_password_are_sent(kube: KubeObjects) -> None:
    """Nothing in Kubernetes takes them any more, but something in front of it may."""
    replace_user(kube, "admin", {"username": "u", "password": "p:ü"})
    with open_cluster(kube.settings(), "admin") as cluster:
        cluster.call("GET", "/version")
    sent = "Basic " + base64.b64encode("u:p:ü".encode()).decode()
    assert kube.server.requests[-1].headers["authorization"] == sent


def test_nobody_is_refused(kube: KubeObjects) -> None:
    """Kubectl would ask for a name on the terminal; an anonymous request measures nothing."""
    change(kube, lambda document: document["contexts"][0]["context"].pop("user"))
    with pytest.raises(TargetRefused, match="has no credentials: requests would be anonymous"):
        describe(kube.settings(), CONTEXTS[0])


REFUSED_USERS: dict[str, tuple[dict[str, Any], str]] = {
    "a plugin of old": ({"auth-provider": {"name": "gcp"}}, "the user has auth-provider, which is refused"),
    "a key of tomorrow": ({"token-command": ["x"]}, "the user has a key 'token-command', which is not known"),
    "a key in other letters": ({"Token": "x"}, "the user has a key 'Token', which is not known here"),
    "a group of nobody": ({"as-groups": ["system:masters"]}, "stands for a group or uid of nobody"),
    "groups as text": ({"as": "a", "as-groups": "system:masters"}, "the user has as-groups, which must be a list"),
    "a token and a password": ({"token": "t", "username": "u", "password": "p"}, "has a token and a user name for one"),
    "a key without a certificate": ({"client-key-data": "QQ=="}, "a key without a certificate"),
    "a certificate that is none": (
        {"client-certificate-data": "QQ==", "client-key-data": "QQ=="}, "its client certificate or key cannot be used"),
    "a file that is not there": ({"tokenFile": "nowhere"}, "names a file in tokenFile that cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_USERS)
def test_a_user_that_would_not_be_honoured_is_refused_by_its_key(kube: KubeObjects, case: str) -> None:
    """One line, and nothing is sent."""
    user, words = REFUSED_USERS[case]
    replace_user(kube, "runner", user)
    with pytest.raises(TargetRefused, match=words) as caught:
        open_cluster(kube.settings())
    assert "; nothing was changed; " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert kube.server.requests == []


def test_a_proxy_of_the_kubeconfig_is_refused(kube: KubeObjects) -> None:
    """It would be measured in place of the API server."""
    change_cluster(kube, proxy_url="http://127.0.0.1:3128")
    with pytest.raises(TargetRefused, match="the cluster has proxy-url, which is refused: a proxy would be measured"):
        open_cluster(kube.settings())
    change_cluster(kube, proxy_url="")
    open_cluster(kube.settings()).close()


def test_keys_of_other_users_are_no_matter(kube: KubeObjects) -> None:
    """A kubeconfig has people of other clusters in it."""
    change(kube, lambda document: document["users"].append({"name": "other", "user": {"auth-provider": {"name": "x"}}}))
    open_cluster(kube.settings()).close()
