"""The forms of a report, opened by readers that are not ours: openpyxl, pypdf, and a parser of HTML that would see a script."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from pypdf import PdfReader
from sqlalchemy import update

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.lib.workbook import Heading, Workbook
from retainstream.models import Customer, Identity
from retainstream.services import revisions
from retainstream.services.reports import as_html, as_pdf, formats
from retainstream.services.reports.documents import Document, Rows, Table, small
from tests.services.reports.conftest import Make

HEADINGS = (
    Heading("user_id", "id"),
    Heading("note", "text", "Note"),
    Heading("share", "share"),
    Heading("price", "money"),
    Heading("seen", "moment"),
    Heading("left", "flag"),
    Heading("count", "whole"),
)
SEEN = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
ROWS = [
    ["00012", "=SUM(A1:A9)", 0.125, Decimal("19.99"), SEEN, True, 1200],
    ["123456789012345678901", "<script>alert(1)</script> & Żółć Ω Ж", -0.5, Decimal("-3.50"), None, False, 10**18],
    ["@evil", "+49 170 1", float("nan"), None, datetime(1850, 1, 1, tzinfo=UTC), None, None],
]
BERLIN = Settings(time_zone="Europe/Berlin", instance="/tmp")


def workbook(rows: list[list[object]]) -> list[tuple[object, ...]]:
    out = io.BytesIO()
    with Workbook(out, time_zone="Europe/Berlin") as book:
        assert book.add("A/B: [list]", HEADINGS, rows) == len(rows)
    return list(openpyxl.load_workbook(out).active.iter_rows(values_only=True))


def test_a_workbook_has_numbers_dates_and_texts_as_what_they_are() -> None:
    header, first, second, third = workbook(ROWS)
    assert header == tuple(heading.name for heading in HEADINGS)
    berlin = SEEN.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)
    assert first == ("00012", "=SUM(A1:A9)", 0.125, 19.99, berlin, True, 1200)
    assert second[0] == "123456789012345678901" and second[6] == str(10**18), "no digit of a long number is lost"
    assert third == ("@evil", "+49 170 1", "nan", None, "1850-01-01T00:00:00+00:00", None, None)


def test_nothing_in_a_workbook_is_a_formula_and_its_header_stays_in_sight() -> None:
    out = io.BytesIO()
    with Workbook(out, time_zone="UTC") as book:
        book.add("One", HEADINGS, ROWS)
        book.add("one", HEADINGS, ROWS)
    read = openpyxl.load_workbook(out)
    assert read.sheetnames == ["One", "one 2"]
    for sheet in read:
        assert sheet.freeze_panes == "A2" and sheet.column_dimensions["B"].width > 20
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"s", "n", "b", "d", "inlineStr"}
        assert sheet["B2"].quotePrefix and sheet["A2"].number_format == "@" and sheet["C2"].number_format == "0.0%"


def test_a_long_table_goes_on_in_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retainstream.lib.workbook.MOST_ROWS", 3)
    out = io.BytesIO()
    with Workbook(out, time_zone="UTC") as book:
        assert book.add("List", (Heading("n", "whole"),), ([n] for n in range(7))) == 7
    read = openpyxl.load_workbook(out)
    found = [[cell.value for cell in sheet["A"]] for sheet in read]
    assert found == [["n", 0, 1, 2], ["n", 3, 4, 5], ["n", 6]]


def document(*tables: Table) -> Document:
    return Document("A <title> & more", "Lead: “what” it is.", 0, tables)


def written(form: str, *tables: Table) -> tuple[bytes, int]:
    out = io.BytesIO()
    rows = formats.FORMATS[form].write(document(*tables), out, BERLIN)
    return out.getvalue(), rows


def test_html_holds_no_script_and_fetches_nothing() -> None:
    content, rows = written("html", small("List", HEADINGS, ROWS))
    text = content.decode()
    assert rows == 3 and "<script" not in text and "&lt;script&gt;" in text and "A &lt;title&gt; &amp; more" in text
    assert not re.search(r"\s(src|href)=|url\(", text) and as_html.POLICY in text and "@page" in text
    for shown in ("12.5%", "19.99", "2 Jul 2026, 00:30", "yes", "1,200", "00012", "−50.0%", "1 Jan 1970, 01:00"):
        assert shown in text


def test_pdf_has_the_words_and_the_letters_of_many_languages() -> None:
    content, rows = written("pdf", small("List", HEADINGS, ROWS, bar="count", note="A note."))
    reader = PdfReader(io.BytesIO(content))
    text = reader.pages[0].extract_text()
    assert rows == 3 and reader.metadata.title == "A <title> & more"
    for shown in ("A <title> & more", "“what”", "Żółć Ω Ж", "12.5%", "00012", "A note.", "Page 1", "Europe/Berlin"):
        assert shown in text, shown
    fonts = {str(font["/BaseFont"]) for font in (one.get_object() for one in reader.pages[0]["/Resources"]["/Font"].values())}  # fmt: skip
    assert any("DejaVu" in name for name in fonts)


@pytest.mark.parametrize(("form", "module", "word"), [("html", as_html, "HTML"), ("pdf", as_pdf, "PDF")])
def test_forms_for_people_show_the_first_rows_and_say_so(
    form: str, module: object, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 60)

    def blocks() -> Iterator[Rows]:
        yield [[f"row-{n}"] for n in range(50)]
        yield [[f"row-{n}"] for n in range(50, 100)]

    content, rows = written(form, Table("List", (Heading("user_id", "id"),), blocks(), 100))
    pages = PdfReader(io.BytesIO(content)).pages if form == "pdf" else []
    text = "\n".join(page.extract_text() for page in pages) or content.decode()
    assert rows == 60 and "row-59" in text and "row-60" not in text
    assert f"The first 60 of 100: a report as {word} shows no more." in text.replace("\n", " ")
    if form == "pdf":
        assert len(pages) > 1 and all("user_id" in page.extract_text() for page in pages), "its header is on each page"


@pytest.mark.parametrize("form", ["html", "pdf", "csv", "xlsx"])
def test_every_form_takes_an_empty_list_and_several_tables(form: str) -> None:
    assert written(form, small("List", HEADINGS, []))[1] == 0
    assert written(form, small("One", HEADINGS, ROWS), small("Two", HEADINGS, []))[1] == 3


def test_csv_guards_its_cells_and_parts_its_tables() -> None:
    content, _ = written("csv", small("One", HEADINGS, ROWS), small("Two", HEADINGS[:1], [["x"]]))
    lines = list(csv.reader(io.StringIO(content.decode())))
    assert lines[0] == ["One"] and lines[2][1] == "'=SUM(A1:A9)" and lines[2][4] == "2026-07-01T22:30:00Z"
    assert lines[4][0] == "'@evil" and lines[5:] == [[], ["Two"], ["user_id"], ["x"]]


@pytest.mark.parametrize("subject", ["customers", "home", "model"])
@pytest.mark.parametrize("form", ["html", "pdf", "csv", "xlsx"])
def test_every_subject_is_made_in_every_form(make: Make, subject: str, form: str) -> None:
    with unit_of_work() as session:
        session.execute(update(Identity).where(Identity.customer_id == 1).values(user_id="=1+1"))
        session.execute(update(Customer).where(Customer.id == 2).values(plan="<i>Żółty</i>"))
        revisions.bump(session, "customers")
    result, path = make(subject, form)
    assert result["n_rows"] == {"customers": 48, "home": 28, "model": 4}[subject]
    said = _said(path)
    if subject == "customers":
        assert "=1+1" in said and "<i>Żółty</i>" in said
    else:
        assert "Watch time" in said


def _said(path: Path) -> str:
    if path.suffix == ".pdf":
        return "\n".join(page.extract_text() for page in PdfReader(path).pages)
    if path.suffix == ".xlsx":
        cells = (cell for sheet in openpyxl.load_workbook(path) for row in sheet.iter_rows() for cell in row)
        return "\n".join(str(cell.value) for cell in cells)
    return path.read_text().replace("&lt;", "<").replace("&gt;", ">")
