"""YAML, imported when it is needed: an agent in a pod reads JSON and starts without it."""

from typing import Any


def parse_yaml(text: str) -> Any:
    """Return what a text in YAML says.

    Raises:
        ValueError: it is none.
    """
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
