"""Every preset played on a testbed: what tipped, at which size, beside what its file says."""

import os
import tempfile
from pathlib import Path

from chaoslib_cp.engine.load.presets import preset
from tests.bench import page
from tests.testbed.conftest import brought_up
from tests.testbed.preset_rows import LASTS_S, ROWS, SPEC, Played, Row, play_until_it_tips

HEAD: tuple[str, ...] = (
    "preset",
    "virtual nodes",
    "its file says",
    "tipped here",
    "because",
    "API server, MiB",
    "etcd, MiB",
    "outcomes",
)
HEAD += ("answer p50 / max, s", "server / client CPU, s")
_WORDS = 180


def measure() -> None:
    """Play all of them on one testbed and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "ladder.yaml"
        spec.write_text(SPEC)
        with brought_up(str(spec), f"bench-{os.getpid()}") as testbed:
            write([play_until_it_tips(testbed, row, Path(folder)) for row in ROWS])


def write(played: list[tuple[Row, Played]]) -> None:
    """Write the section."""
    body = (
        f"One kube-apiserver 1.36 at 0.4 core, 200 fake nodes, 2,000 pods of 4 kB; each preset for {LASTS_S} s by "
        "`chaos cp load`, as an ordinary ServiceAccount. What tipped is what the probe `what_is_saturated` says in the "
        "middle of it, and besides; where nothing did, it was played again with twice as many virtual nodes, and once "
        "more. Memory is resident, before and at most. `tests/testbed/test_presets.py` proves each row "
        "(`--prove`).\n\n" + page.table(HEAD, [_cells(row, one) for row, one in played])
    )
    page.write_section("presets", "What each preset tips on a testbed of Kubernetes 1.36", body)


def _cells(row: Row, played: Played) -> list[str]:
    said = f"{preset(row.preset).tips_first}"
    if played.refused:
        return [f"`{row.preset}`", str(row.nodes), said, "does not bite", _reason(played.refused), *["-"] * 5]
    load, also = played.load, ", ".join(played.looked["also"])
    latency, outcomes = load["latency"], load["outcomes"]
    server = "not known" if load["server_cpu_s"] is None else f"{load['server_cpu_s']:.1f}"
    return [
        f"`{row.preset}`",
        f"{row.nodes}{_changed(row)}",
        said,
        f"**{played.word}**{f' ({also} too)' if also else ''}",
        _short(_kills(played) + str(played.looked["words"])),
        _grown(played.api_mib) + (f", {played.restarts} restarts" if played.restarts else ""),
        _grown(played.etcd_mib),
        ", ".join(f"{name} {count}" for name, count in outcomes.items()),
        f"{_seconds(latency['p50_s'])} / {_seconds(latency['max_s'])}",
        f"{server} / {load['client_cpu_s']:.1f}",
    ]


def _kills(played: Played) -> str:
    """What the kernel says, which the probe cannot see."""
    times = f"{played.memory_kills} times" if played.memory_kills > 1 else "once"
    return f"the kernel killed it {times} for its memory limit; the probe says: " if played.memory_kills else ""


def _changed(row: Row) -> str:
    """What is different from the preset, and what was prepared."""
    parts = [f"periods / {row.speed:g}"] if row.speed != 1 else []
    parts += [f"{count} {resource}" for resource, count, _ in row.filled]
    parts += [f"API server of {row.stage.memory_mib} MiB"] if row.stage.memory_mib else []
    if row.stage.etcd_stops_s:
        stop_s, run_s = row.stage.etcd_stops_s
        parts.append(f"etcd stands still for {stop_s:g} of {stop_s + run_s:g} s")
    return f"; {', '.join(parts)}" if parts else ""


def _reason(refused: str) -> str:
    return refused.removeprefix("Error: ").partition(";")[0]


def _short(words: str) -> str:
    return words if len(words) <= _WORDS else f"{words[:_WORDS].rpartition(' ')[0]} ..."


def _grown(mib: tuple[float, float]) -> str:
    return f"{mib[0]:.0f} to {mib[1]:.0f}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
