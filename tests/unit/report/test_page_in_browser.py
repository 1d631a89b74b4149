"""The page as a browser lays it out: nothing is cut off, covered, too small or too faint, wide and narrow."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from chaoslib_cp.report.html import render_html
from chaoslib_cp.results.recording import record
from chaoslib_cp.results.summary import summarise
from chaoslib_cp.results.verdict import Conduct
from tests.unit.made_timeline import incident, recorded, sample
from tests.unit.report.test_report import FACTS, the_incident

WIDTHS = (1280, 420)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")


def pages() -> dict[str, str]:
    """The incident; one whose names are as long as Kubernetes lets them be; and a run that injected nothing."""
    long = "x" * 253
    lines = [*incident(), *(sample("dns_pod", at_s, "servfail", target=long) for at_s in range(30, 40))]
    wide = the_incident(Conduct(left_behind=(long,)), scale={"knob": long}, run={**FACTS["run"], "title": long})
    wide["reasons"]["mask_s"] = wide["figures"]["mitigated_by"] = wide["parts"][0]["why"] = long
    wide["story"] = [{"since_s": at_s / 2, "what": long, "kind": "bad"} for at_s in range(30)]
    preflight = summarise(record([sample("api_read", 1.0)]), [], Conduct(has_method=False), FACTS)
    return {
        "incident": render_html(the_incident(), recorded(*incident())),
        "long names": render_html(wide, recorded(*lines)),
        "preflight": render_html(preflight, recorded(sample("api_read", 1.0))),
    }


def measured(folder: Path, scheme: str) -> dict[str, dict[str, Any]]:
    """What the script of this folder finds on each page at each width."""
    script = Path(__file__).with_name("measure_page.js").read_text(encoding="utf-8")
    frames = [
        f'<iframe id="{name} {width}" style="width:{width}px;height:900px;border:0" srcdoc="{escape(page)}"></iframe>'
        for name, page in pages().items()
        for width in WIDTHS
    ]
    holder = folder / f"{scheme}.html"
    style = "<style>:root { color-scheme: light dark; }</style>"
    holder.write_text(
        f'<!doctype html><meta charset="utf-8">{style}<body>{"".join(frames)}<script>{script}</script></body>',
        encoding="utf-8",
    )
    preferred = "preferredColorScheme=0" if scheme == "dark" else "preferredColorScheme=1"
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    window = ["--window-size=1400,1000", f"--blink-settings={preferred}", "--dump-dom", holder.as_uri()]
    ended = subprocess.run(
        [str(CHROMIUM), *arguments, *window], capture_output=True, text=True, timeout=120, check=False
    )
    [body] = re.findall(r"<body>(\{.*\})</body>", ended.stdout, re.DOTALL) or [ended.stderr]
    found: dict[str, dict[str, Any]] = json.loads(unescape(body))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_on_the_page_can_be_read(scheme: str, tmp_path: Path) -> None:
    """At 1280 and at 420 px, in both colour schemes, whatever names a cluster has."""
    found = measured(tmp_path, scheme)
    assert len(found) == len(pages()) * len(WIDTHS)
    assert {name: page["wrong"] for name, page in found.items() if page["wrong"]} == {}
    assert all(page["isDark"] == (scheme == "dark") for page in found.values())
    assert found["incident 1280"]["texts"] > 100
