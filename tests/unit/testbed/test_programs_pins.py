"""The shipped pins agree with each other: a half-done upgrade is noticed here."""

import re

import pytest

from chaoslib_cp.testbed.programs.pins import PINNED, Module
from tests.places import ROOT

VERSIONS = {
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3", "3.6.14"),
    "kubectl": ("k8s", "k8s.io/kubernetes", "1.36.0"),
    "coredns": ("coredns", "github.com/coredns/coredns", "1.14.7"),
    "kwok": ("kwok", "sigs.k8s.io/kwok", "0.8.0"),
}


def test_all_programs_of_a_testbed_are_pinned() -> None:
    """Nothing a testbed starts is missing."""
    kubernetes = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"}
    assert set(PINNED.programs) == kubernetes | {"etcd", "coredns", "kwok"}


@pytest.mark.parametrize("module", PINNED.modules, ids=lambda module: module.folder)
def test_each_module_ships_its_sums(module: Module) -> None:
    """go.mod and go.sum lie in the package, and every package that is built is one of go.mod's tools."""
    text = (PINNED.gomod / module.folder / "go.mod").read_text()
    assert (PINNED.gomod / module.folder / "go.sum").stat().st_size > 1000
    assert set(module.packages.values()) <= set(text.split())


@pytest.mark.parametrize("name", VERSIONS)
def test_release_and_build_are_the_same_version(name: str) -> None:
    """A download and a build of one program never differ in version."""
    folder, module, version = VERSIONS[name]
    text = (PINNED.gomod / folder / "go.mod").read_text()
    assert re.search(rf"{re.escape(module)} v{re.escape(version)}\b", text)
    urls = [release.url for releases in PINNED.releases.values() for release in releases if name in release.members]
    assert urls
    assert all(f"/v{version}/" in url for url in urls)


def test_one_archive_carries_all_kubernetes_programs() -> None:
    """On both machines one download serves all that the Kubernetes module would build."""
    kubernetes = next(module for module in PINNED.modules if module.folder == "k8s")
    for machine, releases in PINNED.releases.items():
        (archive,) = [release for release in releases if "kubelet" in release.members]
        assert set(archive.members) == set(kubernetes.packages)
        assert (archive.name, archive.algorithm) == (f"kubernetes-server-linux-{machine}.tar.gz", "sha512")


def test_version_stamp_is_that_of_the_sources() -> None:
    """What kube-apiserver says it is, it is; ``+gomod`` says that it is no official build."""
    kubernetes = next(module for module in PINNED.modules if module.folder == "k8s")
    version = VERSIONS["kubectl"][2]
    assert f"k8s.io/component-base/version.gitVersion=v{version}+gomod" in kubernetes.ldflags
    assert f"gitMinor={version.split('.')[1]}" in kubernetes.ldflags


def test_pages_name_the_version_that_is_pinned() -> None:
    """Whoever looks for the archive by hand finds the right one."""
    pages = [ROOT / "README.md", ROOT / "docs" / "howto-testbed.md"]
    named = {version for page in pages for version in re.findall(r"\b1\.\d\d\.\d+\b", page.read_text())}
    assert named == {VERSIONS["kubectl"][2]}


def test_each_download_has_a_checksum_and_https() -> None:
    """There is no release without a whole SHA-256 or SHA-512, and none over plain HTTP."""
    for releases in PINNED.releases.values():
        for release in releases:
            assert release.url.startswith("https://")
            assert re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{128}", release.checksum)
