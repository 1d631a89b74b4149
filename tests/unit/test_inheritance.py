"""What a process that we start inherits from the host, and that nothing of ours is imported from the working folder."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.inheritance import Kind, chaos_command, handed_to, python_module
from chaoslib_cp.state import home_folder, state_root
from tests.scaffold.traps import lay_traps

PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"), "http://192.0.2.1:3128")
PROXIES |= dict.fromkeys(("HTTPS_PROXY", "ALL_PROXY"), "http://192.0.2.1:3128")
# What a shell, a build system or another tool may have exported, each a nuisance to a process that does not expect it.
HOST = {
    **PROXIES,
    "no_proxy": "localhost",
    "NO_PROXY": "localhost",
    "PATH": ":/usr/bin:.:bin:/bin:",
    "PYTHONPATH": ":/elsewhere:modules::",
    "PYTHONHOME": "/usr",
    "PYTHONSAFEPATH": "",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "LC_ALL": "de_DE.ISO-8859-1",
    "LC_MESSAGES": "de_DE",
    "LANG": "de_DE",
    "TMPDIR": "/far/too/long",
    "KUBERNETES_CONTEXT": "prod",
    "CHAOSTOOLKIT_IN_POD": "true",
    "KUBECONFIG": "/mine",
    "GODEBUG": "http2client=0",
    "HOME": "/home/me",
}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process with all of these variables and no others; returns its working folder."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in HOST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(environment: Mapping[str, str]) -> dict[str, str | None]:
    """What differs from the host's: the new value, None for what is not handed on."""
    names = (HOST.keys() | environment.keys()) - {"PYTEST_CURRENT_TEST"}
    return {name: environment.get(name) for name in names if environment.get(name) != HOST.get(name)}


def test_the_library_s_own_python_reaches_the_cluster_as_the_run_does(host: Path) -> None:
    """Proxies and kubeconfig stay; of Python's own variables only those that say where modules are."""
    assert changed(handed_to(Kind.OURS)["env"]) == {
        "PYTHONPATH": f"/elsewhere:{host / 'modules'}",
        "PYTHONSAFEPATH": None,
        "PYTHONWARNINGS": None,
        "PYTHONINSPECT": None,
    }


def test_a_command_inside_a_testbed_has_no_proxy_and_no_other_cluster(host: Path) -> None:  # noqa: ARG001
    """Not even one that a shell's own start file sets again: `no_proxy` covers everything."""
    assert changed(handed_to(Kind.GUEST, {"KUBECONFIG": "/testbed"})["env"]) == {
        **dict.fromkeys((*PROXIES, "KUBERNETES_CONTEXT", "CHAOSTOOLKIT_IN_POD")),
        "no_proxy": "*",
        "NO_PROXY": "*",
        "KUBECONFIG": "/testbed",
    }


def test_a_testbed_has_little_of_its_host(host: Path) -> None:
    """What is not needed there is not there; files can be read by pods, whatever the umask."""
    inherited = handed_to(Kind.TESTBED)
    assert inherited["umask"] == 0o022
    assert inherited["env"] == {  # all of it
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"/elsewhere:{host / 'modules'}",
        "PYTHONHOME": "/usr",
        "LC_ALL": "C.UTF-8",
        "HOME": "/home/me",
    }


def test_a_system_program_is_the_system_s_and_speaks_english(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named as one in the working folder is not started as root, and its words can be read."""
    changes = changed(handed_to(Kind.TOOL)["env"])
    assert (changes["PATH"], changes["LC_ALL"], changes["LANG"]) == ("/usr/bin:/bin", "C", None)
    (host / "testbed-tool").write_text("#!/bin/sh\n")
    (host / "testbed-tool").chmod(0o755)
    for path in ("", ".", ":", ".:nonsense:"):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(FileNotFoundError):
            subprocess.run(["testbed-tool"], check=False, **handed_to(Kind.TOOL))


def test_a_program_of_the_user_s_gets_everything(host: Path) -> None:  # noqa: ARG001
    """It works for him outside, where his proxies and settings count; what we change for it is changed."""
    assert changed(handed_to(Kind.THEIRS, {"GODEBUG": None, "A": "b"})["env"]) == {"GODEBUG": None, "A": "b"}


@pytest.mark.parametrize("home", ["", ".", "relative"])
def test_a_home_that_is_no_full_path_is_looked_up(home: str, monkeypatch: pytest.MonkeyPatch, host: Path) -> None:  # noqa: ARG001
    """cron, systemd and containers may set none; then the user database counts."""
    monkeypatch.setenv("HOME", home)
    assert home_folder() == Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert handed_to(Kind.TESTBED)["env"]["HOME"] == str(home_folder())


def unknown(user: int) -> pwd.struct_passwd:
    """Answer as the C library does for a user whom nobody made, as in a container with a user id of its own."""
    raise KeyError(f"getpwuid(): uid not found: {user}")


def test_without_any_home_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch, host: Path) -> None:  # noqa: ARG001
    """A folder that is named does; nothing is put where nobody would look for it."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(ProfileInvalid, match=r"has no home folder: HOME is ''.*nothing was changed; set HOME, or XDG"):
        state_root()
    assert "HOME" not in handed_to(Kind.OURS)["env"]
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/me")
    assert state_root() == Path("/var/lib/me/chaoslib-cp")


@pytest.mark.parametrize(
    "command",
    [
        python_module("chaoslib_cp.observe"),
        python_module("chaoslib_cp.agent", "--help"),
        python_module("chaoslib_cp.testbed.farm", "none.json"),
        python_module("chaoslib_cp.testbed.node", "none.json"),
        python_module("chaoslib_cp.testbed.supervisor", "/nowhere"),
        chaos_command("cp", "recover"),
    ],
    ids=lambda command: " ".join(command[5:7]),
)
def test_nothing_is_imported_from_the_working_folder(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A team's `dns.py`, or a folder full of files named as Python's own modules, is not taken for those."""
    lay_traps(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f":{path}")  # as `export PYTHONPATH=$PYTHONPATH:/x` makes it
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, **handed_to(Kind.OURS))
    assert "working folder" not in done.stdout + done.stderr
    assert not {"ImportError", "ModuleNotFoundError"} & set(done.stderr.replace(":", " ").split())


def test_text_is_utf_8_whatever_the_locale() -> None:
    """A kubeconfig or a title with an umlaut is the same under cron as in a terminal."""
    code = "import locale, json, sys; print(json.dumps([locale.getpreferredencoding(), sys.stdout.encoding]))"
    plain = python_module("x")[:-2]
    hostile = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-16"}
    with pytest.MonkeyPatch.context() as host:
        for name, value in hostile.items():
            host.setenv(name, value)
        said = subprocess.run([*plain, "-c", code], capture_output=True, check=True, **handed_to(Kind.OURS)).stdout
    assert [name.lower() for name in json.loads(said)] == ["utf-8", "utf-8"]
    assert plain[0] == sys.executable
