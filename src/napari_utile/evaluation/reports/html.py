"""An evaluation as one HTML page: no other file, nothing from the network."""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile import __version__
from napari_utile.evaluation.error_types import COLORS, MEANINGS
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.reports.figures import (
    INK,
    curves,
    error_picture,
    slice_title,
    worst_slices,
)
from napari_utile.evaluation.scores import GROUPS, format_score, score_named
from napari_utile.io.stack import Stack

ARROWS = {"higher": "higher is better", "lower": "lower is better", "": ""}


def page(
    report: Report,
    title: str = "",
    images: Sequence[Stack] = (),
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Write the page; see `evaluation_report.write_report`."""
    parts = [
        f"<h1>{escape(title or 'Evaluation')}</h1>",
        facts_list(facts or {}),
        notes(report),
        scores(report),
        objects(report),
        slices(report, images),
        figures(report),
        table("Every slice", report.rows),
        table("Best threshold of each score", report.best),
        table("By size of the objects", report.sizes),
        table("By IoU threshold", report.ious, folded=True),
        table("By probability threshold", report.thresholds, folded=True),
        table(
            "COCO's own 12 numbers, with its limit of 100 detections and its sizes",
            [report.stock] if report.stock else [],
            folded=True,
        ),
        f"<footer>napari-utile {__version__}</footer>",
    ]
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title or 'Evaluation')}</title><style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(part for part in parts if part)}</main>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def facts_list(facts: Mapping[str, Any]) -> str:
    """List what was compared, and how."""
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items())
    return f'<dl class="facts">{items}</dl>' if items else ""


def notes(report: Report) -> str:
    """Say what a reader of the numbers must know, where it is seen."""
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def scores(report: Report) -> str:
    """Show each score of the whole with what it means."""
    blocks = []
    for group, heading in GROUPS.items():
        names = [name for name in report if score_named(name).group == group]
        cards = "".join(card(name, report[name]) for name in names)
        if cards:
            blocks.append(f'<h3>{escape(heading)}</h3><div class="cards">{cards}</div>')
    return section("Scores of the whole", "".join(blocks))


def card(name: str, value: float) -> str:
    """Show one score: its value, its name, a sentence, and which way is better."""
    meaning = score_named(name)
    bar = ""
    if meaning.has_maximum:
        share = min(max(value, 0.0), 1.0) * 100
        bar = f'<i class="bar {meaning.better}"><i style="width:{share:.2f}%"></i></i>'
    hint = ARROWS[meaning.better]
    return (
        f'<div class="card"><b>{format_score(name, value)}</b>'
        f"<strong>{escape(meaning.title)} <code>{escape(name)}</code></strong>{bar}"
        f"<p>{escape(meaning.text)}{f' <em>{hint}</em>' if hint else ''}</p></div>"
    )


def objects(report: Report) -> str:
    """Show how many objects are of each kind; it is the legend of the pictures as well."""
    if report.objects is None:
        return ""
    counts = report.objects.counts()
    total = max(sum(counts.values()), 1)
    bar = "".join(
        f'<i style="flex:{n / total:.4f};background:{COLORS[kind]}" title="{kind}: {n}"></i>'
        for kind, n in counts.items()
        if n
    )
    legend = "".join(
        f'<li><i style="background:{color}"></i><b>{kind}'
        f"{f' {counts[kind]:,}' if kind in counts else ''}</b> {escape(MEANINGS[kind])}</li>"
        for kind, color in COLORS.items()
    )
    return section(
        "What became of the objects",
        f'<div class="kinds">{bar}</div><ul class="legend">{legend}</ul>',
    )


def slices(report: Report, images: Sequence[Stack]) -> str:
    """Show the worst slices, with what is wrong in color."""
    shown = []
    for row, image, index in worst_slices(report):
        picture = error_picture(
            report, image, index, images[image] if image < len(images) else None
        )
        caption = slice_title(row["slice"])
        told = ", ".join(
            f"{score_named(name).title} {format_score(name, row[name])}"
            for name in ("f1_50", "panoptic_quality")
        )
        shown.append(
            f'<figure><img src="{png(picture)}" alt="{escape(caption)}">'
            f"<figcaption><b>{escape(caption)}</b> {told}</figcaption></figure>"
        )
    heading = "The worst slices" if len(shown) > 1 else "Where it is wrong"
    return section(heading, f'<div class="slices">{"".join(shown)}</div>') if shown else ""


def figures(report: Report) -> str:
    """Draw every curve for which there are numbers."""
    drawn = "".join(
        f"<figure><figcaption><b>{escape(title)}</b></figcaption>{svg(draw)}</figure>"
        for title, draw in curves(report).items()
    )
    return section("Curves", f'<div class="curves">{drawn}</div>') if drawn else ""


def table(heading: str, rows: Sequence[Mapping[str, Any]], folded: bool = False) -> str:
    """Write rows as a table that a click on a name sorts; the last row, "all", stays last."""
    if not rows:
        return ""
    names = list(rows[-1])
    head = "".join(f"<th{tooltip(name)}>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr{' class=whole' if row.get('slice') == 'all' else ''}>"
        + "".join(f"<td>{escape(format_score(name, row[name]))}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    inside = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    inside = f'<div class="wide">{inside}</div>'
    if folded:
        return f"<details><summary>{escape(heading)}</summary>{inside}</details>"
    return section(heading, inside)


def tooltip(name: str) -> str:
    """Let the name of a column say what the score means."""
    meaning = score_named(name)
    known = meaning.text if "_" in name or name in ("iou", "dice", "seg") else ""
    return f' title="{escape(known)}"' if known else ""


def section(heading: str, inside: str) -> str:
    """Put a heading over something."""
    return f"<section><h2>{escape(heading)}</h2>{inside}</section>"


def svg(draw: Callable[[Any], None]) -> str:
    """Draw a curve as SVG whose ink is that of the page, on light and on dark."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    file = io.StringIO()
    plain = rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    with plain, rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        draw(figure.subplots())
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    drawing = text[text.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    used = {*re.findall(r"#([\w.-]+)", drawing)}  # the others are the same in every drawing
    drawing = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", drawing)
    return drawing.replace(INK, "currentColor")


def png(picture: NDArray[np.uint8]) -> str:
    """Write a picture into an address."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


STYLE = """
:root { color-scheme: light dark; --ink: #22262c; --soft: #667080; --line: #d9dee5;
  --card: #f5f7f9; --page: #fff; --accent: #0072b2; --note: #fff6dd; --note-edge: #e69f00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4b2; --line: #363d47;
  --card: #20252c; --page: #15191e; --accent: #56b4e9; --note: #33290f; --note-edge: #e69f00 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.5rem 3rem }
h1 { font-size: 1.7rem; margin: 0 0 .6rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 1px solid var(--line) }
h3 { font-size: .9rem; font-weight: 600; color: var(--soft); margin: 1.1rem 0 .5rem }
code { color: var(--soft); font-size: .82em; font-weight: 400 }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem;
  margin: 0 0 1rem; color: var(--soft); font-size: .9rem }
.facts dt { font-weight: 600 } .facts dd { margin: 0; overflow-wrap: anywhere }
.notes { margin: 1rem 0; padding: .7rem 1rem .7rem 2rem; background: var(--note);
  border-left: 4px solid var(--note-edge); border-radius: 4px }
.cards { display: grid; gap: .65rem;
  grid-template-columns: repeat(auto-fill, minmax(178px, 1fr)) }
.card { background: var(--card); border-radius: 8px; padding: .75rem .9rem }
.card > b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums;
  line-height: 1.2 }
.card strong { display: block; font-size: .88rem }
.card p { margin: .4rem 0 0; font-size: .8rem; line-height: 1.4; color: var(--soft) }
.card em { font-style: normal; display: block; opacity: .8 }
.bar { display: block; height: 4px; margin-top: .4rem; border-radius: 2px;
  background: var(--line); overflow: hidden }
.bar i { display: block; height: 100%; background: var(--accent) }
.bar.lower i { background: #d55e00 }
.kinds { display: flex; height: 1.1rem; gap: 2px; border-radius: 4px; overflow: hidden }
.kinds i { min-width: 2px }
.legend { list-style: none; padding: 0; margin: .8rem 0 0; display: grid; gap: .2rem 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); font-size: .85rem;
  color: var(--soft) }
.legend b { color: var(--ink) }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .5em }
.slices, .curves { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)) }
.slices figure { max-width: 620px }
figure { margin: 0; break-inside: avoid }
figure img { width: 100%; border-radius: 6px; display: block; image-rendering: auto }
figure svg { width: 100%; height: auto; display: block }
figcaption { font-size: .85rem; color: var(--soft); margin: .35rem 0 }
figcaption b { color: var(--ink); margin-right: .4em }
.wide { overflow-x: auto; max-height: 75vh }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums;
  white-space: nowrap }
