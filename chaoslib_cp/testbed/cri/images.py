"""Images without layers: each name stands for a local program.

An image of kind "program" is one statically linked file, seen in the container as ``/NAME``, its entry point.
An image of kind "python" is the interpreter this process runs on, with this package; its entry point is the agent.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

import chaoslib_cp
from chaoslib_cp.inheritance import python_module
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.clock import now_ns
from chaoslib_cp.testbed.cri.failure import CallFailed

# "nonroot" of the distroless images, which CoreDNS' own image is built on.
NONROOT_UID = 65532
DEFAULT_REGISTRY = "docker.io/"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A local program under an image name.

    Args:
        name: as pods name it.
        entrypoint: what runs when a container names no command.
        binds: host path -> path in the container, all read-only.
        environment: what the image sets.
        size_bytes: what the kubelet is told; it takes an image without a size for a broken one.
    """

    name: str
    entrypoint: tuple[str, ...]
    binds: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int = 1

    @property
    def identity(self) -> str:
        """A stable id in the form of a content hash; there is no content but the name and the program's path."""
        return "sha256:" + hashlib.sha256(f"{self.name} {sorted(self.binds)}".encode()).hexdigest()


def program_image(name: str, path: str) -> Image:
    """Describe an image that is one program file."""
    inside = f"/{Path(path).name}"
    return Image(name, (inside,), {path: inside}, size_bytes=Path(path).stat().st_size)


def python_image(name: str, folder: Path) -> Image:
    """Describe the image that is this interpreter, its packages and a copy of this package.

    Args:
        name: as pods name it.
        folder: for the copy. The files of a checkout may be their owner's alone, who is not a pod's user.
    """
    package = Path(chaoslib_cp.__file__).parent
    executable = Path(os.path.realpath(sys.executable))
    # a virtual environment's interpreter is a link, sometimes through another link, into the base installation
    prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix), str(executable.parent.parent)}
    binds = {prefix: prefix for prefix in sorted(prefixes) if not Path(prefix).is_relative_to("/usr")}
    binds[str(_copy(package, folder))] = str(package)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{SEARCH_PATH}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(package.parent),
        "PYTHONUNBUFFERED": "1",
    }
    return Image(
        name, tuple(python_module("chaoslib_cp.agent")), binds, environment, size_bytes=executable.stat().st_size
    )


def _copy(package: Path, folder: Path) -> Path:
    copy = folder / package.name
    for source in package.rglob("*"):
        if source.is_file() and source.suffix != ".pyc":
            target = copy / source.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)  # without its mode: that of a new file lets everybody read
    return copy


class Images:
    """The image service: a fixed table of names.

    Args:
        images: every image there is.
        folder: where "image layers" would be, for the kubelet's disk figures.
    """

    def __init__(self, images: list[Image], folder: Path) -> None:
        self._images = {image.name: image for image in images}
        self._folder = folder

    def find(self, name: str) -> Image | None:
        """Return the image a pod, or the kubelet by its id, names; None when there is none."""
        by_name = self._images.get(name) or self._images.get(name.removeprefix(DEFAULT_REGISTRY))
        return by_name or next((image for image in self._images.values() if image.identity == name), None)

    def require(self, spec: api.ImageSpec) -> Image:
        """Return the image of a container that is to be created.

        Raises:
            CallFailed: it stands for none of the local programs.
        """
        image = self.find(spec.image)
        if image is None:
            wanted, known = spec.user_specified_image or spec.image, ", ".join(sorted(self._images))
            raise CallFailed(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"image {wanted!r} is none of the testbed's local programs; it has: {known}",
            )
        return image

    def list_images(self, request: api.ListImagesRequest) -> api.ListImagesResponse:
        """Answer with all images, or the one that is asked for."""
        wanted = request.filter.image.image
        found = [self.find(wanted)] if wanted else list(self._images.values())
        return api.ListImagesResponse(images=[_describe(image) for image in found if image])

    def image_status(self, request: api.ImageStatusRequest) -> api.ImageStatusResponse:
        """Say that the image is there, whatever its name; an unknown one is refused when a container wants it.

        Refusing it here, or when it is pulled, would kill the kubelet: with ``cgroupsPerQOS: false`` kubelet 1.36 ends
        with a nil pointer when it tries again to make a container with resources whose first attempt did not get as
        far as ``CreateContainer`` (kubernetes/kubernetes#137993, open in November 2026).
        """
        name = request.image.image
        return api.ImageStatusResponse(image=_describe(self.find(name) or Image(name, (), {})))

    def pull_image(self, request: api.PullImageRequest) -> api.PullImageResponse:
        """Do nothing: there is no registry. See ``image_status``."""
        name = request.image.image
        return api.PullImageResponse(image_ref=(self.find(name) or Image(name, (), {})).identity)

    def remove_image(self, _request: api.RemoveImageRequest) -> api.RemoveImageResponse:
        """Remove nothing: the programs are not ours to delete."""
        return api.RemoveImageResponse()

    def image_fs_info(self, _request: api.ImageFsInfoRequest) -> api.ImageFsInfoResponse:
        """Answer with the folder's file system; images take no space of their own."""
        usage = api.FilesystemUsage(
            timestamp=now_ns(),
            fs_id=api.FilesystemIdentifier(mountpoint=str(self._folder)),
            used_bytes=api.UInt64Value(value=0),
            inodes_used=api.UInt64Value(value=0),
        )
        return api.ImageFsInfoResponse(image_filesystems=[usage], container_filesystems=[usage])


def _describe(image: Image) -> api.Image:
    return api.Image(
        id=image.identity,
        repo_tags=[image.name],
        size=image.size_bytes,
        uid=api.Int64Value(value=NONROOT_UID),
        spec=api.ImageSpec(image=image.name),
        pinned=True,  # keeps the kubelet from collecting it
    )
