"""The style sheet of the HTML card: one palette for light, one for dark, and a page that prints."""

from __future__ import annotations

PALETTE = """
:root { --ground: #fbfaf8; --panel: #ffffff; --ink: #1d2129; --soft: #667080; --line: #e4e2dd; --cell: #f4f2ee;
        --wrong: #e05e20; --right: #2a6fb8; --diagonal: #d8e3ef; --expected: #1d2129; --on-dark: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14161a; --panel: #1c1f25; --ink: #e8e6e1; --soft: #98a1b0; --line: #2e323b; --cell: #23272e;
          --wrong: #f0793a; --right: #5a9fe6; --diagonal: #2b3a4d; --expected: #e8e6e1; --on-dark: #14161a; } }
"""

CSS = (
    PALETTE
    + """\
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 56px 28px 72px; }
h1 { font-size: 40px; line-height: 1.15; letter-spacing: -0.02em; margin: 0; font-weight: 680; }
h1 small { font-size: 17px; font-weight: 450; letter-spacing: 0; color: var(--soft); margin-left: 10px; }
h2 { font-size: 20px; margin: 0 0 4px; letter-spacing: -0.01em; }
p { margin: 0 0 14px; max-width: 74ch; }
.lead { font-size: 18px; color: var(--soft); margin: 12px 0 20px; }
.note { color: var(--soft); font-size: 14px; }
code, pre { font: 14px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--cell); border-radius: 8px; padding: 12px 16px; margin: 0; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 14px; margin: 28px 0; }
.tile, section { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; }
.tile { padding: 16px 18px; }
.tile b { display: block; font-size: 20px; line-height: 1.3; font-weight: 650; letter-spacing: -0.02em;
          white-space: nowrap; }
.tile span { color: var(--soft); font-size: 14px; line-height: 1.35; display: block; margin-top: 3px; }
section { padding: 26px 28px; margin-top: 20px; break-inside: avoid; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 20px; }
.columns > section { margin-top: 0; }
.columns { margin-top: 20px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(290px, 100%), 1fr)); gap: 12px; }
svg { width: 100%; height: auto; display: block; margin: 10px auto 0; font-size: 13px; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; } svg .label { fill: var(--soft); }
svg .halo { paint-order: stroke; stroke: var(--panel); stroke-width: 5px; stroke-linejoin: round; }
svg .wrong { fill: var(--wrong); } svg .right { fill: var(--right); } svg .cell { fill: var(--cell); }
svg .diagonal { fill: var(--diagonal); } svg .on-dark { fill: var(--on-dark); }
svg .axis { stroke: var(--soft); stroke-opacity: 0.5; fill: none; }
svg .expected { fill: none; stroke: var(--expected); stroke-width: 2; stroke-dasharray: 5 4; }
svg .point { fill: var(--wrong); fill-opacity: 0.75; stroke: var(--panel); }
img.heat { width: 100%; image-rendering: pixelated; background: var(--cell); border-radius: 8px; margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; margin-top: 10px; }
th, td { text-align: left; border-bottom: 1px solid var(--line); padding: 6px 12px 6px 0; vertical-align: top; }
th { font-weight: 550; color: var(--soft); white-space: nowrap; } th:last-child, td:last-child { padding-right: 0; }
tr:last-child td { border-bottom: 0; } th.number, td.number { text-align: right; white-space: nowrap; }
tr.ours td { font-weight: 650; }
.wide { overflow-x: auto; } .wide table { font-size: 13px; }
.wide th, .wide td { padding-right: 9px; white-space: nowrap; }
.wide th { vertical-align: bottom; line-height: 1.25; } .wide th, .wide th.number { white-space: normal; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 14px; margin: 10px 0 22px; }
.gallery figure { margin: 0; } .gallery img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 8px;
  image-rendering: pixelated; background: var(--cell); display: block; }
.gallery .clean { font-weight: 600; font-size: 14px; line-height: 1.3; margin-top: 6px; }
.gallery .votes { color: var(--soft); font-size: 13px; line-height: 1.35; }
.bar-votes { display: flex; height: 6px; border-radius: 3px; overflow: hidden; margin: 5px 0;
  background: var(--wrong); }
.bar-votes i { background: var(--right); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 4px 0 10px; }
.key.right { background: var(--right); } .key.wrong { background: var(--wrong); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 10px 0 0; font-size: 14px; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; margin-top: 28px; }
@media print { body { background: none; } main { padding: 0; } }
"""
)
