"""A kubeconfig that is none: one line with file, mistake and what to do, whatever the client would make of it."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.cluster.door.connect import choose, open_cluster
from chaoslib_cp.errors import TargetRefused, TargetUnreachable
from chaoslib_cp.settings import read_settings
from tests.fakes.kube_objects import CONTEXTS, KubeObjects

CANARY = "canary-password-7f3a9"
REACHED_FROM = "chaoslib-cp/reached-from"
NO_PLACE = f"extension {REACHED_FROM} has no lists of words `process-1` and `command`"
HOST_OR_PORT = "has a host or a port that cannot be"
SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "contexts are text": ({"contexts": "runner"}, "contexts is not a list of mappings"),
    "contexts are false": ({"contexts": False}, "contexts is not a list of mappings"),
    "a context is text": ({"contexts": ["runner"]}, "contexts is not a list of mappings"),
    "a context's content is text": (
        {"contexts": [{"name": "runner", "context": "x"}]}, "context of 'runner' in contexts is not a mapping"),
    "clusters are a mapping": ({"clusters": {"fake": {}}}, "clusters is not a list of mappings"),
    "one of two clusters is null": ({"clusters": [{"name": "fake"}, None]}, "clusters is not a list of mappings"),
    "a cluster's content is a list": (
        {"clusters": [{"name": "fake", "cluster": []}]}, "cluster of 'fake' in clusters is not a mapping"),
    "a user is a number": ({"users": [5]}, "users is not a list of mappings"),
    "a user's content is a number": (
        {"users": [{"name": "x"}, {"name": "runner", "user": 0}]}, "user of 'runner' in users is not a mapping"),
    "extensions are a number": ({"extensions": 5}, "extensions is not a list of mappings"),
    "an extension is text": ({"extensions": ["x"]}, "extensions is not a list of mappings"),
    "our extension is text": ({"extensions": [{"name": REACHED_FROM, "extension": "x"}]}, NO_PLACE),
    "our place is text": (
        {"extensions": [{"name": REACHED_FROM, "extension": {"process-1": "a", "command": ["b"]}}]}, NO_PLACE),
    "our place has no command": ({"extensions": [{"name": REACHED_FROM, "extension": {"process-1": ["a"]}}]}, NO_PLACE),
}  # fmt: skip
NO_SERVERS: dict[str, object] = {
    "no content": None, "no server": {}, "a null": {"server": None}, "an empty one": {"server": ""},
    "a number": {"server": 5}, "a list": {"server": ["https://h"]},
}  # fmt: skip
URLS = {
    "https://h:abc": HOST_OR_PORT,
    "https://127.0.0.1:99999": HOST_OR_PORT,
    "https://127.0.0.1:65536": HOST_OR_PORT,
    "https://127.0.0.1:0": HOST_OR_PORT,
    f"https://{'a' * 64}:1": HOST_OR_PORT,
    "https://a..b": HOST_OR_PORT,
    "https://": HOST_OR_PORT,
    "https://:6443": HOST_OR_PORT,
    "https://127.0.0.1 :1": HOST_OR_PORT,
    "https://127.0.0.1\x00:1": HOST_OR_PORT,
    "https://127.0.0.1:1\n": HOST_OR_PORT,
    "127.0.0.1:6443": "does not begin with https:// or http://",
    "localhost:6443": "does not begin with https:// or http://",
    "ftp://127.0.0.1": "does not begin with https:// or http://",
}


def written(kube: KubeObjects, **changed: Any) -> dict[str, Any]:
    """Change the kubeconfig's own keys and return the configuration that leads to it."""
    document = {**yaml.safe_load(kube.kubeconfig.read_text()), **changed}
    kube.kubeconfig.write_text(yaml.safe_dump(document))
    return kube.configuration()


def with_cluster(kube: KubeObjects, content: object) -> dict[str, Any]:
    """Another content of the only cluster."""
    return written(kube, clusters=[{"name": "fake", "cluster": content}])


@pytest.mark.parametrize("identity", CONTEXTS)
@pytest.mark.parametrize("case", SHAPES)
def test_what_is_no_list_of_mappings_is_refused_by_its_name(kube: KubeObjects, case: str, identity: str) -> None:
    """Whoever wrote it by hand reads which key, in which file."""
    changed, says = SHAPES[case]
    settings = read_settings(written(kube, **changed))
    for ask in (choose, open_cluster):
        with pytest.raises(TargetRefused) as caught:
            ask(settings, identity)
        assert str(caught.value) == (
            f"kubeconfig {kube.kubeconfig}: {says}; nothing was changed; correct it, or name another file"
        )


