"""A report as one HTML file: nothing is fetched, nothing runs, and it prints well."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import BinaryIO
from zoneinfo import ZoneInfo

from retainstream.config import Settings
from retainstream.lib.workbook import Heading
from retainstream.services.reports import cells
from retainstream.services.reports.documents import Document, Table, share

MOST_ROWS = 5000
"""A browser is slow with more; CSV and Excel have them all."""
_LOOKS = {"moment": "tight", "risk_band": "tight", "date": "tight", "long": "long"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 96rem; padding: 2.5rem 2rem; font: 15px/1.5 Inter, system-ui, "Segoe UI", Roboto, sans-serif; color: #1a1f2b; background: #fff; }
h1 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.125rem; }
.lead { margin: 0 0 1.5rem; color: #4a5468; max-width: 60rem; overflow-wrap: anywhere; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 0; padding: 0; }
.figures div { min-width: 9rem; }
dt { color: #4a5468; font-size: .8125rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dd small { display: block; color: #4a5468; font-size: .8125rem; font-weight: 400; }
.frame { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; }
th, td { padding: .375rem 1rem .375rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e3e6ec; overflow-wrap: break-word; max-width: 22rem; }
th { vertical-align: bottom; color: #4a5468; font-weight: 600; border-bottom: 2px solid #9aa4b5; }
.right { text-align: right; white-space: nowrap; }
th.right { white-space: normal; }
.tight { white-space: nowrap; }
.long { min-width: 18rem; }
.bar { width: 30%; min-width: 8rem; padding-left: 1rem; }
.bar svg { display: block; margin-top: .3rem; }
.bar rect { fill: #4262d6; }
.note, footer { color: #4a5468; font-size: .8125rem; }
footer { margin-top: 3rem; border-top: 1px solid #e3e6ec; padding-top: .75rem; }
@page { size: A4 landscape; margin: 14mm; }
@media print { th, td { padding-right: .6rem; } .long { min-width: 0; } body { max-width: none; padding: 0; font-size: 10pt; } thead { display: table-header-group; } tr, .figures div { break-inside: avoid; } h2 { break-after: avoid; } .frame { overflow: visible; } .bar rect { print-color-adjust: exact; } }
"""


def write(document: Document, out: BinaryIO, settings: Settings) -> int:
    """Write a document and return how many rows of its tables are in it."""
    zone = ZoneInfo(settings.time_zone)
    written = 0
    out.write(_head(document).encode())
    for table in document.tables:
        rows = 0
        for part, count in _table(table, zone, alone=len(document.tables) == 1):
            out.write(part.encode(errors="replace"))
            rows += count
        written += rows
    out.write(_foot(document, zone).encode())
    return written


def _head(document: Document) -> str:
    figures = "".join(
        f"<div><dt>{escape(one.label)}</dt><dd>{escape(one.value)}"
        + (f"<small>{escape(one.detail)}</small>" if one.detail else "")
        + "</dd></div>"
        for one in document.figures
    )
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(document.title)}</h1>\n<p class="lead">{escape(document.lead)}</p>\n'
        + (f'<dl class="figures">{figures}</dl>\n' if figures else "")
    )


def _foot(document: Document, zone: ZoneInfo) -> str:
    notes = "".join(f'<p class="note">{escape(note)}</p>\n' for note in document.notes)
    return f"{notes}</main>\n<footer>{escape(cells.stamp(document.as_of, zone))}</footer>\n</body>\n</html>\n"


def _table(table: Table, zone: ZoneInfo, *, alone: bool) -> Iterator[tuple[str, int]]:
    """Yield the parts of a table, each with the number of rows in it."""
    name = "" if alone else f"<h2>{escape(table.title)}</h2>\n"
    heads = "".join(_heading(table, heading) for heading in table.headings)
    yield f'{name}<div class="frame"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n', 0
    largest, left = table.longest, MOST_ROWS
    for block in table.blocks:
        rows = block[:left]
        left -= len(rows)
        yield "".join(f"<tr>{_row(table, row, zone, largest)}</tr>\n" for row in rows), len(rows)
        if not left:
            break
    note = " ".join(said for said in (cells.cut(MOST_ROWS - left, table.total, "HTML"), table.note) if said)
    if not table.total:
        note = f"There is nobody in this list. {note}".strip() if alone else f"Nothing yet. {note}".strip()
    yield "</tbody>\n</table></div>\n" + (f'<p class="note">{escape(note)}</p>\n' if note else ""), 0


def _heading(table: Table, heading: Heading) -> str:
    name = ' class="right"' if _right(table, heading) else ""
    also = '<th scope="col" class="bar"></th>' if heading.name == table.bar else ""
    return f'<th scope="col"{name}>{escape(heading.said)}</th>{also}'


def _row(table: Table, row: object, zone: ZoneInfo, largest: float) -> str:
    assert isinstance(row, list | tuple)
    return "".join(
        _cell(table, heading, value, zone, largest) for heading, value in zip(table.headings, row, strict=True)
    )


def _cell(table: Table, heading: Heading, value: object, zone: ZoneInfo, largest: float) -> str:
    looks = "right" if _right(table, heading) else _LOOKS.get(heading.name, _LOOKS.get(heading.kind, ""))
    name = f' class="{looks}"' if looks else ""
    words = f"<td{name}>{escape(cells.shown(value, heading.kind, zone, heading.name))}</td>"
    if heading.name != table.bar:
        return words
    width = share(value, largest)
    return f'{words}<td class="bar"><svg width="100%" height="10" aria-hidden="true"><rect width="{width:.1f}%" height="10" rx="2"></rect></svg></td>'


def _right(table: Table, heading: Heading) -> bool:
    """Tell whether a column's figures stand at its right; the first column begins at the edge of the page."""
    return heading.kind in cells.RIGHT and heading is not table.headings[0]