th, td { padding: .28rem .6rem; text-align: right; border-bottom: 1px solid var(--line) }
th { position: sticky; top: 0; background: var(--page); cursor: pointer; user-select: none }
th[aria-sort=ascending]::after { content: " ▲" }
th[aria-sort=descending]::after { content: " ▼" }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--page);
  text-align: left }
tr.whole td { font-weight: 700; background: var(--card) }
details { margin-top: 1.2rem }
summary { cursor: pointer; font-weight: 600; margin-bottom: .5rem }
footer { margin-top: 3rem; color: var(--soft); font-size: .8rem }
@media print { :root { --page: #fff; --ink: #000; --card: #f4f4f4 } main { max-width: none;
  padding: 0 } .wide { overflow: visible; max-height: none } table { font-size: 6.5pt }
  th, td { padding: .1rem .25rem } th:first-child, td:first-child, th { position: static }
  .card { break-inside: avoid } }
"""

SCRIPT = """
for (const th of document.querySelectorAll("th")) th.onclick = () => {
  const table = th.closest("table"), body = table.tBodies[0], column = th.cellIndex;
  const up = th.getAttribute("aria-sort") !== "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  const order = (a, b) => a.localeCompare(b, undefined, {numeric: true});
  const value = row => row.cells[column].textContent;
  const number = text => text === "–" ? -Infinity : Number(text.replaceAll(",", ""));
  [...body.rows].sort((a, b) => {
    const whole = a.classList.contains("whole") - b.classList.contains("whole");
    if (whole) return whole;
    const [x, y] = [value(a), value(b)], [m, n] = [number(x), number(y)];
    return (isNaN(m) || isNaN(n) ? order(x, y) : m - n) * (up ? 1 : -1);
  }).forEach(row => body.append(row));
};
"""
