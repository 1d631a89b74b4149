"""What the commands ``chaos cp up``, ``down`` and ``status`` do."""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaoslib_cp.clock import SystemClock
from chaoslib_cp.errors import TestbedFailed
from chaoslib_cp.inheritance import Kind, handed_to, python_module
from chaoslib_cp.stop_signals import stop_signals_raise
from chaoslib_cp.testbed import doctor
from chaoslib_cp.testbed.cgroups import NOT_ENFORCED, CgroupTree, backend
from chaoslib_cp.testbed.instance import SUPERVISOR_MODULE, Instance, is_alive, lock
from chaoslib_cp.testbed.programs import NOWHERE_ELSE, Elsewhere, find_or_get_programs
from chaoslib_cp.testbed.spec import ClusterSpec, load_spec
from chaoslib_cp.waits import waiting_for

POLL_PERIOD_S = 0.1
GONE_WITHIN_S = 15.0
DEFAULT_SPEC = "as-incident"
# Longer than every wait inside the supervisor, which then tells better what was wrong.
UP_WITHIN_S = 600.0

Say = Callable[[str], None]


def up(
    spec_name: str | None,
    name: str,
    say: Say,
    rootless: bool | None = None,
    elsewhere: Elsewhere = NOWHERE_ELSE,
) -> dict[str, Any]:
    """Bring a testbed up, or find the one that is up already.

    Args:
        spec_name: a shipped spec's name, or a file; None for whatever is up, and ``as-incident`` if nothing is.
        name: the instance's name.
        say: told each step as it is done.
        rootless: use a user namespace; by default exactly when this process is not root's.
        elsewhere: where missing programs are got from before their official addresses are asked.

    Returns:
        The state, see ``status``.

    Raises:
        ProfileInvalid: the spec or the name is wrong; nothing was started.
        TestbedFailed: it did not come up, and nothing was left behind; or it is up with another spec; or the start of
            another process, which this one found, failed, and the message says what is left.
    """
    spec = load_spec(spec_name or DEFAULT_SPEC)
    instance = Instance(name)
    is_rootless = os.geteuid() != 0 if rootless is None else rootless
    with _locked(instance):
        if instance.supervisor_pids():
            if spec_name is not None:
                _refuse_other_spec(instance, spec)
            say(f"testbed {name} is {'up' if status(name)['phase'] == 'ready' else 'coming up'} already")
            _follow(instance, _silence)
        else:
            _bring_up(instance, spec, say, is_rootless, elsewhere)
    state = status(name)
    if state.get("cgroups") == "none":
        say(f"warning: CPU and memory limits are {NOT_ENFORCED}; `chaos cp doctor` says what helps")
    return state


def _bring_up(instance: Instance, spec: ClusterSpec, say: Say, rootless: bool, elsewhere: Elsewhere) -> None:
    clear(instance)
    doctor.require(rootless)
    programs = find_or_get_programs(say, elsewhere=elsewhere)
    try:
        with stop_signals_raise():
            _write_plan(instance, spec, programs.folder, rootless)
            process = _start(instance)
            _follow(instance, say, process)
    except BaseException:
        # also Ctrl-C: half a testbed is of use to nobody
        clear(instance)
        raise


def down(name: str) -> dict[str, Any]:
    """Take a testbed down, whatever state it is in, and remove all it left; doing it twice is fine.

    Returns:
        ``{"name": ..., "was_up": bool}``

    Raises:
        TestbedFailed: something stayed, or this process is inside the testbed; the message says what.
    """
    instance = Instance(name)
    if instance.is_around_us():
        raise TestbedFailed(
            f"testbed {name} cannot be taken down from inside; nothing was changed; leave its shell, then run: "
            f"chaos cp down --name {name}"
        )
    with _locked(instance):
        was_up = bool(instance.supervisor_pids())
        clear(instance)
    return {"name": name, "was_up": was_up}


