"""A container's configuration becomes a command line that gives it what it asks for, and no more."""

from pathlib import Path

from chaoslib_cp.testbed.cri import api_pb2 as api
from chaoslib_cp.testbed.cri.bubblewrap import Descriptors, Surroundings, command, confinement, resolv_conf, user_of
from chaoslib_cp.testbed.cri.images import NONROOT_UID, Image

IMAGE = Image("img:1", ("/program", "--serve"), {"/host/program": "/program"}, {"MODE": "image", "KEPT": "yes"})
FILES = Descriptors(info=7, block=8)


def _command(config: api.ContainerConfig, rootless: bool = False) -> list[str]:
    surroundings = Surroundings(Path("/node/etc"), Path("/node/resolv.conf"), "pod-1", rootless)
    return command(config, IMAGE, surroundings, FILES)


def _has(argv: list[str], *words: str) -> bool:
    return any(tuple(argv[at : at + len(words)]) == words for at in range(len(argv)))


def _payload(argv: list[str]) -> list[str]:
    return argv[argv.index("--") + 1 :]


def _with_user(uid: int, gid: int | None = None) -> api.ContainerConfig:
    security = api.LinuxContainerSecurityContext(run_as_user=api.Int64Value(value=uid))
    if gid is not None:
        security.run_as_group.value = gid
    return api.ContainerConfig(linux=api.LinuxContainerConfig(security_context=security))


def test_command_and_arguments_follow_the_pod() -> None:
    """Like any runtime: the image's entry point takes the pod's arguments; the pod's command replaces it."""
    assert _payload(_command(api.ContainerConfig(args=["-v"])))[-3:] == ["/program", "--serve", "-v"]
    assert _payload(_command(api.ContainerConfig(command=["sh"], args=["-c", "x"])))[-3:] == ["sh", "-c", "x"]


def test_mounts_are_read_only_when_asked_and_outer_ones_come_first() -> None:
    """A volume inside another one must not be hidden by it, and a read-only one stays so."""
    config = api.ContainerConfig()
    config.mounts.add(container_path="/data/inner", host_path="/k/inner", readonly=True)
    config.mounts.add(container_path="/data", host_path="/k/data")
    argv = _command(config)
    assert _has(argv, "--bind", "/k/data", "/data")
    assert _has(argv, "--ro-bind", "/k/inner", "/data/inner")
    assert argv.index("/k/data") < argv.index("/k/inner")


def test_pod_has_its_own_resolv_conf_unless_a_volume_replaces_it() -> None:
    """The machine's resolver is never seen."""
    assert _has(_command(api.ContainerConfig()), "--ro-bind", "/node/resolv.conf", "/etc/resolv.conf")
    config = api.ContainerConfig()
    config.mounts.add(container_path="/etc/resolv.conf", host_path="/k/own")
    assert "/node/resolv.conf" not in _command(config)


def test_environment_is_the_pods_over_the_images() -> None:
    """Nothing of the machine's environment reaches a container."""
    config = api.ContainerConfig(envs=[api.KeyValue(key="MODE", value=b"pod")])
    argv = _command(config)
    assert "--clearenv" in argv
    assert _has(argv, "--setenv", "MODE", "pod")
    assert _has(argv, "--setenv", "KEPT", "yes")
    assert _has(argv, "--setenv", "HOSTNAME", "pod-1")


def test_every_container_is_isolated_and_dies_with_its_runtime() -> None:
    """Own processes, own host name, no capability, no controlling terminal, no life of its own."""
    argv = _command(api.ContainerConfig())
    isolation = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1", "--die-with-parent", "--new-session")
    assert set(isolation) <= set(argv)
    assert _has(argv, "--cap-drop", "ALL")
    assert _has(argv, "--info-fd", "7")
    assert _has(argv, "--block-fd", "8")


def test_images_run_as_nonroot_unless_the_pod_says_else() -> None:
    """As root we become the user for real, and give up the rights to change it in the same step."""
    assert user_of(api.ContainerConfig()).uid == NONROOT_UID
    payload = _payload(_command(_with_user(1234, 99)))
    assert {"--reuid=1234", "--regid=99", "--bounding-set=-all", "--no-new-privs"} <= set(payload)


def test_root_in_a_pod_has_no_rights() -> None:
    """User 0 needs no switch, and gets no capability for one."""
    argv = _command(_with_user(0))
    assert "--cap-add" not in argv
    assert _payload(argv) == ["/program", "--serve"]


def test_rootless_users_are_shown_by_a_user_namespace() -> None:
    """With one real id, the wanted one is a name for it; there is no switching, inside or later."""
    argv = _command(_with_user(1234), rootless=True)
    assert _has(argv, "--unshare-user", "--uid", "1234")
    assert _payload(argv) == ["/program", "--serve"]
    assert not any(word.startswith("--reuid") for word in confinement(user_of(_with_user(1234)), rootless=True))


def test_read_only_root_comes_after_everything_is_in_place() -> None:
    """Made read-only earlier, the root would refuse the mounts."""
    security = api.LinuxContainerSecurityContext(readonly_rootfs=True)
    argv = _command(api.ContainerConfig(linux=api.LinuxContainerConfig(security_context=security)))
    assert _has(argv, "--remount-ro", "/")
    assert argv.index("--remount-ro") > max(at for at, word in enumerate(argv) if word in ("--dir", "--ro-bind"))


def test_resolv_conf_is_the_kubelets() -> None:
    """Servers, search list and options, in the words of resolv.conf."""
    dns = api.DNSConfig(servers=["10.244.1.53"], searches=["a.local", "b.local"], options=["ndots:5"])
    assert resolv_conf(dns) == "nameserver 10.244.1.53\nsearch a.local b.local\noptions ndots:5\n"
    assert resolv_conf(api.DNSConfig()) == ""
