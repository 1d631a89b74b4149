"""What an armed DNS server says of itself: which revision of its Corefile it runs, and what to watch meanwhile.

It stands in the TXT record of ``rev.cp.invalid``. So the workload prober learns from DNS itself which names are lied
about and when: nobody has to send it a command, and no API is needed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.errors import ProfileInvalid

REVISION_NAME: Final = "rev.cp.invalid."
"""Nobody's name (RFC 2606: ``invalid`` is never delegated)."""
MOST_QUESTIONS: Final = 16
"""More would be load."""

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_WHEN: Final = re.compile(r"(gate|pin) (\d{1,12}) (\d{1,12})")
_ASK: Final = re.compile(r"ask ([a-z0-9_.-]{1,253}) ([A-Z]{1,10})")
_STRING: Final = re.compile(r'"([^"\\]*)"')


@dataclass(frozen=True)
class Revision:
    """One revision of a Corefile.

    Attributes:
        id: Its name, small letters, digits, dots and hyphens.
        begins_at_epoch_s: When its lies or pins begin, seconds since 1970; 0 when it has none.
        ends_at_epoch_s: When they end.
        questions: Name and type of what is lied about, or kept: what shall be watched.
        lies: False where it only pins: past its cache the server tells the truth all the time.
    """

    id: str
    begins_at_epoch_s: int = 0
    ends_at_epoch_s: int = 0
    questions: tuple[tuple[str, str], ...] = ()
    lies: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot stand in a Corefile."""
        if not _ID.fullmatch(self.id):
            raise ProfileInvalid(f"revision {self.id!r} cannot stand in a Corefile; nothing was changed")
        if len(self.questions) > MOST_QUESTIONS:
            raise ProfileInvalid(
                f"{len(self.questions)} questions would have to be watched; nothing was changed; tell fewer lies at "
                f"once, {MOST_QUESTIONS} questions at most"
            )

    def is_truthful_at(self, epoch_s: float, margin_s: float) -> bool:
        """Whether no lie is told then, on any clock that differs from ours by less than ``margin_s`` seconds."""
        return not self.lies or not self.begins_at_epoch_s - margin_s <= epoch_s <= self.ends_at_epoch_s + margin_s

    @property
    def strings(self) -> tuple[str, ...]:
        """The strings of the TXT record; each is under 255 characters, as a TXT record needs (RFC 1035, 3.3)."""
        what = "gate" if self.lies else "pin"  # an older prober knows no pin, and takes its server for truthful, too
        when = [f"{what} {self.begins_at_epoch_s} {self.ends_at_epoch_s}"] if self.ends_at_epoch_s else []
        return (self.id, *when, *(f"ask {name} {type_}" for name, type_ in self.questions))

    def block(self, port: int, directives: Iterable[str] = ()) -> str:
        """The server block that says it.

        Args:
            port: On which the server is asked.
            directives: What else stands in it, for example ``bind``.
        """
        said = " ".join(f'\\"{string}\\"' for string in self.strings)
        template = ("template IN TXT {", f'    answer "{{{{ .Name }}}} 0 IN TXT {said}"', "}")
        lines = "".join(f"    {line}\n" for line in (*directives, *template))
        return f"{REVISION_NAME}:{port} {{\n{lines}}}\n"


def read_revision(records: Iterable[str]) -> Revision | None:
    """Read a TXT record as DNS libraries write it: each string in double quotes.

    Returns:
        None when it is no such record: whoever answers may be somebody else.
    """
    strings = _STRING.findall(" ".join(records))
    if not strings or not _ID.fullmatch(strings[0]):
        return None
    when = next((found for one in strings[1:] if (found := _WHEN.fullmatch(one))), None)
    begins, ends = (int(when[2]), int(when[3])) if when else (0, 0)
    asked = [(found[1], found[2]) for one in strings[1:] if (found := _ASK.fullmatch(one))]
    lies = when is None or when[1] == "gate"
    return Revision(strings[0], begins, ends, tuple(asked[:MOST_QUESTIONS]), lies)
