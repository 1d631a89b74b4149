"""A stand-in for bubblewrap: reports its process id, waits to be released, becomes the command. Isolates nothing."""

import json
import os
import sys


def argv(info: int, block: int, *command: str) -> list[str]:
    """Return the command line that runs ``command`` through this stand-in."""
    return [sys.executable, "-I", __file__, str(info), str(block), *command]


def main(info: int, block: int, command: list[str]) -> None:
    """Do what the runtime relies on: the report, the wait, then the command."""
    os.write(info, json.dumps({"child-pid": os.getpid()}).encode())
    os.close(info)
    os.read(block, 1)
    os.execvp(command[0], command)  # noqa: S606 - the tests choose the command


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
