"""Credentials are renewed beside the observer's questions."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoslib_cp.cluster.door.connect import describe
from chaoslib_cp.observe.way import Way
from tests.fakes.kube_objects import KubeObjects
from tests.scaffold.kubeconfigs import a_plugin, replace_user, says
from tests.scaffold.waiting import until

SOON = "$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)"


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """Ends the renewals that a test has started."""
    event = threading.Event()
    yield event
    event.set()


def test_a_token_that_lives_shorter_than_a_run_is_replaced_in_time(
    kube: KubeObjects, tmp_path: Path, stop: threading.Event
) -> None:
    """While it can be, and what keeps it from being is told once."""
    count, told = tmp_path / "count", list[tuple[str, str]]()
    replace_user(kube, "admin", a_plugin(tmp_path, f"echo >> {count}; {says('t$(wc -l < ' + str(count) + ')', SOON)}"))
    way = Way(describe(kube.settings(), "admin"))
    tls = way.target.tls
    assert way.target.headers == (("Authorization", "Bearer t1"),)
    way.renew_until(stop, lambda identity, trouble: told.append((identity, trouble)))
    until(lambda: way.target.headers == (("Authorization", "Bearer t2"),), "a new token")
    assert way.target.tls is tls  # kept connections stay
    assert told == []
    (tmp_path / "plugin").unlink()
    until(lambda: told, "what went wrong is told")
    [(identity, trouble)] = told
    assert identity == "admin"
    assert "cannot be started (No such file or directory)" in trouble


def test_a_certificate_that_was_rotated_makes_new_connections(
    kube: KubeObjects, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read again; the old certificate is not shown for the rest of the run."""
    monkeypatch.setattr("chaoslib_cp.cluster.door.context.READ_AGAIN_S", 0.5)
    way = Way(describe(kube.settings(), "admin"))
    before = way.target.tls
    for end in ("crt", "key"):
        (kube.folder / f"user-admin.{end}").write_bytes((kube.folder / f"user-observer.{end}").read_bytes())
    way.renew_until(stop, lambda *_: None)
    until(lambda: way.target.tls is not before, "the new certificate")
