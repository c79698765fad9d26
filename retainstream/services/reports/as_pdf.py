"""A report as PDF, A4 across. A font of European letters is carried along; which font draws the others is `letters`."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from retainstream.config import Settings
from retainstream.lib.workbook import Heading
from retainstream.services.reports import cells
from retainstream.services.reports.documents import Document, Figure, Table, share
from retainstream.services.reports.letters import EAST_ASIAN, lettered

MOST_ROWS = 1000
"""Nobody leafs through more pages; CSV and Excel have all rows."""
MOST_COLUMNS = 15
_FONTS = Path(__file__).parent / "fonts"
_FONT, _BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
_INK, _QUIET, _LINE, _BAR = "#1a1f2b", "#4a5468", "#d5dae3", "#4262d6"
_WIDTHS = {"text": 80, "long": 210, "id": 80, "whole": 52, "number": 52, "share": 48, "money": 62, "moment": 84, "date": 62, "flag": 36}  # fmt: skip
"""Points. The widest column that holds words gets what is left of the page."""
_BAR_WIDTH, _PAD, _MARGIN = 150, 5, 40
_SIZE, _LEADING = 8, 10.5
_FIGURES_ABREAST = 5


@lru_cache(maxsize=1)
def _register_fonts() -> frozenset[int]:
    """Make the fonts known, and return the code points that the ones which are carried along have in both weights.

    Those beyond 16 bits are left out: reportlab writes them so that no reader finds or copies the words around them.
    """
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    own = [TTFont(name, str(_FONTS / f"{name}.ttf")) for name in (_FONT, _BOLD)]
    for font in (*own, *(UnicodeCIDFont(name) for name in EAST_ASIAN)):
        pdfmetrics.registerFont(font)
    both = frozenset(own[0].face.charToGlyph) & frozenset(own[1].face.charToGlyph)
    return frozenset(code for code in both if code <= 0xFFFF)


@lru_cache(maxsize=64)
def _style(
    size: float = _SIZE,
    *,
    bold: bool = False,
    quiet: bool = False,
    right: bool = False,
    after: float = 0,
    anywhere: bool = False,
) -> Any:
    """Return how words look; `anywhere` lets a line end between any two letters."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle

    return ParagraphStyle(
        f"s{size}{bold}{quiet}{right}{after}{anywhere}",
        fontName=_BOLD if bold else _FONT,
        fontSize=size,
        leading=size * _LEADING / _SIZE,
        textColor=HexColor(_QUIET if quiet else _INK),
        alignment=2 if right else 0,
        spaceAfter=after,
        wordWrap="CJK" if anywhere else None,
    )


class _Words:
    """Makes paragraphs of texts, and remembers what a reader should know of how they were drawn."""

    def __init__(self) -> None:
        self._own = _register_fonts()
        self._told = self._right_to_left = self._east_asian = False

    def __call__(self, text: str, **looks: Any) -> Any:
        """Return a paragraph."""
        from reportlab.platypus import Paragraph

        found = lettered(text, self._own)
        self._told |= found.told
        self._east_asian |= found.east_asian
        self._right_to_left |= found.right_to_left
        return Paragraph(found.markup, _style(anywhere=found.east_asian, **looks))

    def notes(self) -> list[str]:
        """Return a sentence for each thing that the letters of this file cannot do."""
        sentences = {
            "Square brackets name letters and signs that the fonts of a PDF of ours lack; HTML, CSV and Excel have them.": self._told,
            "Chinese, Japanese and Korean letters are drawn in a font of the program that shows this file; where it has none, they stay blank.": self._east_asian,
            "Words that are written from right to left stand letter by letter from the left; HTML and Excel have them as they are written.": self._right_to_left,
        }
        return [sentence for sentence, holds in sentences.items() if holds]


