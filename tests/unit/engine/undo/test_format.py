"""The format of the undo log on disk, byte for byte: who changes it raises the schema's number and keeps a file."""

from pathlib import Path

from chaoslib_cp.engine.undo.entry import Entry
from chaoslib_cp.engine.undo.lines import SCHEMA
from chaoslib_cp.engine.undo.log import UndoLog
from tests.places import GOLDEN
from tests.scaffold.clocks import ManualClock

RUN = "20231114T221320Z-openai"
KEPT = GOLDEN / "undo" / f"schema-{SCHEMA}.jsonl"
FACTS = {
    "cluster_uid": "11111111-2222-3333-4444-555555555555",
    "ca_sha256": "b33b55caa57c86a0f912827ee054a313e8381a8bb71101aa4eb6662e3ba460df",
    "server": "https://127.0.0.1:6443",
    "addresses": ["127.0.0.1:6443"],
    "kubeconfig": "/home/sre/.kube/test-cluster",
    "contexts": {"runner_context": "runner", "admin_context": "admin", "break_glass_context": "break-glass"},
}


def write_log(folder: Path) -> Path:
    """A run with two faults, of which one is over."""
    clock = ManualClock()
    log = UndoLog.create(folder, RUN, FACTS, clock)
    fault = log.next_fault("agent_rollout")
    clock.pass_s(0.25)
    where = {"object_kind": "ConfigMap", "namespace": "kube-system", "name": "x", "run": RUN}
    sent = {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"profile.json": "{}"}}
    facts = {**where, "sent": sent, "ends_at_epoch_s": 1700000060.0}
    log.note(log.intend(Entry("delete_object", fault, "ConfigMap kube-system/x", facts)), uid="uid-0")
    log.done(
        log.intend(Entry("observe_only", log.next_fault("dns_restart"), "delete pods a, b", {})), "nothing to undo"
    )
    return log.path


def test_the_present_version_writes_as_it_did(tmp_path: Path) -> None:
    """A change of the format cannot slip in."""
    assert write_log(tmp_path / "undo").read_bytes() == KEPT.read_bytes()


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    """Faults, entries, notes and ends."""
    path = tmp_path / f"{RUN}.jsonl"
    path.write_bytes(KEPT.read_bytes())
    path.chmod(0o600)
    log = UndoLog.read(path, ManualClock())
    assert log.faults() == ["agent_rollout-1", "dns_restart-1"]
    [item] = log.open_items()
    assert (item.number, item.fault, item.uid, item.intended_at_boot_s) == (0, "agent_rollout-1", "uid-0", 0.25)
    assert [one.done for one in log.items()] == ["", "nothing to undo"]
