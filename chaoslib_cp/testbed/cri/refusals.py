"""What a pod may ask of this runtime. Everything else is refused by name, so that nobody rehearses on a pretence.

Accepted without effect: seccomp and AppArmor profiles "RuntimeDefault" (processes run without capabilities and with
no_new_privs instead), and added capability NET_BIND_SERVICE (every pod may bind low ports in its own network).
"""

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.failure import unsupported

# Host folders a container may see: what the kubelet itself prepared (volumes, /etc/hosts, the termination log).
KUBELET_ROOT = "/var/lib/kubelet/"
GRANTED_CAPABILITIES = {"NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE"}


def check_sandbox(config: api.PodSandboxConfig, runtime_handler: str) -> None:
    """Refuse a pod that needs more than its own network, on this machine.

    Raises:
        CallFailed: with the first thing that is not supported.
    """
    security = config.linux.security_context
    if runtime_handler:
        raise unsupported(f"runtime class handler {runtime_handler!r}")
    if security.privileged:
        raise unsupported("privileged pods")
    _check_namespaces(security.namespace_options)
    for sysctl in config.linux.sysctls:
        if not sysctl.startswith("net."):
            raise unsupported(f"sysctl {sysctl} (only net.* belongs to the pod)")
    for mapping in config.port_mappings:
        if mapping.host_port:
            raise unsupported(f"hostPort {mapping.host_port}; use a NodePort Service")


def check_container(config: api.ContainerConfig) -> None:
    """Refuse a container that needs what a local process cannot be given.

    Raises:
        CallFailed: with the first thing that is not supported.
    """
    if config.tty or config.stdin:
        raise unsupported("tty and stdin")
    if config.devices or config.CDI_devices:
        raise unsupported("devices")
    for mount in config.mounts:
        _check_mount(mount)
    _check_security(config.linux.security_context)


def _check_namespaces(options: api.NamespaceOption) -> None:
    if options.network == api.NODE:
        raise unsupported("hostNetwork")
    if options.pid == api.NODE:
        raise unsupported("hostPID")
    if options.ipc == api.NODE:
        raise unsupported("hostIPC")
    if options.pid == api.POD:
        raise unsupported("shareProcessNamespace")
    if options.HasField("userns_options") and options.userns_options.mode == api.POD:
        raise unsupported("hostUsers: false")


def _check_mount(mount: api.Mount) -> None:
    if mount.image.image:
        raise unsupported("image volumes")
    if mount.propagation != api.PROPAGATION_PRIVATE:
        raise unsupported(f"mount propagation at {mount.container_path}")
    if not mount.host_path.startswith(KUBELET_ROOT) or "/../" in mount.host_path:
        raise unsupported(f"hostPath volumes ({mount.host_path}): the node is the machine you work on")


def _check_security(security: api.LinuxContainerSecurityContext) -> None:
    if security.privileged:
        raise unsupported("privileged containers")
    if security.namespace_options.pid == api.TARGET:
        raise unsupported("the process namespace of another container (kubectl debug --target)")
    for capability in security.capabilities.add_capabilities:
        if capability.upper() not in GRANTED_CAPABILITIES:
            raise unsupported(f"capability {capability}")
    if security.run_as_username:
        raise unsupported(f"running as user name {security.run_as_username!r}; use a number")
    for profile in (security.seccomp, security.apparmor):
        if profile.profile_type == api.SecurityProfile.Localhost:
            raise unsupported(f"security profile {profile.localhost_ref!r}")
    if security.HasField("selinux_options"):
        raise unsupported("SELinux options")
