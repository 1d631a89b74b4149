"""How an experiment names a value of its configuration: ``${name}``, as Chaos Toolkit's ``substitute`` reads it."""

import re
from typing import Final

PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")
