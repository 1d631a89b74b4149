"""The stand-alone script and the library agree on mask and lock-out, whatever the timeline."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chaoslib_cp.results.faults import find_faults
from chaoslib_cp.results.figures import compute
from chaoslib_cp.results.recording import record
from tests.places import EXPERIMENTS
from tests.unit.made_timeline import EPOCH_S, Line, event, incident, rollout, sample

SCRIPT = EXPERIMENTS / "recompute.py"


def load_script() -> Any:
    """Import the script from its file: it is no part of a package."""
    spec = importlib.util.spec_from_file_location("recompute", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT_MODULE = load_script()


@st.composite
def timelines(draw: st.DrawFn) -> list[Line]:
    """Stretches of good and bad answers of the three vantage points that matter, some slow, some late."""
    lines = rollout()
    of_nodes = [(name, {"node": node}) for node in ("", "worker-2") for name in ("dns_uncached", "dns_cached")]
    for name, where in [*of_nodes, ("admin_write", {})]:
        at_s = -5.0
        for word, length in draw(
            st.lists(st.tuples(st.sampled_from(["ok", "ok", "timeout", "slow"]), st.integers(1, 8)), max_size=12)
        ):
            for _ in range(length):
                latency_s = 6.0 if word == "slow" else 0.1
                lag_s = draw(st.sampled_from([0.0, 0.0, 0.0, 0.3]))
                # a TTL that counts down past the caches is a false premise, which the library alone knows of
                ttl_s = 20 if name == "dns_uncached" else draw(st.sampled_from([None, 0, 3, 20]))
                more = {"latency_s": latency_s, "lag_s": lag_s, "ttl_s": ttl_s, **where}
                lines.append(sample(name, at_s, "ok" if word == "slow" else word, **more))
                at_s += draw(st.sampled_from([0.5, 1.0, 2.0]))
    return [*lines, event("run_ended", 120.0)]


@settings(max_examples=200, deadline=None)
@given(timelines())
def test_both_find_the_same_figures(lines: list[Line]) -> None:
    """Two programs that share no code give the same mask and the same lock-out."""
    recording = record(lines)
    values, _ = compute(recording, find_faults(recording))
    zero = SCRIPT_MODULE.zero_of(lines)
    assert zero == EPOCH_S
    assert SCRIPT_MODULE.agrees(SCRIPT_MODULE.mask_of(lines, zero), values["mask_s"])
    assert SCRIPT_MODULE.agrees(SCRIPT_MODULE.lockout_of(lines, zero), values["lockout_s"])


def test_the_script_says_when_a_summary_is_wrong(tmp_path: Path) -> None:
    """Run as a person would: it prints both figures and fails when summary.json says otherwise."""
    text = "\n".join(json.dumps(line) for line in incident()) + '\n{"kind": "sam'
    (tmp_path / "timeline.jsonl").write_text(text, encoding="utf-8")
    command = [sys.executable, "-I", str(SCRIPT), str(tmp_path)]
    for lockout_s, exit_code, word in ((89.0, 0, "agrees"), (12.0, 1, "DISAGREES")):
        figures = {"mask_s": 19.0, "lockout_s": lockout_s}
        (tmp_path / "summary.json").write_text(json.dumps({"figures": figures}), encoding="utf-8")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == exit_code, done.stderr
        assert "mask_s 19.000 (summary.json agrees)" in done.stdout
        assert word in done.stdout.splitlines()[1]