def status(name: str) -> dict[str, Any]:
    """Return what a testbed says of itself.

    Returns:
        ``{"name", "phase": "down" | "starting" | "ready" | "failed" | "crashed" | "elsewhere", "components": {name:
        {"alive", "restarts"}}, "spec", "cluster_uid", "kubeconfig", "logs", "cpu_s": {control group: CPU seconds so
        far}, "cgroups": "none" when no limit is enforced, ...}``; only the first two when it is down. Containers have
        groups of their own, named after their node.
        "elsewhere": a machine or container that shares its folder runs it.

    Raises:
        TestbedFailed: its state file is damaged.
    """
    instance = Instance(name)
    state = instance.read_state()
    is_running = bool(instance.supervisor_pids())
    if state is None:
        return {"name": name, "phase": "starting" if is_running else "down"}
    if not is_running and state["phase"] != "failed":
        state["phase"] = "elsewhere" if instance.is_up_elsewhere() else "crashed"
    files = {"kubeconfig": str(instance.kubeconfig), "logs": str(instance.logs)}
    return {"name": name, **state, **files, "cpu_s": CgroupTree(instance.cgroup_name, backend()).cpu_s()}


def _write_plan(instance: Instance, spec: ClusterSpec, programs: Path, rootless: bool) -> None:
    try:
        instance.folder.mkdir(mode=0o700, parents=True)
        instance.logs.mkdir()
        plan = {"name": instance.name, "spec": dataclasses.asdict(spec), "programs": str(programs)}
        instance.plan_file.write_text(json.dumps({**plan, "rootless": rootless}, indent=1))
    except OSError as error:
        raise TestbedFailed(f"testbed {instance.name}: {instance.folder} cannot be written: {error}") from error


def _refuse_other_spec(instance: Instance, spec: ClusterSpec) -> None:
    """Let nobody work on another cluster than the one asked for; a spec's name alone makes no difference."""
    try:
        running = json.loads(instance.plan_file.read_text())["spec"]
    except (OSError, ValueError, KeyError) as error:
        raise TestbedFailed(
            f"testbed {instance.name} is up, and {instance.plan_file} does not say with which spec ({error}); nothing "
            f"was changed; run: chaos cp down --name {instance.name}"
        ) from error
    wanted = dataclasses.asdict(spec)
    others = [key for key in wanted if key != "name" and running.get(key) != wanted[key]]
    if others:
        raise TestbedFailed(
            f"testbed {instance.name} is up with another spec, {running.get('name')}, which differs from {spec.name} "
            f"in {', '.join(others)}; nothing was changed; run chaos cp down --name {instance.name} first, or use "
            "another --name"
        )


def _silence(_words: str) -> None:
    """Tell nobody."""


