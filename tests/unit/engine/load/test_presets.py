"""Presets: each file is whole, each number has its reason, and each profile can be played or says why not."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaoslib_cp.cluster.agents.reads import rules_for
from chaoslib_cp.engine.load import presets
from chaoslib_cp.engine.load.presets import KEYS, preset, preset_names, preset_of, profile_document
from chaoslib_cp.engine.load.profile import parse_profile
from chaoslib_cp.engine.load.profile_file import read_profile
from chaoslib_cp.errors import ProfileInvalid
from tests.scaffold.profiles import WRITERS

VERSIONS = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"]
#: What a preset's file says of versions, by those of VERSIONS on which one of its patterns bites.
SAID = {
    "every version": VERSIONS,
    "1.30 and earlier": ["1.30"],
    "1.32, 1.34 and later": ["1.32", "1.34", "1.35", "1.36", "1.37"],
}
#: They name the form and the random numbers, and change no load.
WITHOUT_REASON = {"schema", "seed"}


def chosen(profile: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each number of a profile, and its protocol: the key alone, and with the request that it is in."""
    for i, one in enumerate(profile["requests"]):
        yield from ((key, f"requests[{i}].{key}") for key, value in one.items() if type(value) in (int, float))
    yield from ((key, key) for key, value in profile.items() if type(value) in (int, float) or key == "protocol")


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_tells_its_story_and_the_reason_of_each_number(name: str) -> None:
    """Whoever changes a number knows what it stood for; whoever plays it knows what it needs and what tips."""
    one = preset(name)
    assert one.profile["name"] == name
    assert all((one.story, one.source, one.tips_first, one.needs))
    assert len(one.story) < 260, "two lines"
    wanted = {pair for pair in chosen(one.profile) if pair[0] not in WITHOUT_REASON}
    assert [long for key, long in wanted if not {key, long} & one.reasons.keys()] == []
    assert set(one.reasons) <= {key for pair in wanted for key in pair}
    assert [version for version in VERSIONS if one.bites_on(version)] == SAID[one.versions]


def test_files_have_the_keys_of_a_preset() -> None:
    """No more and no less."""
    folder = Path(presets.__file__).parent
    assert {frozenset(yaml.safe_load(file.read_text())) for file in folder.glob("*.yaml")} == {KEYS}


@pytest.mark.parametrize("name", sorted(set(preset_names()) - set(WRITERS)))
def test_a_preset_can_be_played(name: str) -> None:
    """Its profile parses, and asks for nothing that agents are never given."""
    profile = parse_profile(profile_document(name))
    assert rules_for(profile)


@pytest.mark.parametrize("name", WRITERS)
def test_a_preset_that_writes_is_for_an_overload_and_refused_in_a_rollout(name: str) -> None:
    """Agents in a cluster are given no right to write."""
    profile = parse_profile(profile_document(name))
    assert any(request.is_write for request in profile.requests)
    with pytest.raises(ProfileInvalid, match=r"requests\[0\]\.pattern '.*' writes, and agents in a cluster only read"):
        rules_for(profile)


def test_a_profile_may_change_what_a_preset_says() -> None:
    """A test cluster has fewer nodes than the incident had."""
    changed = profile_document({"preset": "fluentd-datadog-2018", "ramp_s": 20, "name": "mine"})
    profile = parse_profile(changed)
    assert (profile.name, profile.ramp_s, profile.requests[0].pattern) == ("mine", 20, "list-events")
    assert preset_of({"preset": "fluentd-datadog-2018"}) == preset_of("fluentd-datadog-2018")
    assert [preset_of(one) for one in ({"schema": 1}, "nobody", 5, {"preset": 5})] == [None] * 4
    own = {"schema": 1, "requests": []}
    assert profile_document(own) is own


@pytest.mark.parametrize("given", ["openai", {"preset": "openai"}, {"preset": 7}])
def test_an_unknown_preset_is_refused_in_one_line_with_what_may_be_meant(given: Any) -> None:
    """Nobody has to guess where the list is."""
    with pytest.raises(
        ProfileInvalid, match=r"there is no preset '.*'; nothing was started; use one that `chaos cp presets` lists"
    ) as refused:
        profile_document(given)
    assert len(str(refused.value)) < 200
    assert ("openai-telemetry-2024" in str(refused.value)) == (given not in ({"preset": 7},))


PROFILE = """
schema: 1
requests:
  - {pattern: list-events, period_s: 7}
"""


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.yaml", PROFILE),
        ("a.YML", PROFILE),
        ("a.json", '{"schema": 1, "requests": [{"pattern": "list-events", "period_s": 7}]}'),
        ("a.json", '{"preset": "fluentd-datadog-2018", "requests": [{"pattern": "list-events", "period_s": 7}]}'),
    ],
)
def test_a_file_is_json_or_yaml(tmp_path: Path, file: str, text: str) -> None:
    """As its name says."""
    (tmp_path / file).write_text(text)
    assert read_profile(tmp_path / file).requests[0].period_s == 7


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("a.yaml", b"schema: [", "while parsing"),
        ("a.yaml", b"!!python/object:os.system {}", "could not determine a constructor"),
        ("a.yaml", b"schema: 1\nduration_s: .nan\nrequests: [{path: /a}]", "duration_s must be a number"),
        ("a.yaml", b"schema: 1\nduration_s: 1h\nrequests: [{path: /a}]", "duration_s must be a number, not '1h'"),
        ("a.yaml", b"", "must be a JSON object"),
        ("a.json", b"{", "Expecting property name"),
        ("a.json", b"[" * 100_000, "recursion"),
        ("a.json", b"\xff", "can't decode"),
        ("a.json", b" " * 2_000_000, "over 1 MiB"),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_one_line(
    tmp_path: Path, file: str, content: bytes, named: str
) -> None:
    """Cut off, empty, endless, no text, or no profile."""
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ProfileInvalid, match=named) as refusal:
        read_profile(tmp_path / file)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300 + len(str(tmp_path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(ProfileInvalid, match=r"mine\.json: .*No such file.*nothing was sent"):
        read_profile(tmp_path / "mine.json")
