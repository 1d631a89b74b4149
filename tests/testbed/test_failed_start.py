"""A start that cannot work is told by what died, whenever it dies, and nothing is left."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaoslib_cp.testbed.instance import Instance
from tests.testbed.conftest import UP_WITHIN_S, chaos_cp
from tests.testbed.test_up_down import TINY

pytestmark = [pytest.mark.testbed, pytest.mark.usefixtures("can_run_testbeds")]

# so much that whatever happens after its first objects happens during the fill
LARGE = "fake_nodes: 1000\npods_per_fake_node: 110\nkubelet_nodes: 1\ndns_replicas: 1\n"
# well before any of our waits is over
AT_ONCE_S = 90
DIES = "echo out of luck >&2; exit 3"
DIES_WHEN = (
    """{program} "$@" & until {condition}; do sleep 0.02; done; kill -9 $!; wait; echo out of luck >&2; exit 3"""
)
# ready, and then not even HTTP
BABBLES = r"""
import http.server, ssl, sys
flags = dict(flag.removeprefix("--").split("=", 1) for flag in sys.argv[1:])
class Babble(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        self.wfile.write(b"babble\n\n")
server = http.server.HTTPServer((flags["bind-address"], int(flags["secure-port"])), Babble)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(flags["tls-cert-file"], flags["tls-private-key-file"])
server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture
def name() -> Iterator[str]:
    """Return an instance name of this test's own and take down what it left."""
    own = f"f{os.getpid()}"
    yield own
    chaos_cp("down", "--name", own)


@pytest.fixture
def fail(name: str, tmp_path: Path) -> Callable[[str, str, str], str]:
    """Bring a testbed up with one program replaced by a script, and return what is said of the failure."""

    def run(spec: str, program: str, script: str) -> str:
        programs = tmp_path / "bin"
        programs.mkdir()
        real = Path(json.loads(chaos_cp("programs", "--json", timeout_s=UP_WITHIN_S).stdout)["folder"])
        for file in real.iterdir():
            (programs / file.name).symlink_to(file)
        (programs / program).unlink()
        (programs / program).write_text(script.replace("{program}", str(real / program)))
        (programs / program).chmod(0o755)
        (tmp_path / "spec.yaml").write_text(spec)
        environment = {**os.environ, "CHAOSLIB_CP_BIN": str(programs)}
        ended = chaos_cp("up", str(tmp_path / "spec.yaml"), "--name", name, timeout_s=AT_ONCE_S, env=environment)
        assert ended.returncode == 1
        assert not Instance(name).folder.exists()
        assert not Instance(name).supervisor_pids()
        [line] = [line for line in ended.stderr.splitlines() if line.startswith("Error: ")]
        assert ended.stderr.splitlines()[-1] == line
        return line

    return run


@pytest.mark.parametrize(
    ("program", "component"), [("etcd", "etcd"), ("kubelet", "the kubelet of worker-1"), ("kwok", "kwok")]
)
def test_a_crash_at_start_is_told(fail: Callable[[str, str, str], str], program: str, component: str) -> None:
    """With its exit status and its last words, also that of a kubelet, which is nobody's child that we see."""
    said = fail(TINY, program, f"#!/bin/sh\n{DIES}\n")
    assert f"did not come up: {component} ended with status 3; its last words: out of luck; seen as: " in said


@pytest.mark.parametrize("condition", ["grep -q 'etcd and API server' {folder}/state.json", "[ -e {logs}/farm.log ]"])
def test_an_api_server_that_dies_later_is_told(fail: Callable[[str, str, str], str], name: str, condition: str) -> None:
    """While objects are created, or while the cluster is filled: not as a refused connection, not as a time-out."""
    when = condition.format(folder=Instance(name).folder, logs=Instance(name).logs)
    said = fail(LARGE, "kube-apiserver", "#!/bin/sh\n" + DIES_WHEN.replace("{condition}", when) + "\n")
    assert "did not come up: kube-apiserver-0 ended with status 3; its last words: " in said
    assert "| out of luck; seen as: " in said


def test_an_answer_that_is_no_http_is_told_in_one_line(fail: Callable[[str, str, str], str]) -> None:
    """Whatever answers at the API server's address, the user sees no traceback."""
    said = fail(TINY, "kube-apiserver", f"#!{sys.executable}\n{BABBLES}")
    assert "did not come up: BadStatusLine: babble; nothing was left behind" in said
