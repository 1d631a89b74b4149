"""The cluster spec: what is accepted, and how what is wrong is said."""

from pathlib import Path

import pytest

from chaoslib_cp.errors import ProfileInvalid
from chaoslib_cp.testbed.spec import ClusterSpec, load_spec, shipped_specs


@pytest.mark.parametrize("name", ["as-incident", "memory", "small"])
def test_shipped_specs_load(name: str) -> None:
    """Each spec that comes along can be brought up by their name."""
    assert name in shipped_specs()
    assert load_spec(name).name == name


def test_file_overrides_only_what_it_names(tmp_path: Path) -> None:
    """A user's file needs only the keys that differ from the defaults."""
    path = tmp_path / "mine.yaml"
    path.write_text("fake_nodes: 7\n")
    assert load_spec(str(path)) == ClusterSpec(name="mine", fake_nodes=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fake_node: 7", "unknown key fake_node"),
        ("fake_nodes: -1", "fake_nodes is -1, allowed are 0 to 1000"),
        ("fake_nodes: 1e9", "fake_nodes must be a whole number"),
        ("api_server_cpu_cores: .nan", "api_server_cpu_cores must be a number"),
        ("api_server_cpu_cores: .inf", "api_server_cpu_cores must be a number"),
        ("api_servers: true", "api_servers must be a whole number, not True"),
        ("api_servers: '2'", "api_servers must be a whole number, not '2'"),
        ("api_servers: 4", "allowed are 1 to 3"),
        ("scale: 20", "scale must map"),
        ("audit_log: 1", "audit_log must be true or false, not 1"),
        ("- a list", "not a mapping"),
        ("", "not a mapping"),
        ("a: [", "no YAML"),
        ("!!python/object/apply:os.system [id]", "no YAML"),
    ],
)
def test_bad_spec_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    """Whatever is wrong is named in one line, and nothing is started."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ProfileInvalid) as refusal:
        load_spec(str(path))
    message = str(refusal.value)
    assert words in message
    assert "nothing was started" in message
    assert "\n" not in message


def test_missing_file_names_the_shipped_specs() -> None:
    """A mistyped name is answered with the names there are."""
    with pytest.raises(ProfileInvalid, match="as-incident, memory, small"):
        load_spec("as-incidnet")
