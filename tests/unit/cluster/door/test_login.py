"""Credentials are renewed in time, and what there is stays in use as long as nothing newer can be had."""

from pathlib import Path

import pytest

from chaoslib_cp.cluster.door.connect import describe, open_cluster
from chaoslib_cp.cluster.door.login import Credentials, Login
from chaoslib_cp.errors import TargetRefused
from tests.fakes.api_server import Answer
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.clocks import ManualClock
from tests.scaffold.kubeconfigs import replace_user


class Source:
    """Gives a new token each time, which lives so long."""

    def __init__(self, clock: ManualClock, lives_s: float) -> None:
        self.clock, self.lives_s, self.reads, self.error = clock, lives_s, 0, ""

    def read(self, _again: bool) -> Credentials:
        """A number as token."""
        if self.error:
            raise TargetRefused(self.error)
        self.reads += 1
        return Credentials(f"Bearer {self.reads}", good_until_epoch_s=self.clock.epoch_s() + self.lives_s, expires=True)


@pytest.mark.parametrize(("lives_s", "renewed_after_s"), [(900.0, 870.0), (90.0, 60.0), (20.0, 13.4), (3.0, 2.0)])
def test_credentials_are_renewed_before_they_expire(lives_s: float, renewed_after_s: float) -> None:
    """Half a minute before their end, and never before the last third of their life."""
    clock = ManualClock()
    source = Source(clock, lives_s)
    login = Login(source.read, clock)
    clock.pass_s(renewed_after_s - 0.5)
    assert not login.renew_if_due()
    clock.pass_s(0.5)
    assert login.renew_if_due()
    assert login.credentials().authorization == "Bearer 2"


def test_what_cannot_be_renewed_stays_in_use_and_is_tried_again() -> None:
    """The server judges what is old; the reason is kept for whoever asks."""
    clock = ManualClock()
    source = Source(clock, 90.0)
    login = Login(source.read, clock)
    source.error = "the plugin is gone"
    clock.pass_s(60.0)
    assert not login.renew_if_due()
    assert (login.credentials().authorization, login.trouble) == ("Bearer 1", "the plugin is gone")
    source.error = ""
    clock.pass_s(4.0)
    assert not login.renew_if_due()
    clock.pass_s(1.0)
    assert login.renew_if_due()
    assert (login.credentials().authorization, login.trouble) == ("Bearer 2", "")


def test_credentials_that_the_server_does_not_know_are_asked_for_again() -> None:
    """At most every five seconds: a 401 may have another cause."""
    clock = ManualClock()
    login = Login(Source(clock, 9000.0).read, clock)
    login.distrust()
    assert not login.renew_if_due()
    clock.pass_s(5.0)
    assert login.renew_if_due()


def test_a_token_file_that_rotates_is_read_again(kube: KubeObjects, tmp_path: Path) -> None:
    """Within a minute; while it is away, the last token is used."""
    file = tmp_path / "token"
    file.write_text("first")
    replace_user(kube, "runner", {"tokenFile": str(file)})
    connection = describe(kube.settings())
    assert 50 < connection.login.due_in_s() <= 60
    assert connection.headers() == (("Authorization", "Bearer first"),)


def test_a_refusal_of_the_server_names_why_nothing_was_renewed(kube: KubeObjects) -> None:
    """Otherwise a 401 looks like somebody else's fault."""
    kube.fail_next("GET", "/version", Answer(401, {}, b'{"message": "Unauthorized"}'))
    with open_cluster(kube.settings()) as cluster:
        cluster.connection.login.trouble = "the plugin is gone"
        with pytest.raises(TargetRefused, match=r"401 Unauthorized.*so renew them \(the plugin is gone\)"):
            cluster.get("/version")
