"""Whose work the API servers did in a run, as tables of the page: the agents', our own observer's, and by flow."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from chaoslib_cp.report.table import Cell, draw_table

_WHO = (("agents", "agents, by their own count"), ("observer", "our observer, by its own count"))


def draw_api_work(work: Mapping[str, Any]) -> Iterator[str]:
    """Draw whose work it was; what is not known is said.

    Args:
        work: ``api_work`` of summary.json.
    """
    if not work or (not work["flows"] and not any(work[who]["requests"] for who, _ in _WHO)):
        return
    yield "<h2>Whose work the API servers did</h2>"
    yield f"<p>{escape(_all(work))}</p>"
    rows = [("", _mine(label, work[who])) for who, label in _WHO]
    yield from draw_table(("who", "answers", "share of all requests", "received"), rows)
    if work["flows"]:
        heads = (
            "FlowSchema",
            "priority level",
            "requests",
            "rejected",
            "seats",
            "execution",
            "share of execution",
            "ours in it",
        )
        yield from draw_table(heads, (("", _flow(one)) for one in work["flows"]))
    yield from (f'<p class="quiet">Not known: {escape(str(why))}</p>' for why in work["unknown"])


def _all(work: Mapping[str, Any]) -> str:
    told = "From the begin to the end of the run"
    if work["requests"] is not None:
        told += (
            f" they took {work['requests']:.0f} requests, executed them for {work['execution_s']:.1f} s together and "
            f"used {work['cpu_s']:.1f} s of CPU"
        )
    else:
        told += " it is not known what they did in all"
    return (
        f"{told}. A request counts with its time of execution whatever number of seats it took; Kubernetes tells no "
        "CPU time by flow, so none is told here."
    )


def _mine(label: str, told: Mapping[str, Any]) -> list[Cell]:
    share, received = told["request_share"], told["received_bytes"]
    return [
        Cell(label, "label"),
        Cell("not known" if told["requests"] is None else str(told["requests"]), "number"),
        Cell("not known" if share is None else f"{share:.1%}", "number"),
        Cell("not known" if received is None else f"{received / 1e6:.2f} MB", "number"),
    ]


def _flow(told: Mapping[str, Any]) -> list[Cell]:
    share = told["execution_share"]
    return [
        Cell(str(told["flow_schema"]), "label"),
        Cell(str(told["priority_level"]), "words"),
        Cell(f"{told['requests']:.0f}", "number"),
        Cell(f"{told['rejected']:.0f}", "number"),
        Cell(f"{told['seats']:.0f}", "number"),
        Cell(f"{told['execution_s']:.1f} s", "number"),
        Cell("" if share is None else f"{share:.1%}", "number"),
        Cell(", ".join(told["ours"]), "words"),
    ]
