"""Entry point of ``python -m chaoslib_cp.testbed.node CONFIG.json``."""

import sys

from chaoslib_cp.testbed.node.runner import main

sys.exit(main(sys.argv))
