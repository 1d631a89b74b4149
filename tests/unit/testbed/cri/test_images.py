"""Image names stand for local programs; nothing else can be run."""

import sys
from pathlib import Path

import pytest

import chaoslib_cp
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.failure import CallFailed
from chaoslib_cp.testbed.cri.images import Images, program_image, python_image


@pytest.fixture
def images(tmp_path: Path) -> Images:
    """One program and this interpreter."""
    program = tmp_path / "coredns"
    program.write_text("binary")
    return Images(
        [program_image("coredns/coredns:1.14.7", str(program)), python_image("chaoslib-cp:1", tmp_path)], tmp_path
    )


def test_images_are_found_by_name_and_by_id(images: Images) -> None:
    """Pods name an image, with or without the default registry; the kubelet goes on with its id."""
    image = images.require(api.ImageSpec(image="coredns/coredns:1.14.7"))
    assert images.find("docker.io/coredns/coredns:1.14.7") == image
    assert images.find(image.identity) == image


def test_unknown_images_are_refused_where_a_kubelet_survives_it(images: Images) -> None:
    """The kubelet is told that any image is there, and the container is refused with the names there are."""
    status = images.image_status(api.ImageStatusRequest(image=api.ImageSpec(image="nginx:latest")))
    pulled = images.pull_image(api.PullImageRequest(image=api.ImageSpec(image="nginx:latest")))
    assert status.image.id == pulled.image_ref
    assert status.image.size
    with pytest.raises(CallFailed, match=r"'nginx' is none .* chaoslib-cp:1, coredns/coredns:1\.14\.7"):
        images.require(api.ImageSpec(image=status.image.id, user_specified_image="nginx"))


def test_list_holds_what_there_is(images: Images) -> None:
    """Images are pinned, so that the kubelet never collects a program of the machine."""
    listed = images.list_images(api.ListImagesRequest()).images
    assert {tag for image in listed for tag in image.repo_tags} == {"coredns/coredns:1.14.7", "chaoslib-cp:1"}
    assert all(image.pinned and image.size for image in listed)


def test_python_image_holds_the_interpreter_and_this_package_only(tmp_path: Path) -> None:
    """Interpreter, packages and the package itself are seen under their own paths; not the checkout around it."""
    image = python_image("chaoslib-cp:1", tmp_path)
    package = Path(chaoslib_cp.__file__).parent
    assert image.entrypoint == (sys.executable, "-P", "-X", "utf8", "-m", "chaoslib_cp.agent")
    assert image.binds[str(tmp_path / "chaoslib_cp")] == str(package)
    assert not {str(package), str(package.parent)} & image.binds.keys()
    assert image.environment["PYTHONPATH"] == str(package.parent)


def test_a_checkout_that_only_its_owner_may_read_is_seen_by_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was cloned under a strict umask; a pod's user is somebody else."""
    package = tmp_path / "checkout" / "chaoslib_cp"
    (package / "agent").mkdir(parents=True, mode=0o700)
    file = package / "agent" / "__main__.py"
    file.write_text("print()")
    file.chmod(0o600)
    monkeypatch.setattr(chaoslib_cp, "__file__", str(package / "__init__.py"))
    image = python_image("chaoslib-cp:1", tmp_path)
    [copy] = [Path(path) for path, inside in image.binds.items() if inside == str(package)]
    assert (copy / "agent" / "__main__.py").read_text() == "print()"
    for path in (copy, copy / "agent", copy / "agent" / "__main__.py"):
        assert path.stat().st_mode & 0o044 == 0o044, path
