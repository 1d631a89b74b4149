"""One thing that was looked at, how it is, and what to do about it."""

import re
from dataclasses import dataclass
from textwrap import shorten
from typing import Final, Literal

from chaoslib_cp.errors import ControlPlaneError

Level = Literal["ok", "warning", "wrong"]
_LEFT_BEHIND: Final = re.compile(r"; nothing was [^;]*")
_MOST_CHARACTERS: Final = 200
_LEAST_WORDS: Final = 30


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        level: ``wrong`` for what makes a run refused, blind or inconclusive; ``warning`` for what makes it worse.
        on: On which object, or identity.
        what: How that is.
        fix: The command, key or step that helps; empty when all is well.
        check: Name of the check that looked.
    """

    level: Level
    on: str
    what: str
    fix: str = ""
    check: str = ""

    def sentence(self, most_characters: int = _MOST_CHARACTERS) -> str:
        """All of it in one line; what is too long is cut before the fix, which stays whole.

        Args:
            most_characters: Length of the line.
        """
        head, tail = f"{self.on}: ", f"; do: {self.fix}" if self.fix else ""
        left = max(_LEAST_WORDS, most_characters - len(head) - len(tail))
        return f"{head}{shorten(self.what, left, placeholder=' ...')}{tail}"


def refusal(error: ControlPlaneError, on: str, fix: str = "") -> Finding:
    """Tell an error of this library as a finding: its messages say what is wrong, what was left, what to do.

    Args:
        error: What was raised.
        on: Whom or what it is about.
        fix: What to do, where that is known better here.
    """
    text = str(error)
    left = _LEFT_BEHIND.search(text)
    if left:
        what, told = text[: left.start()], text[left.end() :].removeprefix("; ")
    else:
        what, _, told = text.rpartition("; ")
    return Finding("wrong", on, what or told, fix or (told if what else ""))


def apply_manifests(image: str = "", *options: str) -> str:
    """The command that puts roles and prober there.

    Args:
        image: What the prober runs; without it, whoever reads must fill it in: the command would change it otherwise.
        options: More options of ``chaos cp manifests``.
    """
    return " ".join(["chaos cp manifests --image", image or "IMAGE", *options, "| kubectl apply --filename -"])
