"""The group `chaos cp`: what it costs others, how it speaks, how it fails."""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.infrastructure.container_act import CONTAINER_ACTS
from tests.places import ROOT

DNS_PODS = ("--namespace", "kube-system", "--label", "k8s-app=kube-dns")
COMMANDS = cp.list_commands(click.Context(cp))


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter, where nothing is imported yet."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment or None
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run `chaos cp` in this process and return exit code, standard output and standard error."""
    result = CliRunner().invoke(cp, list(arguments), env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_other_chaos_commands_are_not_slowed() -> None:
    """`chaos run` loads the group too, and for it nothing but click may be imported."""
    heavy = [
        "kubernetes",
        "chaosk8s",
        "chaoslib",
        "dns",
        "yaml",
        "asyncio",
        "cryptography",
        "grpc",
        "hpack",
        "httptools",
    ]
    done = python(f"import sys, chaoslib_cp.cli; print([name for name in {heavy} if name in sys.modules])")
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_loads_nothing_heavy(name: str) -> None:
    """Help is there for every command, at once, also without the extra [testbed]."""
    code = (
        "import sys\n"
        "for name in ('cryptography', 'grpc', 'google.protobuf', 'kubernetes'): sys.modules[name] = None\n"
        "from chaoslib_cp.cli import cp\n"
        f"cp(['{name}', '--help'])"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage:")
    assert "--json" in done.stdout


def test_presets_are_listed_and_shown_as_a_profile_with_its_reasons() -> None:
    """What is printed of one is YAML that can be a profile of one's own; a wrong name is one line."""
    code, listed, _ = run("presets")
    assert code == 0
    for line in listed.splitlines():
        name = line.split()[0]
        code, shown, _ = run("presets", name)
        assert yaml.safe_load(shown)["name"] == name
        assert "# Story: " in shown
        assert max(map(len, [line, *shown.splitlines()])) <= 200
    assert json.loads(run("presets", "hung-client", "--json")[1])["profile"] == yaml.safe_load(
        run("presets", "hung-client")[1]
    )
    code, _, said = run("presets", "nope")
    assert (code, said.count("\n")) == (1, 1)


def test_chaos_knows_the_group() -> None:
    """The entry point is in place: `chaos cp --help` names every visible command."""
    chaos = Path(sys.executable).with_name("chaos")
    done = subprocess.run([chaos, "cp", "--help"], capture_output=True, text=True, timeout=60, check=True)
    shown = {line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()}
    hidden = {"restart-containers", "reload-containers", "oom-kill-containers", "read-setting", "set-setting"}
    assert set(COMMANDS) - hidden <= shown
    assert not hidden & shown


@pytest.mark.parametrize("arguments", [["nonsense"], ["exec"], ["up", "a", "b"], ["status", "--nonsense"]])
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    """A usage error is told from a failure by its exit code."""
    exit_code, stdout, stderr = run(*arguments)
    assert (exit_code, stdout) == (2, "")
    assert "Usage:" in stderr


def test_missing_extra_is_one_line_with_the_command() -> None:
    """Without the packages of [testbed], `up` says what to install and shows no traceback."""
    done = python(
        "import sys\n"
        "for name in ('cryptography', 'grpc'): sys.modules[name] = None\n"
        "from chaoslib_cp.cli import cp\n"
        "cp(['up', 'small'])"
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert f": {sys.executable} -m pip install --editable '{ROOT}[testbed]'" in done.stderr


def test_no_command_installs_this_project_by_its_name_alone() -> None:
    """The name is not ours on a package index: what it brings there is somebody else's, or nothing."""
    files = [file for folder in ("chaoslib_cp", "docs", "scripts") for file in (ROOT / folder).rglob("*.*")]
    texts = [file.read_text() for file in [*files, *ROOT.glob("*.md")] if file.suffix in (".py", ".md", "")]
    assert [found for text in texts for found in re.findall(r"(?:pip|uv) [^\n]*chaostoolkit-cp.*", text)] == []


@pytest.mark.parametrize(
    ("mirror", "words"),
    [
        ("files.example.org/k8s", "'files.example.org/k8s' is no http or https address"),
        ("file:///srv", "'file:///srv' is no http or https address"),
        ("https://me:secret@files.example.org", "a user name or password in an address is not used"),
    ],
)
@pytest.mark.parametrize("command", ["programs", "up"])
def test_a_mirror_that_is_no_address_is_refused(tmp_path: Path, command: str, mirror: str, words: str) -> None:
    """Option or variable: one line names which, nothing is asked for, and no password is repeated."""
    for arguments, variables in ([f"--mirror={mirror}"], {}), ([], {"CHAOSLIB_CP_MIRROR": mirror}):
        exit_code, stdout, stderr = run(command, *arguments, XDG_CACHE_HOME=str(tmp_path), **variables)
        assert (exit_code, stdout) == (2, "")
        assert stderr.splitlines()[-1].endswith(f"'--mirror' (env var: 'CHAOSLIB_CP_MIRROR'): {words}")
        assert "secret" not in stderr
    assert list(tmp_path.iterdir()) == []


def test_archives_are_named_by_option_or_variable(tmp_path: Path) -> None:
    """Several, with the separator of PATH; a file that is not what is pinned ends the command with one line."""
    (tmp_path / "a").touch()
    for arguments, variables in (
        (["--archive", str(tmp_path / "a"), "--archive", "b"], {}),
        ([], {"CHAOSLIB_CP_ARCHIVE": f"{tmp_path / 'a'}:b"}),
    ):
        clean = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "CHAOSLIB_CP_BIN": "", "KUBEBUILDER_ASSETS": ""}
        exit_code, stdout, stderr = run("programs", *arguments, **clean, **variables)
        assert (exit_code, stdout, len(stderr.splitlines())) == (1, "", 1)
        assert f"{tmp_path / 'a'} (SHA-512 cf83e1357eefb8bd..) is none of the downloads that are pinned" in stderr
    assert not (tmp_path / "cache").exists()


