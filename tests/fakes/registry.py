"""Chaos Toolkit's event registry, as far as a control sees it."""

from typing import Any

SAFE = {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": "continuously"}}
"""The strategies that the control asks for."""


class Registry:
    """Keeps what is registered; a test calls it back as Chaos Toolkit would."""

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    def register(self, handler: Any) -> None:
        """Keep it."""
        self.handlers.append(handler)
