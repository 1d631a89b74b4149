"""What the doctor finds, and that it names the command that helps."""

import json
import os
from pathlib import Path

import pytest

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.testbed.doctor import Check, examine, install_command, require, tool_checks
from chaoslib_cp.testbed.programs.pins import PINNED

TOOLS = ("ip", "nft", "bwrap", "unshare", "nsenter")
# the old line's environment has no testbed extra
PYTHON_PACKAGES = ("grpcio", "protobuf", "cryptography")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose system programs all are there and succeed at once; returns the folder they lie in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        make_tool(folder, tool)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CHAOSLIB_CP_BIN", raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return folder


def make_tool(folder: Path, name: str, script: str = "exit 0") -> None:
    """Put a system program in place that does what the script says."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def named(checks: list[Check], name: str) -> Check:
    """Return one check."""
    return next(check for check in checks if check["name"] == name)


def sudo() -> str:
    """Return what stands before a command that only root may run."""
    return "" if os.geteuid() == 0 else "sudo "


def test_healthy_machine_is_let_through(system: Path) -> None:
    """With all tools in place nothing required fails, and every check is plain JSON with no fix to follow."""
    checks = [check for check in examine() if check["name"] not in PYTHON_PACKAGES]
    assert json.loads(json.dumps(checks)) == checks
    assert {check["name"] for check in checks if check["required"] and not check["ok"]} == set()
    assert all(check["ok"] is not bool(check["fix"]) for check in checks)
    assert set(TOOLS) < {check["name"] for check in checks}
    assert system.exists()


def test_one_command_installs_all_that_is_missing(system: Path) -> None:
    """Missing tools are named, each with the one command that brings all of their packages."""
    make_tool(system, "apt-get")
    (system / "bwrap").unlink()
    (system / "nft").unlink()
    missing = [check for check in tool_checks(system_folders="") if not check["ok"]]
    assert [(check["name"], check["detail"]) for check in missing] == [
        ("nft", "not installed"),
        ("bwrap", "not installed"),
    ]
    assert {check["fix"] for check in missing} == {f"{sudo()}apt-get install -y bubblewrap nftables"}


def test_missing_tool_stops_before_anything_is_started(system: Path) -> None:
    """The error is one line: what is missing, that nothing was started, and what to do."""
    make_tool(system, "apt-get")
    (system / "bwrap").unlink()
    with pytest.raises(TestbedFailed) as raised:
        require()
    message = str(raised.value)
    assert message.startswith("this machine cannot run a testbed: bwrap: not installed; ")
    assert f"nothing was started; do: {sudo()}apt-get install -y bubblewrap" in message
    assert "\n" not in message


def test_tool_outside_of_path_is_not_reinstalled(system: Path, tmp_path: Path) -> None:
    """An ordinary user's PATH may lack sbin: the fix is PATH, not a package."""
    sbin = tmp_path / "sbin"
    sbin.mkdir()
    (system / "nft").rename(sbin / "nft")
    nft = named(tool_checks(system_folders=str(sbin)), "nft")
    assert (nft["ok"], nft["detail"]) == (False, f"{sbin}/nft, which is not on PATH")
    assert nft["fix"] == f"export PATH=$PATH:{sbin}"


@pytest.mark.parametrize(
    ("tool", "command"), [("dnf", "dnf install -y iproute"), ("pacman", "pacman -S --noconfirm iproute2")]
)
def test_packages_have_their_local_names(system: Path, tool: str, command: str) -> None:
    """The command is that of this machine's package tool, with the names it knows."""
    make_tool(system, tool)
    assert install_command(["iproute2"]) == f"{sudo()}{command}"


def test_forbidden_namespaces_are_told_once_in_the_kernels_words(system: Path) -> None:
    """When namespaces do not work, that is told with the reason; what needs them is not listed as broken, too."""
    make_tool(system, "unshare", 'echo "unshare: unshare failed: Operation not permitted" >&2; exit 1')
    checks = examine()
    found = named(checks, "namespaces")
    assert (found["ok"], found["detail"]) == (False, "unshare: unshare failed: Operation not permitted")
    assert found["fix"]
    assert not {"nf_tables", "bridge and veth", "containers"} & {check["name"] for check in checks}
    with pytest.raises(TestbedFailed, match=r"namespaces: unshare: .* nothing was started; do: "):
        require()


def test_each_trial_runs_in_namespaces_of_its_own(system: Path, tmp_path: Path) -> None:
    """Bridges and rules are tried in fresh namespaces, in a user namespace when asked, never on the machine itself."""
    make_tool(system, "unshare", f'echo "$@" >> {tmp_path}/calls')
    examine(rootless=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    spaces = "--user --map-root-user --net --uts --mount --pid --fork"
    assert all(call.startswith(spaces) for call in calls)
    assert [call.split()[9] for call in calls] == ["true", "ip", "nft", "bwrap"]


def test_kernel_without_nft_parts_is_noticed(system: Path) -> None:
    """A kernel that lacks what kube-proxy's rules need is found before anything is started."""
    make_tool(system, "unshare", 'case "$*" in *" nft "*) echo "Error: Could not process rule" >&2; exit 1;; esac')
    checks = examine()
    assert named(checks, "nf_tables")["detail"] == "Error: Could not process rule"
    assert "modprobe -a nf_tables" in named(checks, "nf_tables")["fix"]
    assert named(checks, "containers")["ok"]


def test_missing_programs_are_no_obstacle_but_an_incomplete_folder_is(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs that can still be got are only mentioned; a folder named on purpose must be complete."""
    found = named(examine(), "programs")
    assert (found["ok"], found["required"], found["fix"]) == (False, False, "chaos cp programs")
    assert "official releases take a minute or two, or " in found["detail"]
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(tmp_path))
    found = named(examine(), "programs")
    assert (found["ok"], found["required"]) == (False, True)
    assert "lacks etcd, kube-apiserver" in found["detail"]
    assert system.exists()


def test_files_that_only_their_owner_may_read_are_found_before_pods_need_them(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`go build` under a strict umask: CoreDNS, which runs as a user of its own, could not be started."""
    programs = tmp_path / "my programs"
    programs.mkdir()
    for name in PINNED.programs:
        (programs / name).touch(mode=0o755)
    monkeypatch.setenv("CHAOSLIB_CP_BIN", str(programs))
    assert named(examine(rootless=False), "files of pods")["ok"]
    (programs / "coredns").chmod(0o700)
    found = named(examine(rootless=False), "files of pods")
    assert (found["ok"], found["required"]) == (False, True)
    assert found["detail"] == f"only their owner may read {programs}/coredns"
    assert found["fix"] == f"chmod -R go+rX '{programs}/coredns'"
    assert "files of pods" not in {check["name"] for check in examine(rootless=True)}  # there is one user only
    assert system.exists()


def test_a_state_folder_that_cannot_be_written_is_found(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a home that is another user's; here it is a file, so that root cannot either."""
    (tmp_path / "home").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    found = named(examine(), "disk")
    assert (found["ok"], found["fix"]) == (False, "set XDG_STATE_HOME to a folder of yours")
    assert found["detail"] == f"{tmp_path}/home/chaoslib-cp cannot be written"
    assert system.exists()