@pytest.mark.parametrize(
    "extensions",
    [None, [], [{"name": REACHED_FROM}], [{"name": REACHED_FROM, "extension": {}}],
     [{"name": "theirs", "extension": "x"}, {"extension": 5}]],
)  # fmt: skip
def test_extensions_that_say_nothing_of_a_place_are_no_hindrance(kube: KubeObjects, extensions: object) -> None:
    """Those of others may be anything."""
    open_cluster(read_settings(written(kube, extensions=extensions))).close()


def test_the_place_is_found_behind_extensions_of_others(kube: KubeObjects) -> None:
    """Whichever place it has in the list."""
    place = {"process-1": ["surely not"], "command": ["lead", "in"]}
    configuration = written(
        kube, extensions=[{"name": "theirs", "extension": 5}, {"name": REACHED_FROM, "extension": place}]
    )
    with pytest.raises(TargetRefused, match="cannot be reached from here; nothing was changed; run: lead in chaos run"):
        choose(read_settings(configuration), "runner")


@pytest.mark.parametrize("case", NO_SERVERS)
def test_a_cluster_without_a_server_is_not_looked_for_on_localhost(kube: KubeObjects, case: str) -> None:
    """The client would; what other clusters lack is no matter."""
    other = {"name": "other", "cluster": NO_SERVERS[case]}
    document = yaml.safe_load(kube.kubeconfig.read_text())
    open_cluster(read_settings(written(kube, clusters=[other, *document["clusters"]]))).close()
    with pytest.raises(TargetRefused) as caught:
        open_cluster(read_settings(with_cluster(kube, NO_SERVERS[case])))
    assert str(caught.value) == (
        f"kubeconfig {kube.kubeconfig} context 'runner': cluster 'fake' has no server that is text; nothing was "
        "changed; write server: https://HOST:PORT there"
    )


@pytest.mark.parametrize("url", URLS)
def test_a_server_that_is_no_url_is_refused(kube: KubeObjects, url: str) -> None:
    """Also when addresses were noted earlier: it is the kubeconfig that is wrong."""
    configuration = with_cluster(kube, {"server": url})
    for known in ((), ("127.0.0.1:1",)):
        with pytest.raises(TargetRefused) as caught:
            open_cluster(read_settings(configuration), known_addresses=known)
        assert str(caught.value) == (
            f"kubeconfig {kube.kubeconfig} context 'runner': the URL of its server {URLS[url]}; nothing was changed; "
            "write https://HOST:PORT, with a path if need be"
        )


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://127.0.0.1", "127.0.0.1:443"),
        ("http://127.0.0.1", "127.0.0.1:80"),
        ("https://127.0.0.1:1", "127.0.0.1:1"),
        ("https://127.0.0.1:65535/k8s/clusters/c-1", "127.0.0.1:65535"),
        ("https://[::1]:6443", "[::1]:6443"),
    ],
)
def test_a_server_has_the_usual_port_unless_it_says_another(kube: KubeObjects, url: str, address: str) -> None:
    """The first and the last port are ports; an address of IPv6 keeps its brackets."""
    with open_cluster(read_settings(with_cluster(kube, {"server": url})), known_addresses=["127.0.0.1:7"]) as cluster:
        assert (cluster.server, cluster.addresses) == (url, (address, "127.0.0.1:7"))


def test_a_name_of_63_characters_is_a_name(kube: KubeObjects) -> None:
    """It only does not resolve."""
    with pytest.raises(TargetUnreachable, match=f"https://{'a' * 63}.invalid:1: the name does not resolve"):
        open_cluster(read_settings(with_cluster(kube, {"server": f"https://{'a' * 63}.invalid:1"})))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"users": [{"name": "runner", "user": {"tokenFile": 5}}]}, ": the user has tokenFile, which must be text"),
        (
            {"users": [{"name": "runner", "user": {"username": 1, "password": CANARY}}]},
            ": the user has username, which must be text",
        ),
        ({"users": [{"name": "runner", "user": {"token": CANARY, "username": "u"}}]}, " has a token and a user name"),
        (
            {"users": [{"name": "runner", "user": {"token": CANARY, "exec": "x"}}]},
            ": the user has exec, which must be a mapping",
        ),
        (
            {"users": [{"name": "runner", "user": {"client-key-data": "!"}}]},
            " has client-key-data that is not base64",
        ),
        ({"users": [{"name": "runner", "user": {"as": "a\nb"}}]}, ": as, as-uid, as-groups or as-user-extra holds"),
        ({"users": [{"name": "runner", "user": {"as-groups": ["g"]}}]}, " stands for a group or uid of nobody"),
        ({"users": [{"name": "runner"}, {"name": "runner"}]}, ": several entries in users with the name 'runner'"),
        (
            {"clusters": [{"name": "fake", "cluster": {"server": "https://h", "proxy-url": "x"}}]},
            ": the cluster has proxy",
        ),
        ({"clusters": []}, ": no entry in clusters with the name 'fake'"),
    ],
)
def test_whatever_else_is_wrong_is_told_by_its_key(kube: KubeObjects, changed: dict[str, Any], says: str) -> None:
    """Without what stands there, which may be a secret, and so without a traceback that goes on to it."""
    with pytest.raises(TargetRefused) as caught:
        open_cluster(read_settings(written(kube, **changed)))
    assert str(caught.value).startswith(f"kubeconfig {kube.kubeconfig} context 'runner'{says}")
    assert "; nothing was changed; " in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("data", ["", "AAAA", "bm8gY2VydGlmaWNhdGU="])
