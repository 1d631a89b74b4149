"""Certificate requests that nobody signs, that somebody denies, or that are signed wrongly: none is left."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.cluster.credentials.certificates import key_and_request
from chaoslib_cp.cluster.credentials.signing import REQUESTS, signed
from chaoslib_cp.cluster.door.call import Cluster
from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.errors import TargetRefused, UndoFailed
from chaoslib_cp.waits import telling
from tests.fakes.api_server import RESET
from tests.fakes.certificates import Authority
from tests.fakes.kube_objects import KubeObjects
from tests.fakes.signer import Signer
from tests.scaffold.clocks import ManualClock


@pytest.fixture
def admin(kube: KubeObjects) -> Iterator[Cluster]:
    """Who asks."""
    with open_cluster(kube.settings(), "admin") as cluster:
        yield cluster


@pytest.fixture
def signer(kube: KubeObjects, tmp_path: Path) -> Signer:
    """Who signs."""
    return Signer(kube, Authority(tmp_path))


def refusal(cluster: Cluster) -> str:
    """Ask for one certificate, and return why there is none."""
    with pytest.raises(TargetRefused) as caught:
        signed(cluster, [key_and_request("ada")], 600, 5.0, ManualClock())
    return str(caught.value)


def test_where_nobody_signs_it_ends_in_time(admin: Cluster, signer: Signer) -> None:
    """As on most managed clusters: the line says what to do instead."""
    signer.signs = False
    said: list[str] = []
    with telling(said.append):
        words = refusal(admin)
    assert "within 5 s, though it was approved: no signer for kubernetes.io/kube-apiserver-client" in words
    assert words.endswith("use --tokens")
    assert signer.left() == []


@pytest.mark.parametrize("kind", ["Denied", "Failed"])
def test_a_denial_is_told_in_the_words_of_who_denies(
    kube: KubeObjects, admin: Cluster, signer: Signer, kind: str
) -> None:
    """At once, without waiting for the end."""
    signer.signs = False

    def deny(_request: object) -> None:
        for path, found in kube.objects.items():
            if path.startswith(REQUESTS) and (found.get("status") or {}).get("conditions"):
                found["status"]["conditions"] = [{"type": kind, "message": "not\nby me"}]

    kube.before_request = deny
    assert f": {kind}: not by me; use --tokens" in refusal(admin)
    assert signer.left() == []


def test_a_certificate_for_another_key_is_refused(admin: Cluster, signer: Signer, tmp_path: Path) -> None:
    """It could not be used, and would be found out in the middle of a run."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").sign(key_and_request("ada").request_pem, datetime.timedelta(hours=1))
    for wrong in (other, b"no certificate"):
        signer.signed = wrong
        assert "for user ada is no certificate for the key of the request" in refusal(admin)
    assert signer.left() == []


class Interrupted(ManualClock):
    """Whoever waits on it is told to stop."""

    def sleep(self, duration_s: float) -> None:  # noqa: ARG002 - a clock's signature
        """As a signal does."""
        raise SystemExit(143)


def test_a_signal_in_the_middle_leaves_no_request(kube: KubeObjects, admin: Cluster, signer: Signer) -> None:
    """A closed terminal is no reason; what cannot be deleted then is named."""
    signer.signs = False
    with pytest.raises(SystemExit):
        signed(admin, [key_and_request("ada")], 600, clock=Interrupted())
    assert signer.left() == []
    kube.fail_next("DELETE", REQUESTS, RESET)
    with pytest.raises(UndoFailed, match=r"^interrupted; certificate requests are left, .* ada-[0-9a-f]{8}$"):
        signed(admin, [key_and_request("ada")], 600, clock=Interrupted())
