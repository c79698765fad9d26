"""Letters of a PDF: each in a font that has it, and no boxes for what no font has."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from retainstream.config import Settings
from retainstream.lib.workbook import Heading
from retainstream.services.reports import as_pdf
from retainstream.services.reports.documents import Document, small
from retainstream.services.reports.letters import lettered

OWN = frozenset(range(0x20, 0x250)) | {ord(letter) for letter in "אבגד"}
HEADINGS = (Heading("user_id", "id"), Heading("name", "text", "Name"), Heading("note", "long", "Note"))


def pdf(*rows: tuple[str, str, str], title: str = "List") -> PdfReader:
    out = io.BytesIO()
    document = Document(title, "Lead.", 0, (small("People", HEADINGS, rows),))
    as_pdf.write(document, out, Settings(time_zone="UTC", instance="/tmp"))
    return PdfReader(out)


def fonts(reader: PdfReader) -> set[str]:
    """Names of the fonts in use; those of East Asian letters stand one level deeper."""
    found = set()
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            found.add(str(font.get_object()["/BaseFont"]).split("-U")[0].lstrip("/"))
    return found


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("王小明", "STSong-Light"),
        ("臺灣龜", "STSong-Light"),
        ("田中さくら", "HeiseiKakuGo-W5"),
        ("김민준 金", "HYGothic-Medium"),
    ],
)
def test_east_asian_names_are_drawn_in_a_font_that_has_them(text: str, font: str) -> None:
    reader = pdf(("a", text, f"Plan of {text}"))
    assert any(font in one for one in fonts(reader)), fonts(reader)
    page = reader.pages[0].extract_text()
    assert text in page
    assert "[" not in page
    assert "a font of the program that shows this file" in " ".join(page.split())


def test_what_no_font_has_is_said_in_words_and_the_page_says_why() -> None:
    page = pdf(("a", "Ann 😀👍🏽", "ไทย & หัวใจ <b>")).pages[0].extract_text()
    assert "Ann [grinning face, thumbs up sign]" in " ".join(page.split())
    assert "[Thai]" in page and "<b>" in page
    assert "Square brackets name letters and signs" in page
    plain = pdf(("a", "Ann", "Żółć Ω Ж – “quoted” €")).pages[0].extract_text()
    assert "Square brackets" not in plain and "right to left" not in plain and "[" not in plain
    assert "written from right to left" in " ".join(pdf(("a", "שלום", "")).pages[0].extract_text().split())


def test_a_long_text_without_spaces_is_broken_inside_its_column() -> None:
    reader = pdf(("a", "漢字" * 60, "b"))
    rows: list[float] = []

    def place(text: str, _cm: object, tm: list[float], _font: object, _size: object) -> None:
        if "漢" in text:
            rows.append(tm[5])

    reader.pages[0].extract_text(visitor_text=place)
    assert len(set(rows)) > 3 or reader.pages[0].extract_text().count("\n") > 8


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("plain <b> & 1", "plain &lt;b&gt; &amp; 1"),
        ("Zoë", "Zoë"),
        ("a\u200db\ufe0f", "ab"),
        ("🙂🙂", "[slightly smiling face]"),
        ("ក\U000e0001", "[Khmer, language tag]"),
        ("\ud800", "[unknown sign]"),
        ("a漢<b", 'a<font name="STSong-Light">漢</font>&lt;b'),
    ],
)
def test_markup(text: str, markup: str) -> None:
    assert lettered(text, OWN).markup == markup


def test_what_is_told_of_a_text() -> None:
    assert lettered("漢", OWN).east_asian and not lettered("漢", OWN).told
    assert lettered("🙂", OWN).told and not lettered("🙂", OWN).east_asian
    assert lettered("אב", OWN).right_to_left and not lettered("ab", OWN).right_to_left
