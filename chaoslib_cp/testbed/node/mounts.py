"""A node's own folders: empty tmpfs where several kubelets on one machine would meet.

/var/lib/kubelet: the folder of device plugins in it is fixed in the kubelet's code. /var/log: the pods' logs.
All of it is in the node's mount namespace, so it is gone with the node, and nothing is made on the machine's disk.
"""

import os
import subprocess
from pathlib import Path

from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to

NODE_FOLDERS = (Path("/var/lib/kubelet"), Path("/var/log"))


def cover_node_folders() -> None:
    """Mount an empty tmpfs on each of the node's folders.

    Raises:
        TestbedFailed: mounting is not allowed here.
    """
    for folder in NODE_FOLDERS:
        if not folder.exists():
            _make_room_in(folder.parent, folder.name)
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(folder))


def _make_room_in(parent: Path, name: str) -> None:
    """Put a copy of ``parent``, made of binds, over it, with the empty folder ``name`` in it.

    The machine's own folder is not written to: that would leave something behind, and an ordinary user could not.
    """
    original = os.open(parent, os.O_PATH | os.O_DIRECTORY)
    try:
        entries = [entry.name for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False)]
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(parent))
        for entry in entries:
            (parent / entry).mkdir()
            # by its open file, which mount must not resolve to the name that now means the tmpfs
            source = f"/proc/{os.getpid()}/fd/{original}/{entry}"
            mount("--no-canonicalize", "--rbind", source, str(parent / entry))
        (parent / name).mkdir()
    finally:
        os.close(original)


def mount(*arguments: str) -> None:
    """Run the system's ``mount`` program.

    Raises:
        TestbedFailed: with its words.
    """
    result = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, **handed_to(Kind.TOOL))
    if result.returncode:
        raise TestbedFailed(f"mount {' '.join(arguments)} failed: {result.stderr.strip()}; the node was not started")
