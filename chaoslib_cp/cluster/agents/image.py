"""Which image agents run: the one that is named, or the one that the cluster has shown that it can pull."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chaoslib_cp.cluster.gate.permit import Permit
from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.settings import Settings
from chaoslib_cp.version import VERSION

AGENT_IMAGE: Final = f"chaoslib-cp:{VERSION}"
_IMAGE: Final = re.compile(r"[\w][\w./:@-]{0,254}")
_SECRET: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class AgentImage:
    """An image, and what it is pulled with.

    Attributes:
        name: The image; empty where nobody has named one yet.
        pull_secret: The Secret with which it is pulled; empty for none.
    """

    name: str = ""
    pull_secret: str = ""

    def refuse_nonsense(self) -> None:
        """Refuse arguments that name no image, or no Secret.

        Raises:
            ProfileInvalid: One is none; nothing was changed.
        """
        _refuse("image", self.name)
        _refuse("image_pull_secret", self.pull_secret)

    def as_configured(self, settings: Settings) -> "AgentImage":
        """Take image and secret from the configuration where no argument names them.

        Raises:
            ProfileInvalid: A key of the configuration is no name of such a thing; nothing was changed.
        """
        for refused in image_refusals(settings):
            raise ProfileInvalid(refused)
        return AgentImage(self.name or settings.agent_image, self.pull_secret or settings.image_pull_secret)

    def as_the_prober(self, permit: Permit) -> "AgentImage":
        """Take those of the prober where nobody names others: the cluster has shown that it can pull these."""
        image = image_of_agents(self.name, permit.prober_image)
        return AgentImage(image, self.pull_secret or permit.prober_pull_secret)


def image_refusals(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the keys of the configuration that name the agents' image, one line each."""
    for key, value in (("agent_image", settings.agent_image), ("image_pull_secret", settings.image_pull_secret)):
        try:
            _refuse(settings.said(key), value)
        except ProfileInvalid as error:
            yield str(error)


def image_of_agents(named: str, prober_image: str) -> str:
    """Which image agents run: the one that an argument or the configuration names, else the prober's, else our own."""
    return named or prober_image or AGENT_IMAGE


def _refuse(key: str, value: object) -> None:
    """Refuse what is no image, or no Secret's name; empty is nobody's wish."""
    is_secret = "image_pull_secret" in key
    if value and not (_SECRET if is_secret else _IMAGE).fullmatch(str(value)):
        what = "a Secret's" if is_secret else "an image"
        raise ProfileInvalid(f"{key} is {value!r}, not {what} name; nothing was changed; correct it")
