"""How a page looks: light or dark as the reader's system is, and readable from a telephone to a wide screen."""

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1a1a1a; --quiet: #555; --line: #ddd; --box: #f5f5f5;
  --bad: #9c1c1c; --good: #14602b; --open: #7a5200; --bad-mark: #b3261e; --good-mark: #8fbf9a; --void-mark: #999; }
@media (prefers-color-scheme: dark) { :root { --page: #16181b; --ink: #e6e6e6; --quiet: #a9adb3; --line: #3c4046;
  --box: #22262b; --bad: #ff938b; --good: #7fd396; --open: #e8b64a; --bad-mark: #e5534b; --good-mark: #3f7d50;
  --void-mark: #777; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1140px; margin: 24px auto; padding: 0 16px;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 22px; margin-bottom: 4px; } h2 { font-size: 17px; margin-top: 28px; }
table { border-collapse: collapse; } td, th { padding: 3px 14px 3px 0; text-align: left; vertical-align: top; }
th { overflow-wrap: normal; } code { font-size: 13px; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.words { min-width: 9em; max-width: 22em; } td.label { min-width: 17em; } td.name { min-width: 16em; }
.quiet { color: var(--quiet); } .bad td { color: var(--bad); } .good td { color: var(--good); }
.verdict { display: inline-block; padding: 2px 12px; border: 2px solid; font-weight: 700; }
.held { color: var(--good); } .broke { color: var(--bad); } .inconclusive { color: var(--open); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg.narrow { display: none; max-width: 480px; }
svg text { fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 3px; }
svg text.target { font-family: ui-monospace, monospace; font-size: 11px; }
rect.good { fill: var(--good-mark); } rect.bad { fill: var(--bad-mark); } rect.void { fill: var(--void-mark); }
line.tick { stroke: var(--line); } line.event { stroke: var(--ink); stroke-dasharray: 3 3; }
line.event.bad { stroke: var(--bad-mark); } line.event.good { stroke: var(--good); }
pre { background: var(--box); padding: 10px; font-size: 13px; white-space: pre-wrap; }
@media (max-width: 860px) {
  svg.wide { display: none; } svg.narrow { display: block; }
  table.stacked, table.stacked tbody, table.stacked tr { display: block; }
  table.stacked tr { border-top: 1px solid var(--line); padding: 6px 0; } table.stacked tr.head { display: none; }
  table.stacked td { display: block; padding: 1px 0; text-align: left; min-width: 0; white-space: normal; }
  table.stacked td:empty { display: none; }
  table.stacked td:not(:first-child)::before { content: attr(data-head) ": "; color: var(--quiet); }
}
"""
"""Below 860 px the drawing made for a narrow screen is shown, and wide tables put the cells of a row in a column."""
