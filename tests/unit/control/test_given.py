"""Where values of the configuration come from, and what becomes of those that came as text."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from chaoslib_cp.control.given import given_refusals, read_values, sources

FILE: dict[str, Any] = {
    "configuration": {
        "duration_s": {"type": "env", "key": "OUR_DURATION_S", "default": 140.0},
        "limit": 4,
        "place": {"type": "env", "key": "OUR_PLACE", "default": "kube-system"},
        "kubeconfig": "/k",
    },
    "method": [{"arguments": {"a": "${duration_s}", "b": "${limit}", "c": "${place}"}}],
}


def refusals(experiment: Mapping[str, Any], configuration: dict[str, Any], **source_of: str) -> list[str]:
    """What is refused of a configuration that Chaos Toolkit has resolved."""
    return [*read_values(experiment, configuration, source_of), *given_refusals(experiment)]


@pytest.mark.parametrize(
    ("usual", "text", "read", "kind"),
    [
        (60, "90", 90, "a whole number"),
        (60, "1.5", "1.5", "a whole number"),
        (6.5, "1", 1, "a number"),
        ([], '["10.0.0.1:30953"]', ["10.0.0.1:30953"], "a list"),
        ({}, '{"api_read": 1}', {"api_read": 1}, "a mapping"),
        ({}, "[]", "[]", "a mapping"),
        (False, "true", True, "true or false"),
        ("", "[]", "[]", ""),
        (None, "5", "5", ""),
    ],
)
def test_what_the_file_has_says_how_a_text_is_read(usual: object, text: str, read: object, kind: str) -> None:
    """Written, or as the default of a variable; what is another kind of value is refused."""
    for declared in (usual, {"type": "env", "key": "X", "default": usual}):
        experiment, configuration = {"configuration": {"key": declared}, "method": "${key}"}, {"key": text}
        refused = refusals(experiment, configuration)
        is_refused = bool(kind) and read == text
        assert configuration == {"key": usual if is_refused else read}
        assert [line.partition(", and the file has ")[2].partition(" there")[0] for line in refused] == (
            [kind] if is_refused else []
        )


def test_text_that_is_a_number_is_one_where_the_file_has_a_number() -> None:
    """``--var limit=5`` and a variable of the environment are text for Chaos Toolkit."""
    configuration: dict[str, Any] = {"duration_s": "60.5", "limit": "5", "place": "7", "kubeconfig": "8", "own": "9"}
    assert refusals(FILE, configuration) == []
    assert configuration == {"duration_s": 60.5, "limit": 5, "place": "7", "kubeconfig": "8", "own": "9"}
    assert isinstance(configuration["limit"], int)


@pytest.mark.parametrize("text", ["", "1m", "0x10", "six", "1,5"])
def test_text_that_is_none_is_refused_with_its_source_and_the_syntax(text: str) -> None:
    """Before the baseline, not when the action is played."""
    assert refusals(FILE, {"duration_s": text, "limit": 4}, duration_s="--var duration_s") == [
        f"configuration.duration_s (from --var duration_s) is {text!r}, and the file has a number there; "
        "give one, for example --var duration_s:float=60"
    ]
    [refused] = refusals(FILE, {"limit": text})
    assert refused.endswith("--var limit:int=60")


@pytest.mark.parametrize(
    ("key", "meant"),
    [("length", ""), ("duration", " (did you mean duration_s?)"), ("kubeconfi", " (did you mean kubeconfig?)")],
)
def test_what_the_file_does_not_declare_is_refused(key: str, meant: str) -> None:
    """Chaos Toolkit drops it without a word."""
    with click.Context(click.Command("run")) as chaos_run:
        chaos_run.params = {"var": {key: "5", "limit": "5"}}
        [refused] = refusals(FILE, {})
    assert refused.startswith(f"--var {key}: the file's configuration does not declare {key}, so nobody would read it")
    assert meant in refused
    assert ("did you mean" in refused) == bool(meant)


@pytest.mark.parametrize("key", ["cluster_uuid", "allowed_context", "observer_contxt"])
def test_a_misspelt_key_of_ours_is_refused(key: str) -> None:
    """It would be a guard that is not there; keys that a placeholder names, and unlike ones, are the user's."""
    [refused] = refusals({"configuration": {key: "x", "theirs": 1, "uuid": 2}}, {})
    assert refused.startswith(f"configuration.{key}: nobody reads it (did you mean ")
    used = {"configuration": {key: "x"}, "method": [{"a": f"${{{key}}}"}]}
    assert refusals(used, {}) == []


@pytest.fixture
def chaos_run(tmp_path: Path) -> Iterator[click.Context]:
    """What ``chaos run --var limit=5 --var-file vars.json`` leaves for us to read."""
    file = tmp_path / "vars.json"
    file.write_text(json.dumps({"configuration": {"place": "x", "limit": 1}}), encoding="utf-8")
    context = click.Context(click.Command("run"))
    context.params = {"var": {"limit": "5"}, "var_file": [str(file)]}
    with context:
        yield context


def test_each_value_has_its_source(chaos_run: click.Context) -> None:
    """The command line counts before its files, these before the environment, as in Chaos Toolkit."""
    [file] = chaos_run.params["var_file"]
    environ = {"OUR_DURATION_S": "1", "OUR_PLACE": "y", "OTHER": "z"}
    assert sources(FILE, environ) == {
        "duration_s": "variable OUR_DURATION_S",
        "place": f"--var-file {file}",
        "limit": "--var limit",
    }


def test_without_a_command_line_there_is_the_environment() -> None:
    """The library may be used in another way, and a file may have no configuration."""
    assert sources(FILE, {"OUR_PLACE": "y"}) == {"place": "variable OUR_PLACE"}
    assert sources(FILE, {}) == sources({}, {}) == sources({"configuration": None}, {}) == {}
