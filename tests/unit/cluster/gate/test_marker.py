"""The owner's mark: what is written is what later versions and the documentation rely on."""

import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from chaoslib_cp.cli import cp
from chaoslib_cp.cluster.gate.marker import MARKER_PATH, SIGNS, Marker, marker_manifest, parse_marker
from chaoslib_cp.errors import TargetRefused
from tests.fakes.kube_objects import CLUSTER_UID, KubeObjects

DATA = {"cluster_uid": "u", "owner": "Ada", "expires_epoch_s": "1700000000"}


def test_the_mark_is_this_config_map() -> None:
    """Marks of earlier versions lie in clusters, and people make them by hand."""
    assert marker_manifest("u", "Ada", 1_700_000_000.4, ["provider", "label"]) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "chaoslib-cp-test-cluster",
            "namespace": "kube-public",
            "labels": {"app.kubernetes.io/managed-by": "chaoslib-cp"},
        },
        "data": {**DATA, "accepted_signs": "label,provider"},
    }
    assert marker_manifest("u", "Ada", 1_700_000_000.0)["data"] == DATA
    assert MARKER_PATH == "/api/v1/namespaces/kube-public/configmaps/chaoslib-cp-test-cluster"
    assert SIGNS == ("node-count", "name", "label", "provider", "managed-dns")


def test_a_mark_is_read_back() -> None:
    """With and without accepted signs, whatever spaces a person left around the owner."""
    assert parse_marker(marker_manifest("u", " Ada ", 1_700_000_000, ["label", "name"])) == Marker(
        "u", "Ada", 1_700_000_000.0, frozenset({"label", "name"})
    )
    assert parse_marker({"data": DATA}) == Marker("u", "Ada", 1_700_000_000.0, frozenset())


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": ""}, {"expires_epoch_s": "0"}, {"expires_epoch_s": "-1"}, {"expires_epoch_s": "1e11"},
        {"expires_epoch_s": "nan"}, {"expires_epoch_s": "soon"}, {"expires_epoch_s": None},
    ],
)  # fmt: skip
def test_a_mark_that_says_nothing_definite_is_refused(changed: dict[str, Any]) -> None:
    """Who answers for it, and until when."""
    with pytest.raises(TargetRefused, match=r"nothing was changed; delete it and mark the cluster again"):
        parse_marker({"data": {**DATA, **changed}})


def test_any_definite_end_is_accepted() -> None:
    """The limits only keep out what is no time at all."""
    for end in ("1", "99999999999"):
        assert parse_marker({"data": {**DATA, "expires_epoch_s": end}}).expires_epoch_s == float(end)


@pytest.fixture
def eastward(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is two hours ahead of UTC."""
    monkeypatch.setenv("TZ", "EET-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("eastward")
def test_marking_says_what_it_means_until_when_and_how_to_take_it_back(kube: KubeObjects) -> None:
    """In words, and in the reader's own time beside UTC; the command can be pasted, and does take it back."""
    environment = {"KUBECONFIG": str(kube.kubeconfig)}
    marking = ["mark", "--context", "runner", "--owner", "Ada L", "--cluster-uid", CLUSTER_UID]
    kube.objects.pop(MARKER_PATH, None)
    done = CliRunner().invoke(cp, marking, env=environment)
    assert done.exit_code == 0, done.output
    end_s = float(kube.objects[MARKER_PATH]["data"]["expires_epoch_s"])
    utc = datetime.fromtimestamp(end_s, UTC)
    assert f"Cluster {CLUSTER_UID} at https://" in done.stdout
    assert "is a test cluster now: experiments may break it." in done.stdout
    assert f"until {utc + timedelta(hours=2):%Y-%m-%d %H:%M} EET ({utc:%Y-%m-%d %H:%M} UTC)" in done.stdout
    assert str(int(end_s)) not in done.stdout
    command = shlex.split(done.stdout.partition("To take it back: chaos cp ")[2])
    assert MARKER_PATH in kube.objects
    for says in ("is no test cluster any more", "had no mark; nothing was changed"):
        assert says in CliRunner().invoke(cp, command, env=environment).stdout
        assert MARKER_PATH not in kube.objects


@pytest.mark.parametrize("removes", [False, True])
def test_asking_first_gives_the_command_that_does_just_that(kube: KubeObjects, removes: bool) -> None:
    """With everything that was asked for, fit to be pasted, and the signs of production to accept."""
    environment = {"KUBECONFIG": str(kube.kubeconfig)}
    kube.objects.pop(MARKER_PATH, None)
    if removes:
        kube.mark()
    kube.add_nodes(env="prod")
    asking = ["mark", "--context", "runner", "--owner", " O'Brien & Co ", "--hours", "72", "--accept", "name"]
    asked = CliRunner().invoke(cp, [*asking, *(["--remove"] if removes else [])], env=environment)
    assert (asked.exit_code, kube.writes()) == (1, [])
    intent = "may not break this one any more" if removes else "may break this one"
    said, _, pasted = asked.stderr.partition(f"if experiments {intent}, run: chaos cp ")
    assert ("it looks like production" in said) is not removes
    command = shlex.split(pasted)
    lasting = ["--remove"] if removes else ["--hours", "72", "--accept", "name", "--accept", "label"]
    assert command == ["mark", "--context", "runner", "--owner", "O'Brien & Co", "--cluster-uid", CLUSTER_UID, *lasting]
    began_s = time.time()  # noqa: TID251 - a mark ends by the wall clock
    done = CliRunner().invoke(cp, command, env=environment)
    assert done.exit_code == 0, done.output
    assert (MARKER_PATH in kube.objects) is not removes
    if not removes:
        mark = parse_marker(kube.objects[MARKER_PATH])
        assert (mark.owner, sorted(mark.accepted_signs)) == ("O'Brien & Co", ["label", "name"])
        assert mark.expires_epoch_s - began_s == pytest.approx(72 * 3600, abs=60)


def test_a_mark_without_an_owner_is_refused(kube: KubeObjects) -> None:
    """Nobody would answer for it, and the gate would not believe it."""
    marking = ["mark", "--context", "runner", "--owner", "  ", "--cluster-uid", CLUSTER_UID]
    done = CliRunner().invoke(cp, marking, env={"KUBECONFIG": str(kube.kubeconfig)})
    assert done.exit_code == 2
    assert "nothing was changed; say who answers for the cluster" in " ".join(done.stderr.split())
    assert kube.server.requests == []
