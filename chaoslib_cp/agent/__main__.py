"""``python -m chaoslib_cp.agent load|dns-load|prober|dns-rogue ARGUMENTS``: the entry point of the image."""

import importlib
import sys

from chaoslib_cp.errors import ControlPlaneError

# imported only when asked for: the prober and the rogue need dnspython, the load agent httptools
_PROGRAMS = {
    "load": "chaoslib_cp.agent.load",
    "dns-load": "chaoslib_cp.agent.dns_load",
    "prober": "chaoslib_cp.agent.prober",
    "dns-rogue": "chaoslib_cp.agent.dns_rogue",
}
_USAGE_ERROR = 2


def main(arguments: list[str]) -> int:
    """Run the named program and return its exit code; 2 for an unknown name, 1 for an error of ours."""
    if not arguments or arguments[0] not in _PROGRAMS:
        sys.stderr.write(f"usage: python -m chaoslib_cp.agent {'|'.join(_PROGRAMS)} [arguments]\n")
        return _USAGE_ERROR
    program = importlib.import_module(_PROGRAMS[arguments[0]])
    try:
        return int(program.main(arguments[1:]))
    except ControlPlaneError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
