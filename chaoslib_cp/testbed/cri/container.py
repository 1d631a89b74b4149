"""One container: a local process from its start to its exit status."""

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import grpc

from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.bubblewrap import Descriptors
from chaoslib_cp.testbed.cri.clock import now_ns
from chaoslib_cp.testbed.cri.failure import CallFailed
from chaoslib_cp.testbed.cri.images import Image
from chaoslib_cp.testbed.cri.limits import Group
from chaoslib_cp.testbed.cri.logfile import LogFile

log = logging.getLogger(__name__)

# How long a killed process may take to be gone; the kernel needs milliseconds unless the machine is starved.
KILLED_WITHIN_S = 30.0
# What docker and containerd report when a container could not be started at all.
START_ERROR_EXIT_CODE = 128
READ_BYTES = 65536
# Setting up takes a few milliseconds; on a starved machine the container counts as started all the same.
SET_UP_WITHIN_S = 5.0
SET_UP_POLL_S = 0.002


class Container:
    """A container of one sandbox.

    Args:
        identity: its id.
        sandbox_id: of the sandbox it lives in.
        config: as the kubelet gave it.
        image: the local program behind its image.
        log_path: where its output goes.
    """

    def __init__(
        self, identity: str, sandbox_id: str, config: api.ContainerConfig, image: Image, log_path: Path
    ) -> None:
        self.identity = identity
        self.sandbox_id = sandbox_id
        self.config = config
        self.image = image
        self.log_path = log_path
        self.created_at_ns = now_ns()
        self.started_at_ns = 0
        self.finished_at_ns = 0
        self.exit_code = 0
        self.reason = ""
        self.message = ""
        self.pid = 0
        self._ended = threading.Event()
        self._pidfd: int | None = None
        self._pidfd_lock = threading.Lock()  # a descriptor that was closed may be another file's a moment later
        self._group = Group([])
        self._log: LogFile | None = None

    @property
    def state(self) -> "api.ContainerState":
        """Created, running or exited."""
        if self._ended.is_set():
            return api.CONTAINER_EXITED
        return api.CONTAINER_RUNNING if self.started_at_ns else api.CONTAINER_CREATED

    def start(self, spawner: Executor, build: Callable[[Descriptors], list[str]], group: Group) -> None:
        """Start the process.

        Args:
            spawner: runs the start on a thread that lives as long as this process: the kernel ends the container
                when the *thread* that started it ends (prctl(2), PR_SET_PDEATHSIG).
            build: makes the command line once the descriptors are known.
            group: its control group, which it joins before its first instruction.

        Raises:
            CallFailed: it could not be started; nothing is left behind.
        """
        if self.started_at_ns:
            raise CallFailed(grpc.StatusCode.FAILED_PRECONDITION, f"container {self.identity} was started before")
        self._group = group
        log_file = LogFile(self.log_path)
        try:
            process = spawner.submit(self._spawn, build).result()
        except CallFailed:
            log_file.finish()
            raise
        self._log = log_file
        threading.Thread(target=self._follow, args=(process, log_file), name=f"container-{self.identity}").start()

    def _spawn(self, build: Callable[[Descriptors], list[str]]) -> "subprocess.Popen[bytes]":
        info_read, info_write = os.pipe()
        block_read, block_write = os.pipe()
        with os.fdopen(info_read, "rb") as info, os.fdopen(block_write, "wb", buffering=0) as release:
            try:
                process = subprocess.Popen(
                    build(Descriptors(info_write, block_read)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=(info_write, block_read),
                    **handed_to(Kind.TOOL),  # what the container sees is in its command line
                )
            except OSError as error:
                raise CallFailed(grpc.StatusCode.INTERNAL, f"cannot start the container: {error}") from error
            finally:
                os.close(info_write)
                os.close(block_read)
            report = info.read()
            if not report:
                _, words = process.communicate()
                raise CallFailed(grpc.StatusCode.INTERNAL, f"cannot start the container: {words.decode().strip()}")
            self.pid = json.loads(report)["child-pid"]
            try:
                self._pidfd = os.pidfd_open(self.pid)
                self._group.join(process.pid, self.pid)
            except OSError as error:
                # closing the pipe would release it as well
                self._abandon(process)
                raise CallFailed(grpc.StatusCode.INTERNAL, f"cannot start the container: {error}") from error
            release.write(b"\n")
        _wait_until_set_up(self.pid)
        self.started_at_ns = now_ns()
        return process

    def _abandon(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill what waits to be released: the container's process first, while bubblewrap still keeps its id."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        process.kill()
        process.communicate()
        self._close_pidfd()

    def _follow(self, process: "subprocess.Popen[bytes]", log_file: LogFile) -> None:
        with selectors.DefaultSelector() as selector:
            for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map():
                for key, _ in selector.select():
                    chunk = os.read(key.fd, READ_BYTES)
                    if chunk:
                        log_file.write(key.data, chunk)
                    else:
                        selector.unregister(key.fileobj)
        status = process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        log_file.finish()
        self._note_end(status, log_file.last_line)

    def _note_end(self, status: int, last_line: bytes) -> None:
        # bubblewrap answers 128 + signal itself; it is only negative when bubblewrap was killed
        self.exit_code = 128 - status if status < 0 else status
        self.reason = "Completed" if self.exit_code == 0 else "Error"
        if self._group.was_out_of_memory():
            self.reason = "OOMKilled"
        elif self.exit_code and last_line.startswith((b"bwrap: ", b"setpriv: failed to execute")):
            self.reason, self.exit_code = "StartError", START_ERROR_EXIT_CODE
            self.message = last_line.decode(errors="replace")
        self.finished_at_ns = now_ns()
        self._group.remove()
        self._ended.set()
        self._close_pidfd()
        name = self.config.metadata.name
        log.info("container %s (%s) ended: %s, exit code %d", name, self.identity, self.reason, self.exit_code)

    def stop(self, grace_s: float) -> None:
        """End the process: SIGTERM, then SIGKILL after the grace period; at once when that is 0.

        Raises:
            CallFailed: it is still there after SIGKILL; the kubelet tries again.
        """
        if self.state != api.CONTAINER_RUNNING:
            return
        if grace_s > 0:
            self.signal(signal.SIGTERM)
            if self._ended.wait(grace_s):
                return
        self.signal(signal.SIGKILL)
        if not self._ended.wait(KILLED_WITHIN_S):
            raise CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, f"container {self.identity} outlived SIGKILL")

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process; one that has ended gets none."""
        with self._pidfd_lock:
            if self._pidfd is not None:
                with contextlib.suppress(OSError):  # it ended meanwhile
                    signal.pidfd_send_signal(self._pidfd, number)

    def _close_pidfd(self) -> None:
        with self._pidfd_lock:
            if self._pidfd is not None:
                os.close(self._pidfd)
            self._pidfd = None

    def reopen_log(self) -> None:
        """Go on in a new log file."""
        if self._log is not None:
            self._log.reopen()

    def listed(self) -> api.Container:
        """Describe it for a list."""
        return api.Container(
            id=self.identity,
            pod_sandbox_id=self.sandbox_id,
            metadata=self.config.metadata,
            image=self.config.image,
            image_ref=self.image.identity,
            image_id=self.image.identity,
            state=self.state,
            created_at=self.created_at_ns,
            labels=self.config.labels,
            annotations=self.config.annotations,
        )

    def status(self) -> api.ContainerStatus:
        """Describe it in full."""
        return api.ContainerStatus(
            id=self.identity,
            metadata=self.config.metadata,
            state=self.state,
            created_at=self.created_at_ns,
            started_at=self.started_at_ns,
            finished_at=self.finished_at_ns,
            exit_code=self.exit_code,
            image=self.config.image,
            image_ref=self.image.identity,
            image_id=self.image.identity,
            reason=self.reason,
            message=self.message,
            labels=self.config.labels,
            annotations=self.config.annotations,
            mounts=self.config.mounts,
            log_path=str(self.log_path),
            resources=api.ContainerResources(linux=self.config.linux.resources),
        )


def _wait_until_set_up(pid: int) -> None:
    """Wait until bubblewrap has become the container's own program, or has ended.

    Before that the file system is not the container's yet, and a probe run in it would fail.
    """
    ends_at_s = time.monotonic() + SET_UP_WITHIN_S
    with contextlib.suppress(OSError):  # it ended
        while os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "bwrap" and time.monotonic() < ends_at_s:
            time.sleep(SET_UP_POLL_S)