def _start(instance: Instance) -> "subprocess.Popen[bytes]":
    rootless = json.loads(instance.plan_file.read_text())["rootless"]
    user = ["--user", "--map-root-user"] if rootless else []
    namespaces = ["--net", "--uts", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    supervisor = python_module(SUPERVISOR_MODULE, str(instance.folder))
    log = instance.logs / "supervisor.log"
    with log.open("ab") as output, instance.plan_file.open("r+b") as held:
        lock(
            held.fileno(), fcntl.LOCK_EX, instance.plan_file
        )  # the child's copy keeps it, see Instance.is_up_elsewhere
        return subprocess.Popen(
            ["unshare", *user, *namespaces, *supervisor],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=[held.fileno()],
            cwd="/",
            **handed_to(Kind.TESTBED),
        )


def _follow(instance: Instance, say: Say, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Tell each step of the start as it comes, until the testbed is ready.

    Args:
        instance: the testbed.
        say: told the steps.
        process: its outermost process, when this one started it. Then its end is not read from command lines: for a
            moment after a start they are empty. The caller then takes down what did not come up.
    """
    left = f"it was left as it is, its logs are in {instance.logs}; run: chaos cp down --name {instance.name}"
    if process:
        left = "nothing was left behind"
    with waiting_for(f"testbed {instance.name} to be ready", UP_WITHIN_S):
        _follow_steps(instance, say, process, left)


def _follow_steps(instance: Instance, say: Say, process: "subprocess.Popen[bytes] | None", left: str) -> None:
    clock = SystemClock()
    ends_at_s = clock.monotonic_s() + UP_WITHIN_S
    said = 0
    while True:
        ended = process.poll() is not None if process else not instance.supervisor_pids()
        state = instance.read_state() or {"phase": "starting", "steps": []}
        for step in state["steps"][said:]:
            say(f"{step['elapsed_s']:6.1f} s  {step['name']}")
        said = len(state["steps"])
        if state["phase"] == "ready":
            return
        if ended:
            words = (instance.logs / "supervisor.log").read_text(errors="replace").strip().splitlines()
            status_word = f"its supervisor ended with status {process.returncode}" if process else "it ended"
            reason = state.get("error") or " | ".join(words[-3:]) or status_word
            raise TestbedFailed(f"testbed {instance.name} did not come up: {reason}; {left}")
        if clock.monotonic_s() > ends_at_s:
            raise TestbedFailed(f"testbed {instance.name} did not come up within {UP_WITHIN_S:.0f} s; {left}")
        clock.sleep(POLL_PERIOD_S)


def clear(instance: Instance) -> None:
    """Kill what runs, then remove cgroups and files. The caller holds the lock.

    Raises:
        TestbedFailed: something stayed, or what runs is out of reach.
    """
    with waiting_for(f"the processes of testbed {instance.name} to end", GONE_WITHIN_S):
        _kill(instance)
        _refuse_elsewhere(instance)
    left = CgroupTree(instance.cgroup_name, backend()).remove()
    if left:
        raise TestbedFailed(f"testbed {instance.name}: control groups stayed: {', '.join(left)}; run down again")
    if instance.folder.exists():
        shutil.rmtree(instance.folder)


def _kill(instance: Instance) -> None:
    """Kill the supervisor and wait until the kernel has ended everything that was below it."""
    clock = SystemClock()
    ends_at_s = clock.monotonic_s() + GONE_WITHIN_S
    seen: set[int] = set()
    victim: int | None = None
    while pids := {*instance.supervisor_pids(), *filter(is_alive, seen)}:
        seen |= pids
        # from within: then `unshare`, which waits outside, reaps what it started and ends by itself
        victim = victim or instance.inside_pid()
        for pid in pids if victim is None else [victim]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)  # when this very process had started it
        if clock.monotonic_s() > ends_at_s:
            raise TestbedFailed(f"testbed {instance.name}: processes {pids} do not end; nothing else was removed")
        clock.sleep(0.02)


def _refuse_elsewhere(instance: Instance) -> None:
    """Leave the files of a testbed whose processes cannot be seen from here; one that just died is waited for."""
    clock = SystemClock()
    ends_at_s = clock.monotonic_s() + GONE_WITHIN_S
    while instance.is_up_elsewhere():
        if clock.monotonic_s() > ends_at_s:
            raise TestbedFailed(
                f"testbed {instance.name} is up on a machine or in a container that shares {instance.folder}; nothing "
                "was changed; take it down there, or use another name"
            )
        clock.sleep(POLL_PERIOD_S)


@contextlib.contextmanager
def _locked(instance: Instance) -> Iterator[None]:
    """Let one command at a time change testbeds; the lock is the folder itself and leaves no file."""
    parent = instance.folder.parent
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise TestbedFailed(f"{parent} cannot be used: {error}; nothing was started") from error
    try:
        with waiting_for("another command that brings a testbed up or down", None):
            lock(descriptor, fcntl.LOCK_EX, parent)
        yield
    finally:
        os.close(descriptor)
