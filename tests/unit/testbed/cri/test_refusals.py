"""What the runtime cannot do it refuses by name; what pods ordinarily ask for it accepts."""

import pytest

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.failure import CallFailed
from chaoslib_cp.testbed.cri.refusals import check_container, check_sandbox


def _sandbox(**options: int) -> api.PodSandboxConfig:
    namespaces = api.NamespaceOption(**{"pid": api.CONTAINER, **options})  # type: ignore[arg-type]
    security = api.LinuxSandboxSecurityContext(namespace_options=namespaces)
    return api.PodSandboxConfig(linux=api.LinuxPodSandboxConfig(security_context=security))


def _container(**security: object) -> api.ContainerConfig:
    context = api.LinuxContainerSecurityContext(**security)  # type: ignore[arg-type]
    return api.ContainerConfig(linux=api.LinuxContainerConfig(security_context=context))


def _refusal(config: api.ContainerConfig) -> str:
    with pytest.raises(CallFailed) as refusal:
        check_container(config)
    return str(refusal.value)


def test_ordinary_pods_pass() -> None:
    """A pod with a network of its own, a restricted security context and kubelet volumes is what this is for."""
    check_sandbox(_sandbox(), "")
    config = _container(
        capabilities=api.Capability(add_capabilities=["NET_BIND_SERVICE"], drop_capabilities=["ALL"]),
        seccomp=api.SecurityProfile(profile_type=api.SecurityProfile.RuntimeDefault),
        readonly_rootfs=True,
    )
    config.mounts.add(container_path="/etc/hosts", host_path="/var/lib/kubelet/pods/1/etc-hosts")
    check_container(config)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"network": api.NODE}, "hostNetwork"),
        ({"pid": api.NODE}, "hostPID"),
        ({"ipc": api.NODE}, "hostIPC"),
        ({"pid": api.POD}, "shareProcessNamespace"),
    ],
)
def test_namespaces_of_the_machine_are_refused(options: dict[str, int], word: str) -> None:
    """A pod may not share what belongs to the machine, and is told the field of its manifest."""
    with pytest.raises(CallFailed, match=word):
        check_sandbox(_sandbox(**options), "")


def test_pod_settings_beyond_its_network_are_refused() -> None:
    """A user namespace, a foreign sysctl, a host port, a runtime class, privilege: each by name."""
    user_namespace = _sandbox()
    user_namespace.linux.security_context.namespace_options.userns_options.mode = api.POD
    sysctl = _sandbox()
    sysctl.linux.sysctls["kernel.msgmax"] = "1"
    host_port = _sandbox()
    host_port.port_mappings.add(container_port=80, host_port=8080)
    privileged = _sandbox()
    privileged.linux.security_context.privileged = True
    refused = [(user_namespace, "hostUsers"), (sysctl, "kernel.msgmax"), (host_port, "8080"), (privileged, "privil")]
    for config, word in refused:
        with pytest.raises(CallFailed, match=word):
            check_sandbox(config, "")
    with pytest.raises(CallFailed, match="gvisor"):
        check_sandbox(_sandbox(), "gvisor")


def test_own_network_sysctls_pass() -> None:
    """A sysctl of the pod's own network is the pod's to set."""
    config = _sandbox()
    config.linux.sysctls["net.ipv4.tcp_syncookies"] = "0"
    check_sandbox(config, "")


def test_privilege_and_capabilities_are_refused() -> None:
    """No process gets more rights than binding a low port."""
    assert "privileged" in _refusal(_container(privileged=True))
    assert "NET_ADMIN" in _refusal(_container(capabilities=api.Capability(add_capabilities=["NET_ADMIN"])))
    localhost = api.SecurityProfile(profile_type=api.SecurityProfile.Localhost, localhost_ref="strict.json")
    assert "strict.json" in _refusal(_container(seccomp=localhost))


@pytest.mark.parametrize("path", ["/etc", "/", "/var/lib/kubelet/../../../etc", "/var/lib/kubelet-other"])
def test_folders_of_the_machine_are_refused(path: str) -> None:
    """A hostPath volume would be the machine somebody works on."""
    config = _container()
    config.mounts.add(container_path="/host", host_path=path)
    assert path in _refusal(config)


def test_terminals_and_devices_are_refused() -> None:
    """There is nothing to attach to, and no device to give."""
    assert "tty" in _refusal(api.ContainerConfig(tty=True))
    assert "devices" in _refusal(api.ContainerConfig(devices=[api.Device(container_path="/dev/kvm")]))