def write(document: Document, out: BinaryIO, settings: Settings) -> int:
    """Write a document and return how many rows of its tables are in it."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.platypus import SimpleDocTemplate, Spacer

    words = _Words()
    zone = ZoneInfo(settings.time_zone)
    page = landscape(A4)
    made = SimpleDocTemplate(
        out, pagesize=page, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN + 8,
        title=document.title, author="RetainStream", lang="en-GB",
    )  # fmt: skip
    width = page[0] - 2 * _MARGIN - 12  # the frame's own padding
    story: list[Any] = [
        words(document.title, size=17, bold=True, after=3),
        words(document.lead, size=9.5, quiet=True, after=8),
    ]
    if document.figures:
        story += [_figures(document.figures, width, words), Spacer(1, 6)]
    written = 0
    for table in document.tables:
        parts, rows = _table(table, width, zone, words, alone=len(document.tables) == 1)
        story += parts
        written += rows
    story += [words(note, quiet=True, after=3) for note in (*document.notes, *words.notes())]
    foot = cells.stamp(document.as_of, zone)

    def footer(canvas: Any, template: Any) -> None:
        canvas.setFont(_FONT, 7.5)
        canvas.setFillColor(_QUIET)
        canvas.drawString(_MARGIN + 6, _MARGIN - 12, foot)
        canvas.drawRightString(page[0] - _MARGIN - 6, _MARGIN - 12, f"Page {template.page}")

    made.build(story, onFirstPage=footer, onLaterPages=footer)
    return written


def _figures(figures: tuple[Figure, ...], width: float, words: _Words) -> Any:
    from reportlab.platypus import Table as Grid
    from reportlab.platypus import TableStyle

    boxes = [
        [words(one.label, quiet=True), words(one.value, size=15, bold=True), words(one.detail, size=7.5, quiet=True)]
        for one in figures
    ]
    lines = [boxes[at : at + _FIGURES_ABREAST] for at in range(0, len(boxes), _FIGURES_ABREAST)]
    grid = Grid(
        [[*line, *([""] * (_FIGURES_ABREAST - len(line)))] for line in lines],
        colWidths=[width / _FIGURES_ABREAST] * _FIGURES_ABREAST,
    )
    grid.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
            ]
        )
    )
    return grid


def _table(table: Table, width: float, zone: ZoneInfo, words: _Words, *, alone: bool) -> tuple[list[Any], int]:
    """Return what the page shows of a table, and how many rows that is."""
    from reportlab.platypus import LongTable, Spacer

    headings = table.headings[:MOST_COLUMNS]
    widths = _widths(table, headings, width)
    largest = table.longest
    rows = [row for block in table.blocks for row in islice(block, MOST_ROWS)][:MOST_ROWS]
    parts: list[Any] = [] if alone else [Spacer(1, 8), words(table.title, size=11, bold=True, after=2)]
    notes = [cells.cut(len(rows), table.total, "PDF"), table.note]
    if len(table.headings) > len(headings):
        notes.append(f"The first {len(headings)} of {len(table.headings)} columns; CSV and Excel hold them all.")
    if not rows:
        notes.insert(0, "There is nobody in this list." if alone else "Nothing yet.")
    else:
        lines = [_line(table, headings, row, zone, largest, words) for row in rows]
        grid = LongTable([_heads(table, headings, words), *lines], colWidths=widths, repeatRows=1, hAlign="LEFT")
        grid.setStyle(_looks())
        parts.append(grid)
    said = " ".join(note for note in notes if note)
    return [*parts, *([Spacer(1, 3), words(said, quiet=True, after=3)] if said else [])], len(rows)


def _looks() -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import TableStyle

    return TableStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("LEFTPADDING", (0, 0), (-1, -1), _PAD),
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), _PAD),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ("LINEBELOW", (0, 0), (-1, 0), 1, HexColor(_QUIET)),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor(_LINE)),
        ]
    )


def _heads(table: Table, headings: tuple[Heading, ...], words: _Words) -> list[Any]:
    found: list[Any] = []
    for heading in headings:
        found.append(words(heading.said, bold=True, quiet=True, right=heading.kind in cells.RIGHT and bool(found)))
        if heading.name == table.bar:
            found.append("")
    return found


def _line(
    table: Table, headings: tuple[Heading, ...], row: Any, zone: ZoneInfo, largest: float, words: _Words
) -> list[Any]:
    found: list[Any] = []
    for heading, value in zip(headings, row, strict=False):  # columns beyond the page's are left out
        said = cells.shown(value, heading.kind, zone, heading.name)
        found.append(words(said, right=heading.kind in cells.RIGHT and bool(found)))
        if heading.name == table.bar:
            found.append(_bar(share(value, largest)))
    return found


def _bar(percent: float) -> Any:
    from reportlab.graphics.shapes import Drawing, Rect
    from reportlab.lib.colors import HexColor

    drawing = Drawing(_BAR_WIDTH, 8)
    if percent:
        drawing.add(Rect(0, 0, _BAR_WIDTH * percent / 100, 7, fillColor=HexColor(_BAR), strokeColor=None))
    return drawing


def _widths(table: Table, headings: tuple[Heading, ...], width: float) -> list[float]:
    """Return the widths of the columns in points: none narrower than the longest word of its heading, unless the page is too narrow."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    wished: list[float] = []
    least: list[float] = []
    long: list[int] = []
    for heading in headings:
        if heading.kind == "long":
            long.append(len(wished))
        least.append(max(stringWidth(word, _BOLD, _SIZE) for word in (heading.said.split() or [""])) + 2 * _PAD + 1)
        wished.append(max(_WIDTHS[heading.kind] + 2 * _PAD, least[-1]))
        if heading.name == table.bar:
            least.append(_BAR_WIDTH + 2 * _PAD)
            wished.append(least[-1])
    left = width - sum(wished)
    if left >= 0:
        return [one + left / len(long) if at in long else one for at, one in enumerate(wished)]
    if sum(least) >= width:
        return [one * width / sum(least) for one in least]
    given = (width - sum(least)) / (sum(wished) - sum(least))
    return [low + (high - low) * given for low, high in zip(least, wished, strict=True)]
