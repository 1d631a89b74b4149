"""What activities ask of their arguments is known before a run, and the same is refused when one is called."""

import importlib
import inspect
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaoslib_cp.arguments import is_declared, refuse_arguments
from chaoslib_cp.errors import ProfileInvalid
from tests.exported import ARGUMENTS, Exported, exported
from tests.scaffold.profiles import PROFILE

ROLLOUT = "chaoslib_cp.rollout.actions:start_agent_rollout"
RESTART = "chaoslib_cp.dns.actions:restart_dns_pods"
SATURATED = "chaoslib_cp.apiserver.probes:api_is_saturated"
RECOVERED = "chaoslib_cp.apiserver.probes:wait_until_recovered"
DNS = "chaoslib_cp.dns.probes:workload_dns"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        (ROLLOUT, {}, "missing a required argument: 'profile'"),
        (ROLLOUT, {"profile": 5}, "profile is 5; nothing was changed; use a mapping or a name"),
        (
            ROLLOUT,
            {"profile": "x"},
            "there is no preset 'x'; nothing was started; use one that `chaos cp presets` lists",
        ),
        (ROLLOUT, {"profile": PROFILE, "duration": 5}, "start_agent_rollout has no argument 'duration'"),
        (ROLLOUT, {"profile": PROFILE, "configuration": {}}, "has no argument 'configuration'"),
        (ROLLOUT, {"profile": PROFILE, "duration_s": "60"}, "duration_s is '60'; nothing was changed; use a number"),
        (ROLLOUT, {"profile": PROFILE, "duration_s": 0}, "duration_s is 0; nothing was changed; use a number from 1"),
        (ROLLOUT, {"profile": PROFILE, "namespace": 5}, "namespace is 5; nothing was changed; use a text"),
        (ROLLOUT, {"profile": PROFILE, "namespace": "A b"}, "namespace is 'A b', not a Kubernetes name"),
        (ROLLOUT, {"profile": {**PROFILE, "ramp_s": "3"}}, "load profile: ramp_s must be a number"),
        (ROLLOUT, {"profile": {**PROFILE, "speed": 3}}, "load profile: speed is not a known key"),
        (ROLLOUT, {"profile": {**PROFILE, "name": "${x}"}}, "profile has the unfilled placeholder '${x}'"),
        (
            ROLLOUT,
            {"profile": {**PROFILE, "requests": [{"path": "/api/v1/secrets"}]}},
            "asks for /api/v1/secrets, which agents are never given",
        ),
        (ROLLOUT, {"profile": PROFILE, "expects": {"vantag": "x"}}, "expects is {'vantag': 'x'}"),
        (ROLLOUT, {"profile": PROFILE, "expects": 5}, "expects is 5; nothing was changed; use a mapping"),
        (RESTART, {"coupling": "reboot"}, "coupling is 'reboot'; nothing was changed; use one of none,"),
        (RESTART, {"wait_for_fresh_cache": "false"}, "wait_for_fresh_cache is 'false'; nothing was changed; use true"),
        (RESTART, {"timeout_s": True}, "timeout_s is True; nothing was changed; use a number"),
        (SATURATED, {"slow_s": float("nan")}, "slow_s is nan; nothing was changed; use a number"),
        (SATURATED, {"max_ok_ratio": 1.5}, "max_ok_ratio is 1.5; nothing was changed; use a number from 0 to 1"),
        (RECOVERED, {"good_in_a_row": 2.5}, "good_in_a_row is 2.5; nothing was changed; use a whole number"),
        (DNS, {"path": "cash"}, "path is 'cash'; nothing was asked; use one of"),
    ],
)
def test_wrong_arguments_are_refused_before_a_run_and_by_the_activity(
    name: str, arguments: dict[str, Any], words: str
) -> None:
    """With the same words; nobody is asked anything, there is no cluster here."""
    module, _, function = name.partition(":")
    called = getattr(importlib.import_module(module), function)
    with pytest.raises(ProfileInvalid) as before:
        refuse_arguments(name, arguments)
    assert words in str(before.value)
    if not arguments.keys() <= inspect.signature(called).parameters.keys() or "configuration" in arguments:
        return  # Python itself refuses such a call, or Chaos Toolkit gives it
    with pytest.raises(ActivityFailed) as now:
        called(**arguments)
    assert words in str(now.value)


@pytest.mark.parametrize("one", exported(), ids=str)
def test_every_activity_has_said_what_it_asks_of_its_arguments(one: Exported) -> None:
    """None is left that refuses only in the middle of a run."""
    importlib.import_module(one.module)
    name = f"{one.module}:{one.name}"
    assert is_declared(name)
    refuse_arguments(name, ARGUMENTS[one.name])
