"""The gRPC server in front of the runtime and image services."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.images import Images
from chaoslib_cp.testbed.cri.runtime import Runtime
from chaoslib_cp.testbed.cri.service import ServiceHandler

RUNTIME_SERVICE = api.DESCRIPTOR.services_by_name["RuntimeService"]
IMAGE_SERVICE = api.DESCRIPTOR.services_by_name["ImageService"]
NODE_SERVICE = api.DESCRIPTOR.services_by_name["NodeService"]
# A call that waits for a container to end holds a thread for the grace period; a node has up to 110 pods to stop.
THREADS = 32
# Name of the socket in a node's folder.
SOCKET = "cri.sock"
# sun_path in unix(7), without the closing zero.
LONGEST_SOCKET_PATH = 107


def serve(socket: Path, runtime: Runtime, images: Images) -> grpc.Server:
    """Start serving on a unix socket.

    Returns:
        The running server; stop it to end.

    Raises:
        TestbedFailed: the socket's path is too long, or the socket cannot be made.
    """
    if len(str(socket)) > LONGEST_SOCKET_PATH:
        raise TestbedFailed(
            f"unix socket {socket}: the path is longer than {LONGEST_SOCKET_PATH} characters; nothing was started; "
            "set XDG_STATE_HOME to a shorter folder"
        )
    with contextlib.suppress(FileNotFoundError):
        socket.unlink()  # left by a runtime that was killed
    server = grpc.server(ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="cri"))
    served = ((RUNTIME_SERVICE, runtime), (NODE_SERVICE, runtime), (IMAGE_SERVICE, images))
    server.add_generic_rpc_handlers([ServiceHandler(service, servant) for service, servant in served])
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError as error:
        raise TestbedFailed(f"unix socket {socket}: cannot be made: {error}; nothing was started") from error
    server.start()
    return server
