"""The kubelet: its configuration, and keeping it running."""

import json
import logging
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

from chaoslib_cp.inheritance import Kind, handed_to
from chaoslib_cp.testbed.node.config import CRASH_FILE, NodeConfig
from chaoslib_cp.testbed.process import how_it_ended

log = logging.getLogger(__name__)

KUBELET_ROOT = Path("/var/lib/kubelet")
# What systemd waits before it restarts a kubelet (source: kubeadm's kubelet.service, RestartSec=10); shorter here,
# because a testbed's day is shorter.
RESTART_AFTER_S = 2.0
TERMINATED_WITHIN_S = 10.0
LAST_WORDS_LINES = 5
SEARCHED_LINES = 2000
# Kubelet 1.36 without control groups of its own (kubernetes/kubernetes#137993, open in November 2026): it breaks when a
# container with resources is first tried in a later round than its sandbox. Measured: it does so again after each
# restart, other pods' containers go on, and it recovers once the pod is deleted.
RESIZE_SIGN = "doPodResizeAction"
RESIZE_HINT = (
    "this kubelet cannot run a pod with resources that has init containers, or whose environment refers to a missing "
    "ConfigMap or Secret; delete that pod"
)
WATCH_PERIOD_S = 0.2
EVICTION_SIGNALS = ("imagefs.available", "memory.available", "nodefs.available", "nodefs.inodesFree")


def configuration(node: NodeConfig, socket: Path) -> dict[str, Any]:
    """Build the KubeletConfiguration: the defaults of a kubeadm node, but for what needs real containers."""
    endpoint = f"unix://{socket}"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.node_ip,
        "healthzBindAddress": node.node_ip,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": node.client_ca},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [node.cluster_dns],
        "clusterDomain": node.cluster_domain,
        "resolvConf": node.resolv_conf,
        "containerRuntimeEndpoint": endpoint,
        "imageServiceEndpoint": endpoint,
        "serializeImagePulls": False,
        # a ConfigMap edit arrives within seconds instead of a minute and more
        "syncFrequency": "10s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        # processes are not where the kubelet would put containers, so it must not manage groups of its own
        "failCgroupV1": False,
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "makeIPTablesUtilChains": False,
        # the machine's disk is not the node's: never evict for it, never collect images
        "evictionHard": dict.fromkeys(EVICTION_SIGNALS, "0%"),
        "imageGCHighThresholdPercent": 100,
        "volumePluginDir": str(KUBELET_ROOT / "volume-plugins"),
        "registerWithTaints": [],
        "featureGates": {"KubeletInUserNamespace": True} if node.rootless else {},
    }


def command(node: NodeConfig, configuration_file: Path) -> list[str]:
    """Build the kubelet's command line; the kernel kills it when this process ends."""
    labels = ",".join(f"{name}={value}" for name, value in sorted(node.labels.items()))
    return [
        "setpriv",
        "--pdeathsig=KILL",
        "--",
        str(Path(node.programs) / "kubelet"),
        f"--config={configuration_file}",
        f"--kubeconfig={node.kubeconfig}",
        f"--hostname-override={node.node}",
        f"--node-ip={node.node_ip}",
        f"--node-labels={labels}",
        f"--root-dir={KUBELET_ROOT}",
        f"--cert-dir={KUBELET_ROOT / 'pki'}",
    ]


class Kubelet:
    """The kubelet of one node, restarted when it dies.

    Args:
        node: the node.
        socket: the runtime's.
        restart_after_s: pause before it is started again, in seconds.
    """

    def __init__(self, node: NodeConfig, socket: Path, restart_after_s: float = RESTART_AFTER_S) -> None:
        configuration_file = Path(node.folder) / "kubelet.json"
        configuration_file.write_text(json.dumps(configuration(node, socket), indent=1))
        self._command = command(node, configuration_file)
        self._restart_after_s = restart_after_s
        self._node = node.node
        self._crash_file = Path(node.folder) / CRASH_FILE
        self._log_file = Path(node.logs) / f"kubelet-{node.node}.log"

    def keep_running(self, stop: threading.Event) -> None:
        """Run it until ``stop`` is set; it is then ended, too.

        Must be called on a thread that lives as long as the kubelet should: the main one.
        """
        while not stop.is_set():
            process = self._start()
            while process.poll() is None and not stop.wait(WATCH_PERIOD_S):
                pass
            if stop.is_set():
                _end(process)
                return
            ended = (
                f"the kubelet of {self._node} {how_it_ended(process.returncode)}; its last words: {self._last_words()}"
            )
            log.error("%s", ended)
            self._tell(ended)
            stop.wait(self._restart_after_s)

    def _start(self) -> "subprocess.Popen[bytes]":
        with self._log_file.open("ab") as output:
            return subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **handed_to(Kind.TESTBED)
            )

    def _tell(self, words: str) -> None:
        """Leave word for the supervisor, which sees this process and not the kubelet."""
        unfinished = self._crash_file.with_suffix(".new")
        unfinished.write_text(words)
        unfinished.rename(self._crash_file)

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").splitlines()[-SEARCHED_LINES:]
        # what a Go program says when it breaks is followed by pages of stack
        panics = [line for line in lines if line.startswith("panic: ")]
        words = " | ".join(panics[-1:] or lines[-LAST_WORDS_LINES:]) or "none"
        return f"{words}; {RESIZE_HINT}" if panics and any(RESIZE_SIGN in line for line in lines) else words


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(TERMINATED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
