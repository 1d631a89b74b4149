"""What `chaos discover` shows is the public API: a change of it is a change for users."""

import importlib
import inspect
import json
from typing import Any

import chaoslib_cp
from tests.places import GOLDEN

LISTED = GOLDEN / "discovery.json"
# The version is in the image's name; it is no change of the API.
VERSION = "VERSION"


def exported() -> list[dict[str, Any]]:
    """Every activity as the golden file holds it."""
    return [
        {
            "type": one["type"],
            "module": one["mod"],
            "name": one["name"],
            "arguments": {
                argument["name"]: {key: _plain(argument[key]) for key in ("type", "default") if key in argument}
                for argument in one["arguments"]
            },
            "returns": one["return_type"],
        }
        for one in chaoslib_cp.discover()["activities"]
    ]


def _plain(value: Any) -> Any:
    return value.replace(chaoslib_cp.__version__, VERSION) if isinstance(value, str) else value


def test_the_public_api_is_the_golden_one() -> None:
    """Names, arguments, types and defaults; rewrite the file when a change is meant."""
    assert exported() == json.loads(LISTED.read_text())


def test_no_argument_reads_object() -> None:
    """A type Chaos Toolkit does not know is shown as "object" and helps nobody."""
    for one in exported():
        assert one["returns"] == "mapping"
        for name, argument in one["arguments"].items():
            assert argument["type"] in ("string", "number", "integer", "boolean", "mapping", "list"), (
                one["name"],
                name,
            )


def test_every_activity_is_sync_named_and_takes_configuration_and_secrets_last() -> None:
    """Keyword-only parameters would be invisible, and an async activity is never awaited."""
    for one in exported():
        function = getattr(importlib.import_module(one["module"]), one["name"])
        parameters = list(inspect.signature(function).parameters.values())
        assert not inspect.iscoroutinefunction(inspect.unwrap(function))
        assert [parameter.name for parameter in parameters[-2:]] == ["configuration", "secrets"]
        assert {parameter.kind for parameter in parameters} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
        assert all(parameter.default is None for parameter in parameters[-2:])
        json.dumps([p.default for p in parameters if p.default is not inspect.Parameter.empty])


def test_every_activity_tells_its_arguments_and_results() -> None:
    """Each argument is described; the first line says what it does."""
    for one in exported():
        function = getattr(importlib.import_module(one["module"]), one["name"])
        text = inspect.getdoc(function) or ""
        assert text.splitlines()[0].endswith(".")
        assert "Returns:" in text
        for name in one["arguments"]:
            assert f"{name}: " in text, (one["name"], name)
