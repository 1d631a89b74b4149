"""The owner's mark: what is written is what later versions and the documentation rely on."""

from typing import Any

import pytest

from chaoslib_cp.cluster.marker import MARKER_PATH, SIGNS, Marker, marker_manifest, parse_marker
from chaoslib_cp.errors import TargetRefused

DATA = {"cluster_uid": "u", "owner": "Ada", "expires_epoch_s": "1700000000"}


def test_the_mark_is_this_config_map() -> None:
    """Marks of earlier versions lie in clusters, and people make them by hand."""
    assert marker_manifest("u", "Ada", 1_700_000_000.4, ["provider", "label"]) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "chaoslib-cp-test-cluster",
            "namespace": "kube-system",
            "labels": {"app.kubernetes.io/managed-by": "chaoslib-cp"},
        },
        "data": {**DATA, "accepted_signs": "label,provider"},
    }
    assert marker_manifest("u", "Ada", 1_700_000_000.0)["data"] == DATA
    assert MARKER_PATH == "/api/v1/namespaces/kube-system/configmaps/chaoslib-cp-test-cluster"
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
