"""Testbeds and experiment runs, started as a user starts them."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHAOS = [sys.executable, "-m", "chaostoolkit"]
ROOT = Path(__file__).parents[2]
EXPERIMENT = ROOT / "experiments" / "openai-2024-12-11.json"
NAME = "bench"


def chaos_cp(*arguments: str) -> str:
    """Run ``chaos cp ...`` for the bench's testbed and return what it printed."""
    command, *rest = arguments
    ended = subprocess.run(
        [*CHAOS, "cp", command, "--name", NAME, *rest], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    return ended.stdout


@contextlib.contextmanager
def testbed(spec: str) -> Iterator[float]:
    """Bring a testbed up for the block; gives the seconds it took."""
    chaos_cp("down")
    began_s = time.monotonic()
    chaos_cp("up", spec, "--json")
    took_s = time.monotonic() - began_s
    try:
        yield took_s
    finally:
        chaos_cp("down")


def run_experiment(folder: Path, experiment: Path = EXPERIMENT, **knobs: object) -> tuple[dict[str, Any], Path]:
    """Run an experiment in ``folder`` with some of its environment keys set; return its summary and its run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **{f"CHAOSLIB_CP_{name.upper()}": str(value) for name, value in knobs.items()}}
    subprocess.run(
        [*CHAOS, "cp", "exec", "--name", NAME, "--", "chaos", "run", str(experiment)],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    run = max((folder / "runs").iterdir(), key=lambda path: path.name)
    return json.loads((run / "summary.json").read_text()), run


def samples(run: Path, vantage: str) -> list[dict[str, Any]]:
    """Return the usable samples of one vantage point from a run's timeline."""
    lines = [json.loads(line) for line in (run / "timeline.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["kind"] == "sample" and line.get("vantage") == vantage]
    return [line for line in found if not line.get("void")]


def storm(run: Path) -> tuple[float, float]:
    """Return when a run's storm began and when its agents' deadline was, in epoch seconds."""
    lines = [json.loads(line) for line in (run / "timeline.jsonl").read_text().splitlines()]
    begins_s = next(line["began_s"] for line in lines if line.get("event") == "fault_injected")
    outputs = [line.get("output") or {} for line in lines if line.get("event") == "activity_ended"]
    return begins_s, next(output["deadline_epoch_s"] for output in outputs if "deadline_epoch_s" in output)


def longest_failure_s(run: Path, vantage: str) -> float:
    """Return the longest time from a wrong sample to the next right one, 0 when none was wrong."""
    longest_s, began_s = 0.0, None
    for sample in samples(run, vantage):
        if not sample["ok"]:
            began_s = sample["at_s"] if began_s is None else began_s
            longest_s = max(longest_s, sample["at_s"] - began_s)
        elif began_s is not None:
            longest_s, began_s = max(longest_s, sample["at_s"] - began_s), None
    return longest_s


def cpu_s() -> dict[str, float]:
    """Return the CPU seconds each control group of the bench's testbed has used: components and containers."""
    used_s: dict[str, float] = json.loads(chaos_cp("status", "--json"))["cpu_s"]
    if not used_s:
        raise SystemExit("this machine counts no CPU time by control group: nothing can be measured here")
    return used_s