def test_unknown_spec_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A spec that does not exist is refused before anything is written."""
    exit_code, stdout, stderr = run("up", "no-such-spec", XDG_STATE_HOME=str(tmp_path))
    assert (exit_code, stdout) == (1, "")
    assert stderr.startswith("Error: ")
    assert len(stderr.splitlines()) == 1
    assert "as-incident" in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ["env"],
        ["exec", "--", "true"],
        *([act, *DNS_PODS, "--pod-uid", "uid-1"] for act in CONTAINER_ACTS),
    ],
    ids=lambda command: command[0],
)
def test_no_testbed_is_one_line_that_says_how_to_start_one(command: list[str], tmp_path: Path) -> None:
    """What needs a running testbed says so, and names the command."""
    name, *arguments = command
    exit_code, stdout, stderr = run(name, "--name", "absent", *arguments, XDG_STATE_HOME=str(tmp_path))
    assert (exit_code, stdout) == (1, "")
    assert len(stderr.splitlines()) == 1
    assert "testbed absent is not up; run: chaos cp up --name absent" in stderr


@pytest.mark.parametrize("act", CONTAINER_ACTS)
def test_containers_are_not_touched_without_saying_whose(act: str) -> None:
    """A label alone would match in every cluster."""
    exit_code, _, stderr = run(act, *DNS_PODS)
    assert exit_code == 2
    assert "--pod-uid" in stderr


def test_programs_are_reported_as_json(tmp_path: Path) -> None:
    """With --json, standard output is one JSON value and nothing else."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet",
                 "kubectl", "coredns", "kwok"):  # fmt: skip
        (tmp_path / name).touch(mode=0o755)
    exit_code, stdout, _ = run("programs", "--json", CHAOSLIB_CP_BIN=str(tmp_path))
    assert exit_code == 0
    assert json.loads(stdout) == {"folder": str(tmp_path), "origin": "CHAOSLIB_CP_BIN"}


def test_incomplete_programs_folder_fails_with_one_line(tmp_path: Path) -> None:
    """A named folder without the programs is an error, not a reason to build silently."""
    exit_code, stdout, stderr = run("programs", CHAOSLIB_CP_BIN=str(tmp_path))
    assert (exit_code, stdout) == (1, "")
    assert len(stderr.splitlines()) == 1
    assert "CHAOSLIB_CP_BIN" in stderr


def test_manifests_can_be_applied_to_any_cluster() -> None:
    """Each object once, no address of somebody's Service range, and what is no address is refused."""
    code, stdout, _ = run("manifests", "--cluster-dns", "172.20.0.10", "--cluster-domain", "corp.example")
    assert code == 0
    objects = list(yaml.safe_load_all(stdout))
    names = [(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")) for one in objects]
    assert len(names) == len(set(names))
    assert "10.96." not in stdout
    assert "--cluster-dns=172.20.0.10" in stdout
    assert "--sentinel=sentinel.chaoslib-cp.svc.corp.example" in stdout
    code, stdout, stderr = run("manifests", "--cluster-dns", "kube-dns")
    assert (code, stdout) == (2, "")
    assert "'kube-dns' is no IP address" in stderr


def test_manifests_for_a_cluster_unlike_kubeadms() -> None:
    """No address is guessed; on OpenShift the runner may delete DNS pods where these are, and no others but its own."""
    where = ("--dns-namespace=openshift-dns", "--dns-selector=dns.operator.openshift.io/daemonset-dns=default")
    private = ("--image=registry.example.org/cp:1", "--image-pull-secret=regcred")
    code, stdout, _ = run("manifests", *where, "--dns-port=5353", *private)
    assert code == 0
    objects = list(yaml.safe_load_all(stdout))
    args = objects[-1]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("--cluster-dns=" in args, "--sentinel=sentinel.chaoslib-cp.svc" in args) == (True, True)
    deleting = [
        one["metadata"]["namespace"]
        for one in objects
        for rule in one.get("rules", [])
        if one["kind"] == "Role" and "pods" in rule.get("resources", []) and "delete" in rule["verbs"]
        if "resourceNames" not in rule
    ]
    # of its own: endpoints are replaced there
    assert sorted(deleting) == ["chaoslib-cp", "openshift-dns"]
    for option in ("--dns-selector", "--prober-nodes"):
        code, stdout, stderr = run("manifests", option, "coredns")
        assert (code, stdout, f"{option}: 'coredns' is not KEY=VALUE" in stderr) == (2, "", True)
    code, stdout, _ = run("manifests", "--json", "--prober-nodes", "a=b")
    assert (code, json.loads(stdout)["items"][-1]["spec"]["template"]["spec"]["nodeSelector"]["a"]) == (0, "b")


@pytest.mark.parametrize("address", ["fd00:10:96::a", "172.20.0.10"])
def test_manifests_take_addresses_of_both_families(address: str) -> None:
    """IPv6 clusters are served."""
    code, stdout, _ = run("manifests", "--cluster-dns", address)
    assert (code, f"--cluster-dns={address}" in stdout) == (0, True)
