"""What a C library makes of sick DNS: images with musl lose names that others keep (docs/dns-layers.md has the table).

A small program, built for both C libraries from the system's packages, asks a real DNS server in namespaces of its own.
Its resolv.conf has what a kubelet writes, and a time-out of a second in place of five: each time is told in time-outs.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.dns_server import FakeDnsServer, Record
from tests.places import ROOT

PROGRAM = Path("tests/scaffold/getaddrinfo.c")
COMPILERS = {"glibc": ["cc"], "musl": ["musl-gcc", "-static"]}
TIMEOUT_S = 1
RESOLV_CONF = (
    "nameserver 127.0.0.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\n"
    f"options ndots:5 timeout:{TIMEOUT_S}\n"
)
TRUE = "192.0.2.1"


@dataclass(frozen=True)
class Row:
    """A way for DNS to be sick.

    Attributes:
        name: What is looked up; its first label is that of this row alone.
        rules: What the server does, the first that fits a question ("NAME TYPE"); else it knows the name in the domain
            of the first suffix, and knows that all others do not exist.
        ends: How the lookup ends, and after how many time-outs, by C library.
        questions: How many the server was asked, by C library.
    """

    name: str
    rules: tuple[tuple[str, str], ...]
    ends: dict[str, tuple[str, int]]
    questions: dict[str, int]


def both(glibc: tuple[str, int, int], musl: tuple[str, int, int]) -> tuple[dict[str, tuple[str, int]], dict[str, int]]:
    """How it ends, after how many time-outs, after how many questions."""
    told = {"glibc": glibc, "musl": musl}
    return {one: words[:2] for one, words in told.items()}, {one: words[2] for one, words in told.items()}


ROWS = {
    "healthy": Row("well", (), *both(("OK", 0, 2), ("OK", 0, 2))),
    "healthy, a name outside": Row("out.example.org", (), *both(("OK", 0, 8), ("OK", 0, 8))),
    "SERVFAIL": Row("sick", ((".*", "servfail"),), *both(("EAI_AGAIN", 0, 16), ("EAI_AGAIN", 1, 12))),
    "SERVFAIL for the cluster, a name outside": Row(
        "half.example.org", ((r".*cluster\.local\. .*", "servfail"),), *both(("OK", 0, 14), ("EAI_AGAIN", 1, 12))
    ),
    "AAAA is SERVFAIL": Row("six", ((".* AAAA", "servfail"),), *both(("OK", 0, 2), ("EAI_AGAIN", 1, 11))),
    "AAAA is NXDOMAIN": Row("gone", ((".* AAAA", "nxdomain"),), *both(("OK", 0, 2), ("EAI_NONAME", 0, 8))),
    "A is NXDOMAIN": Row("four", ((".* A", "nxdomain"),), *both(("EAI_NONAME", 0, 8), ("EAI_NONAME", 0, 8))),
    "silence": Row("lost", ((".*", "drop"),), *both(("EAI_AGAIN", 4, 8), ("EAI_AGAIN", 1, 4))),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    """What each program said of each row, and how many questions the server was asked."""
    folder = tmp_path_factory.mktemp("libraries")
    for library, compiler in COMPILERS.items():
        if not shutil.which(compiler[0]):
            pytest.skip(f"there is no {compiler[0]}: `make system-dev` gets it")
        subprocess.run([*compiler, "-O1", "-o", folder / library, ROOT / PROGRAM], check=True, timeout=60)
    if not shutil.which("bwrap"):
        pytest.skip("there is no bubblewrap: `make system` gets it")
    (folder / "resolv.conf").write_text(RESOLV_CONF)
    (folder / "nsswitch.conf").write_text("hosts: dns\n")
    binds = [one for name in ("resolv.conf", "nsswitch.conf") for one in ("--ro-bind", folder / name, f"/etc/{name}")]
    own = ["--unshare-user", "--unshare-net", "--unshare-pid", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    kept = ["--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    code = "import sys; from tests.unit.engine.sample.test_c_libraries import inside; inside(sys.argv[1])"
    done = subprocess.run(
        ["bwrap", *own, *kept, *binds, "--", sys.executable, "-c", code, folder],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if b"bwrap: " in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.decode().strip()}")
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


def inside(folder: str) -> None:
    """Ask for the name of each row with each C library, and print what came of it."""
    sys.stdout.write(json.dumps(asyncio.run(_asked(Path(folder)))))


async def _asked(folder: Path) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    async with FakeDnsServer(port=53) as server:
        server.knows_all()
        for row in ROWS.values():
            label = row.name.partition(".")[0]
            whole = f"{row.name}." if "." in row.name else f"{label}.shop.svc.cluster.local."
            server.says(whole, Record((TRUE,)))
            server.rules += [(re.compile(rf"{label}[.](?={rule}$).*"), mode) for rule, mode in row.rules]
        for library in COMPILERS:
            server.asked.clear()
            said = await asyncio.gather(*(_said(folder / library, row.name) for row in ROWS.values()))
            found[library] = {
                name: [*words, str(_questions(server, row))]
                for (name, row), words in zip(ROWS.items(), said, strict=True)
            }
    return found


async def _said(program: Path, name: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(program, name, stdout=asyncio.subprocess.PIPE)
    return (await process.communicate())[0].decode().split()


def _questions(server: FakeDnsServer, row: Row) -> int:
    return sum(name.startswith(f"{row.name.partition('.')[0]}.") for _, name in server.asked)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
@pytest.mark.parametrize("library", list(COMPILERS))
def test_a_c_library_ends_as_measured(told: dict[str, dict[str, list[str]]], row: Row, library: str) -> None:
    """How it ends, with the true address where it ends well, after how many time-outs and questions.

    A question whose answer is late on a busy machine is asked again, so there may be more of them.
    """
    name = next(name for name, one in ROWS.items() if one is row)
    word, took_s, *addresses, questions = told[library][name]
    ends, after = row.ends[library]
    assert (word, addresses) == (ends, [TRUE] if ends == "OK" else [])
    assert int(questions) >= row.questions[library]
    assert after * TIMEOUT_S - 0.1 <= float(took_s) < (after + 0.9) * TIMEOUT_S
