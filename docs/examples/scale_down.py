"""A fault, a vantage point and a mitigation of your own, in one file. docs/howto-extend.md tells it step by step.

The fault scales a Deployment down to nothing; the vantage point asks for its Service's page as users would; the
mitigation is its owner, who scales it up again.
"""

from dataclasses import replace

from chaoslib_cp.activity import ABSENT, JsonObject, activity, settings_of
from chaoslib_cp.arguments import between
from chaoslib_cp.clock import SystemClock
from chaoslib_cp.cluster.injection import injecting
from chaoslib_cp.cluster.undo.edit import Edit
from chaoslib_cp.cluster.undo.take_back import take_back
from chaoslib_cp.fault import Delivers, Expects, FaultKind, Injected, Mitigation
from chaoslib_cp.vantage_point import Request, VantagePoint

__all__ = ["scale_up_again", "start_scale_down", "stop_scale_down"]

SHOP_PAGE = VantagePoint(
    name="shop_page",
    label="the shop's page",
    asked_by="observer",
    identity="observer",
    request=Request("GET", "/api/v1/namespaces/shop/services/web:80/proxy/"),
    period_s=1.0,
    deadline_s=2.0,
    fails="the shop's page FAILS",
    works="the shop's page works again",
)
SCALE_DOWN = FaultKind(
    name="scale_down",
    label="scale-down",
    start="scale_down:start_scale_down",
    stop="scale_down:stop_scale_down",
    example={"deployment": "web", "namespace": "shop"},
    rights=({"namespace": "shop", "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]},),
)
SCALE_UP = Mitigation(
    name="scale_up_again",
    label="the owner scales up again",
    action="scale_down:scale_up_again",
    against=("scale_down",),
    example={"timeout_s": 5.0},
)
VANTAGE_POINTS, FAULTS, MITIGATIONS = (SHOP_PAGE,), (SCALE_DOWN,), (SCALE_UP,)


@activity()
def start_scale_down(
    deployment: str, namespace: str, configuration: JsonObject = ABSENT, secrets: JsonObject = ABSENT
) -> JsonObject:
    """Scale a Deployment down to no pod at all; the number it had is in the undo log, on disk, before that.

    Args:
        deployment: Name of the Deployment.
        namespace: Its namespace.
        configuration: The experiment's configuration.
        secrets: chaosk8s' own keys.

    Returns:
        An ``Injected``; it ends with ``stop_scale_down``, or when somebody scales up.
    """
    with injecting(settings_of(configuration, secrets), SCALE_DOWN, SystemClock()) as injection:
        injection.edit(Edit("Deployment", namespace, deployment, {("spec", "replicas"): 0}))
        return Injected(
            fault=injection.fault,
            kind=SCALE_DOWN.name,
            label=SCALE_DOWN.label,
            delivers=Delivers("Deployments scaled down", wanted=1, done=1),
            expects=(Expects(SHOP_PAGE.name),),
            parameters={"deployment": deployment, "namespace": namespace},
        ).as_dict()


@activity(between(timeout_s=(0, 3600)))
def stop_scale_down(
    timeout_s: float = 60.0, configuration: JsonObject = ABSENT, secrets: JsonObject = ABSENT
) -> JsonObject:
    """Give every Deployment that this run scaled down its pods back. For the rollbacks: may be played again.

    Returns:
        An ``Ended`` of what was taken back.
    """
    return take_back(settings_of(configuration, secrets), timeout_s, SystemClock(), SCALE_DOWN.name).as_dict()


@activity(between(timeout_s=(0, 3600)))
def scale_up_again(
    timeout_s: float = 60.0, configuration: JsonObject = ABSENT, secrets: JsonObject = ABSENT
) -> JsonObject:
    """Scale up again in the middle of the run, as the Deployment's owner would.

    Returns:
        An ``Ended`` of what was scaled up.
    """
    done = take_back(settings_of(configuration, secrets), timeout_s, SystemClock(), SCALE_DOWN.name)
    return replace(done, by="its owner scaled up").as_dict()
