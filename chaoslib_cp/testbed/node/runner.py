"""The node's life: folders, runtime, kubelet, and their end in the reverse order."""

import logging
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.cgroups import CgroupTree, backend
from chaoslib_cp.testbed.components import VOLATILE
from chaoslib_cp.testbed.cri.images import Image, Images, program_image, python_image
from chaoslib_cp.testbed.cri.limits import ContainerLimits
from chaoslib_cp.testbed.cri.network import PodNetwork
from chaoslib_cp.testbed.cri.runtime import Runtime, RuntimeOptions
from chaoslib_cp.testbed.cri.server import SOCKET, serve
from chaoslib_cp.testbed.node.config import NodeConfig, load
from chaoslib_cp.testbed.node.kubelet import Kubelet
from chaoslib_cp.testbed.node.mounts import cover_node_folders

log = logging.getLogger(__name__)

SERVER_STOPS_WITHIN_S = 5.0


def run(node: NodeConfig, stop: threading.Event) -> None:
    """Run the node until ``stop`` is set.

    Raises:
        TestbedFailed: the node could not be started; what was started is ended.
    """
    cover_node_folders()
    folder = Path(node.folder)
    images = Images([_image(name, entry, folder) for name, entry in node.images.items()], folder)
    network = PodNetwork(node.index, node.pod_cidr, node.bridge, node.gateway)
    runtime = Runtime(RuntimeOptions(network, folder, node.rootless, _limits(node)), images)
    socket = _short(folder) / SOCKET
    server = serve(socket, runtime, images)
    log.info("node %s: runtime serves on %s", node.node, socket)
    try:
        Kubelet(node, socket).keep_running(stop)
    finally:
        # refuse new calls first: a kubelet that is still asking would start containers behind our back
        server.stop(grace=None).wait(SERVER_STOPS_WITHIN_S)
        runtime.shut_down()
        socket.unlink(missing_ok=True)
    log.info("node %s: ended", node.node)


def _short(folder: Path) -> Path:
    """Give the folder a second, short path: a socket's has 107 bytes at most, whatever the state folder's is."""
    link = VOLATILE / folder.name
    link.unlink(missing_ok=True)  # left by a node that was killed
    link.symlink_to(folder)
    return link


def _image(name: str, entry: Mapping[str, str], folder: Path) -> Image:
    return python_image(name, folder) if entry["kind"] == "python" else program_image(name, entry["path"])


def _limits(node: NodeConfig) -> ContainerLimits:
    kind = backend() if node.cgroup_tree else "none"
    if kind == "none":
        log.warning("node %s: containers run without CPU and memory limits: no control groups to use", node.node)
        return ContainerLimits(None, node.node)
    return ContainerLimits(CgroupTree(node.cgroup_tree, kind), node.node)


def main(argv: list[str]) -> int:
    """Run a node as a program; SIGTERM and SIGINT end it in order.

    Returns:
        0 after an orderly end, 1 when the node could not be started.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(load(Path(argv[1])), stop)
    except TestbedFailed as error:
        log.error("%s", error)
        return 1
    return 0