def test_a_bad_authority_is_mended_in_the_kubeconfig(kube: KubeObjects, data: str) -> None:
    """What stands in the file is put into a temporary one, whose name nobody knows."""
    content = {"server": "https://127.0.0.1:1", "certificate-authority-data": data}
    if not data:
        file = kube.folder / "empty"
        file.touch()
        content = {"server": "https://127.0.0.1:1", "certificate-authority": str(file)}
    with pytest.raises(TargetRefused) as caught:
        open_cluster(read_settings(with_cluster(kube, content)))
    assert str(caught.value) == (
        f"kubeconfig {kube.kubeconfig} context 'runner': its certificate authority cannot be read; nothing was "
        "changed; correct certificate-authority or certificate-authority-data"
    )


@pytest.mark.parametrize("given", ["no-certificate", "a\x00b", 5])
def test_a_bad_authority_of_chaosk8s_own_keys_is_mended_there(
    kube: KubeObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: object
) -> None:
    """There is no kubeconfig to correct."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-certificate").write_text("none")
    secrets = {"KUBERNETES_HOST": f"https://127.0.0.1:{kube.server.port}", "KUBERNETES_CA_CERT_FILE": given}
    with pytest.raises(TargetRefused) as caught:
        open_cluster(read_settings({}, secrets))
    assert str(caught.value) == (
        "the cluster that KUBERNETES_HOST or CHAOSTOOLKIT_IN_POD names: its certificate authority cannot be read; "
        "nothing was changed; correct KUBERNETES_CA_CERT_FILE"
    )


@pytest.mark.parametrize("path", ["~nobody-of-that-name/config", "a\x00b"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    """Neither is an error of ours."""
    with pytest.raises(TargetRefused, match="not text, or no home folder of that name; nothing was changed"):
        choose(read_settings({"kubeconfig": path}), "runner")


def test_a_mistake_in_the_yaml_is_told_without_the_lines_around_it(kube: KubeObjects) -> None:
    """They may hold a token."""
    kube.kubeconfig.write_text("users: [{token: x, x: ]")
    with pytest.raises(TargetRefused, match="is not YAML; nothing was changed; name another file") as caught:
        choose(kube.settings(), "runner")
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("identity", "advice"),
    [
        ("runner", "configuration.runner_context"),
        ("break-glass", "configuration.break_glass_context"),
        ("admin", "configuration.admin_context, or `chaos cp mark --context`"),
    ],
)
def test_a_missing_context_is_advised_where_it_can_be_named(kube: KubeObjects, identity: str, advice: str) -> None:
    """`chaos cp mark` has an option for it and no configuration."""
    with pytest.raises(TargetRefused) as caught:
        choose(
            read_settings({"kubeconfig": str(kube.kubeconfig), f"{identity.replace('-', '_')}_context": "x"}), identity
        )
    assert str(caught.value) == (
        f"kubeconfig {kube.kubeconfig} has no context 'x' for identity {identity} (it has: {', '.join(CONTEXTS)}); "
        f"nothing was changed; name one that it has: {advice}"
    )


def test_only_the_cluster_of_the_chosen_context_must_have_a_server(kube: KubeObjects) -> None:
    """Another context of the same file may be half written."""
    document = yaml.safe_load(kube.kubeconfig.read_text())
    document["clusters"].append({"name": "half", "cluster": {}})
    document["contexts"].append({"name": "draft", "context": {"cluster": "half", "user": "runner"}})
    document["contexts"].reverse()
    kube.kubeconfig.write_text(yaml.safe_dump(document))
    with open_cluster(kube.settings()) as cluster:
        assert cluster.context == "runner"
    with pytest.raises(TargetRefused, match="context 'draft': cluster 'half' has no server that is text"):
        open_cluster(kube.settings(runner_context="draft"))
