"""How an experiment names a value of its configuration: ``${name}``, as Chaos Toolkit's ``substitute`` reads it."""

import re
from collections.abc import Mapping
from typing import Any, Final

PLACEHOLDER: Final = re.compile(r"\$\{(\w+)\}")


def filled(given: Any, values: Mapping[str, Any]) -> Any:
    """What stands in the file, or what it stands for where it is a placeholder and nothing else; None if unknown."""
    found = PLACEHOLDER.fullmatch(given) if isinstance(given, str) else None
    return given if found is None else values.get(found.group(1))
