"""Who an identity is to the API server, and with whom its requests wait."""

from dataclasses import replace

import pytest

from chaoslib_cp.cluster.door.connect import open_cluster
from chaoslib_cp.cluster.door.flow import UNNAMED, Flow, FlowNames, flow_names, flow_of
from chaoslib_cp.errors import TargetRefused
from tests.fakes.api_server import Answer
from tests.fakes.flow_control import FLOW_CONTROL, FlowControl
from tests.fakes.kube_objects import WHO_AM_I, KubeObjects


@pytest.fixture
def flow_control(kube: KubeObjects) -> FlowControl:
    """A cluster that says who one is."""
    return FlowControl(kube)


def asked(kube: KubeObjects, identity: str, names: FlowNames = UNNAMED) -> Flow:
    """Return what the server says of one identity."""
    with open_cluster(kube.settings(), identity) as cluster:
        return flow_of(cluster, names)


def test_user_groups_and_flow_are_what_the_server_says(kube: KubeObjects, flow_control: FlowControl) -> None:
    """The headers hold UIDs; an administrator's list has their names."""
    flow_control.groups["user-break-glass"] = ("system:masters",)
    with open_cluster(kube.settings(), "admin") as admin:
        names = flow_names(admin)
    assert asked(kube, "runner", names) == Flow(
        "user-runner", ("system:authenticated",), "global-default", "global-default", is_exempt=False, is_by_user=True
    )
    broken = asked(kube, "break-glass", names)
    assert (broken.flow_schema, broken.priority_level, broken.is_exempt) == ("exempt", "exempt", True)
    assert kube.writes() == []


@pytest.mark.usefixtures("flow_control")
def test_servers_before_1_29_are_asked_in_their_version(kube: KubeObjects) -> None:
    """And a server with neither has no names."""
    old = FLOW_CONTROL.replace("/v1", "/v1beta3")
    for path in [path for path in kube.objects if path.startswith(FLOW_CONTROL)]:
        kube.objects[path.replace(FLOW_CONTROL, old)] = kube.objects.pop(path)
    kube.fail_next("GET", f"{FLOW_CONTROL}/", Answer(404), times=4)
    with open_cluster(kube.settings(), "admin") as admin:
        names = flow_names(admin)
        assert (names.schemas["schema-exempt"], names.exempt) == ("exempt", frozenset({"level-exempt"}))
        kube.fail_next("GET", old, Answer(404), times=2)
        assert flow_names(admin) == UNNAMED


def test_who_may_not_list_them_sees_uids(kube: KubeObjects, flow_control: FlowControl) -> None:
    """Whether such a flow is exempt is then not known, and not guessed."""
    kube.fail_next("GET", FLOW_CONTROL, Answer(403))
    with open_cluster(kube.settings(), "runner") as runner, pytest.raises(TargetRefused, match="could not read"):
        flow_names(runner)
    unnamed = asked(kube, "runner")
    assert (unnamed.flow_schema, unnamed.priority_level) == ("schema-global-default", "level-global-default")
    assert (unnamed.is_exempt, unnamed.is_by_user) == (None, None)
    flow_control.is_on = False
    assert (asked(kube, "runner").flow_schema, asked(kube, "runner").priority_level) == ("", "")


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_does_not_say_who_one_is(kube: KubeObjects, status: int) -> None:
    """Servers before 1.28 have no such review; the flow is told all the same."""
    kube.server.on("POST", WHO_AM_I, Answer(status, {"X-Kubernetes-Pf-Flowschema-Uid": "s"}))
    assert (asked(kube, "runner").user, asked(kube, "runner").flow_schema) == ("", "s")


def test_who_is_unknown_is_refused(kube: KubeObjects) -> None:
    """A certificate of another cluster, or one that has expired."""
    kube.server.on("POST", WHO_AM_I, Answer(401))
    with pytest.raises(TargetRefused, match=r"runner \(runner\) could not ask who it is: 401"):
        asked(kube, "runner")


def test_who_waits_with_whom() -> None:
    """One queue: the same FlowSchema, and either the same user or no flow of one's own there."""
    one = Flow("ada", (), "global-default", "global-default", is_exempt=False, is_by_user=True)
    other = replace(one, user="bob")
    assert not one.waits_with(other)
    assert one.waits_with(replace(one))
    assert replace(one, is_by_user=False).waits_with(other)
    assert not replace(one, is_by_user=None).waits_with(other)
    assert not one.waits_with(replace(one, flow_schema="catch-all"))
    assert not replace(one, user="").waits_with(replace(one, user=""))
    assert not replace(one, is_exempt=True).waits_with(one)
    assert not replace(one, flow_schema="").waits_with(replace(one, flow_schema=""))
