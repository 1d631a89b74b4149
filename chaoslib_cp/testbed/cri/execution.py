"""Commands run inside a running container, for exec probes."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping

import grpc

from chaoslib_cp.inheritance import exactly
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.failure import CallFailed

# The interface's own cap on one answer (16 MiB) is far above what a probe says.
LONGEST_OUTPUT_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_S = 60.0
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts")


def run(pid: int, command: list[str], environment: Mapping[str, str], timeout_s: float) -> api.ExecSyncResponse:
    """Run a command in the namespaces of process ``pid``.

    Args:
        pid: the container's process.
        command: what to run, with what confines it in front.
        environment: its whole environment.
        timeout_s: limit in seconds; 0 means the default.

    Returns:
        Output and exit code of the command.

    Raises:
        CallFailed: it did not end in time, and was killed; or the container is gone.
    """
    user_namespace = [] if _shares_user_namespace(pid) else ["--user", "--preserve-credentials"]
    entering = ["nsenter", f"--target={pid}", *NAMESPACES, *user_namespace, "--root", "--wd", "--"]
    with subprocess.Popen(
        [*entering, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **exactly(environment),
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s or DEFAULT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # nsenter forks to enter the process namespace, so the command is a grandchild in the same session
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise CallFailed(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"command {command[-1]!r} timed out after {timeout_s:g} s"
            ) from None
    code = process.returncode
    return api.ExecSyncResponse(
        stdout=stdout[:LONGEST_OUTPUT_BYTES],
        stderr=stderr[:LONGEST_OUTPUT_BYTES],
        exit_code=128 - code if code < 0 else code,
    )


def _shares_user_namespace(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user")
    except OSError as error:
        raise CallFailed(grpc.StatusCode.FAILED_PRECONDITION, "the container is not running") from error
