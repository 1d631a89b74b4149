"""What of a cluster's machines can be set by a driver: a closed table, read before it is changed and set back after."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chaoslib_cp.errors import ProfileInvalid, TargetUnreachable
from chaoslib_cp.limits import checked

UNLIMITED: Final = "unlimited"
Value = float | str


@dataclass(frozen=True)
class Setting:
    """One thing that can be set.

    Attributes:
        name: Its name, with its unit.
        what: The same for people.
        least: Smallest value.
        most: Largest value.
        digits: How many digits behind the point count; drivers keep these exactly.
    """

    name: str
    what: str
    least: float
    most: float
    digits: int

    def valid(self, value: object) -> Value:
        """A value as it is set: ``unlimited``, or a number in its range, rounded.

        Raises:
            ProfileInvalid: It is neither; nothing was changed.
        """
        if value == UNLIMITED:
            return UNLIMITED
        number: Any = value
        return round(float(checked(self.name, number, self.least, self.most)), self.digits)


API_SERVER_CPU_CORES: Final = Setting("api_server_cpu_cores", "CPU quota of each API server, cores", 0.05, 64, 2)
SETTINGS: Final[Mapping[str, Setting]] = {one.name: one for one in (API_SERVER_CPU_CORES,)}


def setting_named(name: str) -> Setting:
    """One setting of the table.

    Raises:
        ProfileInvalid: There is none of that name; nothing was changed.
    """
    if name not in SETTINGS:
        raise ProfileInvalid(f"there is no setting {name!r}; nothing was changed; use one of {', '.join(SETTINGS)}")
    return SETTINGS[name]


def read_arguments(name: str, cluster_uid: str) -> list[str]:
    """How a driver program is asked for a setting."""
    return ["read-setting", "--setting", name, "--cluster-uid", cluster_uid]


def set_arguments(name: str, value: Value, expected: Value, cluster_uid: str) -> list[str]:
    """How a driver program is told to set one."""
    where = ["--setting", name, "--cluster-uid", cluster_uid]
    return ["set-setting", *where, "--value", str(value), "--expected", str(expected)]


def value_from_json(program: str, text: str) -> Value:
    """Read ``{"value": 0.4}``, the answer of a driver program.

    Raises:
        TargetUnreachable: It answered something else.
    """
    try:
        value = json.loads(text)["value"]
    except (ValueError, KeyError, TypeError) as error:
        raise TargetUnreachable(f'{program} did not answer {{"value": ...}}; correct the program') from error
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TargetUnreachable(
            f'{program} did not answer {{"value": ...}} with a number or a text; correct the program'
        )
    return value if isinstance(value, str) else float(value)
