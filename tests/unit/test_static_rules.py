"""What the library never contains: shells, code from data, servers, and objects that outlive or outrank a run.

Nor a process that inherits whatever the host has.
"""

import ast
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import chaoslib_cp
from chaoslib_cp.agent.manifests import prober_manifests
from chaoslib_cp.apiserver.in_cluster import start as in_cluster
from chaoslib_cp.apiserver.in_cluster.start import InClusterAsk
from chaoslib_cp.cluster.agents.image import AgentImage
from chaoslib_cp.cluster.agents.pods import AgentPods
from chaoslib_cp.cluster.gate.marker import marker_manifest
from chaoslib_cp.cluster.gate.roles import fault_roles, role_manifests
from chaoslib_cp.dns.load import load_manifests
from chaoslib_cp.engine.load.lookup_profile import LookupProfile
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.faults import fault_kinds
from chaoslib_cp.rollout.daemonset import AgentRollout
from tests.scaffold.profiles import OVERLOAD

PACKAGE = Path(chaoslib_cp.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# The testbed is a cluster, and a cluster serves; the prober serves one page of results that nobody can write to; and a
# rogue DNS server answers questions, and takes no orders (docs/decisions/0012-a-rogue-dns-server-is-a-pod-of-ours.md).
MAY_LISTEN = ("testbed/", "agent/prober_page.py", "agent/dns_listening.py")
CODE_FROM_DATA = {"pickle", "marshal", "shelve", "dill", "jsonpickle", "runpy", "code", "imp"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "yaml.unsafe_load"}
CALLS |= {"subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}
SHELLS = {"sh", "ash", "bash", "dash", "ksh", "zsh", "fish"}
STARTS = {"subprocess.Popen", "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output"}
# What starts a process without saying what it inherits.
CALLS |= {"asyncio.create_subprocess_exec", "os.posix_spawn", "os.posix_spawnp", "pty.spawn"}
CALLS |= {f"os.{verb}{how}" for verb in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")}
LISTENERS = {"start_server", "create_server", "start_unix_server", "listen", "HTTPServer", "ThreadingHTTPServer"}
LISTENERS |= {"create_unix_server", "bind", "TCPServer", "ThreadingTCPServer", "UDPServer", "ThreadingUDPServer"}
KINDS = {"Namespace", "ServiceAccount", "ConfigMap", "Service", "Deployment", "DaemonSet", "Job"}
KINDS |= {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
FORBIDDEN_RESOURCES = {"secrets", "pods/exec", "pods/attach", "pods/portforward", "nodes/proxy", "*"}
FORBIDDEN_VERBS = {"*", "escalate", "bind", "impersonate"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file with the full name of what is called, whatever it was imported as."""
    names = dict(imported(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            yield f"{names.get(first, first)}{dot}{rest}", node


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names in a file and what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        if isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def shells(tree: ast.AST) -> Iterator[int]:
    """Lines with a command, as a list or as arguments, that gives text to a shell: its name, then a ``-c``."""
    for node in ast.walk(tree):
        given = node.elts if isinstance(node, ast.List | ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        words = [one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "" for one in given]
        for word, option in pairwise(words):
            if word.rpartition("/")[2] in SHELLS and option.startswith("-") and "c" in option:
                yield given[0].lineno


def modules_by_hand(tree: ast.AST) -> Iterator[int]:
    """Lines that give a command the ``-m`` of Python themselves."""
    return (node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "-m")


def listens(called: str, keywords: Mapping[str | None, str]) -> bool:
    """Whether a call waits for what others send: a UDP socket does unless it is tied to one peer."""
    last = called.rpartition(".")[2]
    is_open = "remote_addr" not in keywords or "local_addr" in keywords
    return (last in LISTENERS and called != "signature.bind") or (last == "create_datagram_endpoint" and is_open)


def findings(path: Path) -> list[str]:
    """What in a file breaks the rules."""
    name = path.relative_to(PACKAGE).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [f"{name}:{line}: a shell" for line in shells(tree)]
    if name != "inheritance.py":
        found += [f"{name}:{line}: Python with the working folder on its path" for line in modules_by_hand(tree)]
    found += [f"{name}: imports {full}" for _, full in imported(tree) if full in CALLS]
    for called, call in calls(tree):
        keywords: dict[str | None, str] = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if called in CALLS or keywords.get("shell", "False") != "False":
            found.append(f"{name}:{call.lineno}: {called}")
        if called == "yaml.load" and "SafeLoader" not in keywords.get("Loader", "").replace("_LOADER", "SafeLoader"):
            found.append(f"{name}:{call.lineno}: yaml.load without a safe loader")
        if called in STARTS and not keywords.get(None, "").startswith(("handed_to(", "exactly(", "inherited")):
            found.append(f"{name}:{call.lineno}: {called} does not say what it inherits")
        if listens(called, keywords) and not name.startswith(MAY_LISTEN):
            found.append(f"{name}:{call.lineno}: {called} listens")
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{name}: imports {module}" for module in modules if module.partition(".")[0] in CODE_FROM_DATA]
    return found


def test_no_shell_no_code_from_data_no_server() -> None:
    """Chaos tools were broken into by just these (facts on reliability, section 5)."""
    assert len(SOURCES) > 100
    assert [found for path in SOURCES for found in findings(path)] == []


@pytest.fixture
def planted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one file with this line."""
    monkeypatch.setattr("tests.unit.test_static_rules.PACKAGE", tmp_path)
    (tmp_path / "planted.py").write_text(f"{request.param}\n")
    return tmp_path / "planted.py"


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from marshal import loads",
        "eval('1')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=wanted)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "asyncio.start_server(answer)",
        "sock.listen()",
        "from os import system",
        "from os import popen as p",
        "import os as o\no.system('ls')",
        "from subprocess import run as r\nr('ls', shell=True)",
        "from yaml import load\nload(text)",
        "asyncio.create_subprocess_shell('ls')",
        "subprocess.run(['sh', '-c', 'ls'])",
        "subprocess.run(['ls'])",
        "subprocess.run(['ls'], env=dict(os.environ))",
        "import subprocess as s\ns.Popen(['ls'], **options)",
        "os.execvp('ls', ['ls'])",
        "asyncio.create_subprocess_exec('ls', **handed_to(Kind.TOOL))",
        "COMMAND = [sys.executable, '-m', 'chaoslib_cp.agent']",
        "COMMAND = ('/bin/bash', '-ec', 'ls')",
        "COMMAND = ['nsenter', '-t', pid, 'sh', '-c', text]",
        "asyncio.create_subprocess_exec('sh', '-c', text)",
        "loop.create_datagram_endpoint(Answers, local_addr=('0.0.0.0', 53))",
        "loop.create_datagram_endpoint(Answers)",
        "loop.create_datagram_endpoint(Answers, remote_addr=peer, local_addr=me)",
        "sock.bind(('', 53))",
        "socketserver.UDPServer(('', 53), Answers)",
    ],
    indirect=True,
)
def test_each_rule_finds_what_it_forbids(planted: Path) -> None:
    """A scanner that finds nothing proves nothing until it has found something."""
    assert findings(planted)


@pytest.mark.parametrize(
    "planted",
    [
        "loop.create_datagram_endpoint(Answers, remote_addr=peer)",
        "subprocess.run(['ls', '-c'], **handed_to(Kind.TOOL))",
        "enter(name, ['/bin/sh'])",
        "re.compile('x')",
        "from os import path",
        "signature.bind(1, second=2)",
    ],
    indirect=True,
)
def test_what_is_allowed_is_not_found(planted: Path) -> None:
    """A client, a program, a shell for a person."""
    assert findings(planted) == []


def manifests() -> list[dict[str, Any]]:
    """Everything that the library creates, or asks an owner to create."""
    profile = parse_profile({"schema": 1, "name": "t", "requests": [{"path": "/metrics", "period_s": 10.0}]})
    agents = AgentPods("agent_rollout-1", "run", "kube-system", "telemetry-agent", 4e9, AgentImage("image"))
    lookers = AgentPods("dns_load-1", "run", "chaoslib-cp", "dns-load", 4e9, AgentImage("image"))
    overloaders = AgentPods("api_overload_in_cluster-1", "run", "chaoslib-cp", "api-overload", 4e9, AgentImage("image"))
    return [
        *role_manifests(),
        *fault_roles(fault_kinds()),
        *prober_manifests("10.96.0.10", "image"),
        *AgentRollout(profile, "telemetry-agent", agents).manifests(),
        *load_manifests(LookupProfile(), lookers),
        *in_cluster.manifests(InClusterAsk(OVERLOAD, 2, 2, 60.0, 15.0), profile, 4e9, overloaders),
        marker_manifest("uid", "me", 4e9),
    ]


def pods() -> list[dict[str, Any]]:
    """The pod specs among them."""
    return [one["spec"]["template"]["spec"] for one in manifests() if "template" in one.get("spec", {})]


def test_only_kinds_that_end_with_a_run() -> None:
    """No webhook, no custom resource, no finalizer: nothing that needs us to let go of it."""
    assert {one["kind"] for one in manifests()} <= KINDS
    assert not any("finalizers" in one["metadata"] for one in manifests())


def test_no_pod_has_more_rights_than_a_program_needs() -> None:
    """Unprivileged, without host namespaces or host paths, read-only, as a user that is not root."""
    assert pods()
    for pod in pods():
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.get("privileged")


def test_no_role_reaches_secrets_or_grants_itself_more() -> None:
    """The rights an owner is asked for."""
    rules = [rule for one in manifests() for rule in one.get("rules", [])]
    assert rules
    for rule in rules:
        assert not FORBIDDEN_RESOURCES & set(rule.get("resources", []))
        assert not FORBIDDEN_VERBS & set(rule["verbs"])
