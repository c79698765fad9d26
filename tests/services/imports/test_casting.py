"""Casting: typed columns, identifiers as they are, errors by row, and bad rows given back."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.services.imports.badrows import BadRow, RowError, bad_rows_csv
from retainstream.services.imports.casting import NO_DATE, NO_LABEL
from retainstream.services.imports.mapping import ColumnMapping, Mapping
from retainstream.services.imports.rowids import RowIds
from retainstream.services.imports.values import parse_date, parse_number
from tests.services.imports.tables import cast_all, table_of

ID = ColumnMapping("id", "identifier", "id")
NUMBER = ColumnMapping("n", "feature", "n", kind="number", feature=True)


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("12.5", ".", 12.5), (" -3 ", ".", -3), ("1,234.50", ".", 1234.5), ("1.234,50", ",", 1234.5), ("$1,000", ".", 1000),
        ("12,5 €", ",", 12.5), ("(12.50)", ".", -12.5), ("12%", ".", 12), ("1'234", ".", 1234), ("1 234,5", ",", 1234.5),
        ("-$5", ".", -5), (".5", ".", 0.5), ("1e3", ".", 1000), ("1,5", ".", None), ("12,34.5", ".", None), ("1_000", ".", None),
        ("inf", ".", None), ("1e999", ".", None), ("abc", ".", None), ("", ".", None), ("1.2.3", ".", None), ("٣", ".", None),
        ("--5", ".", None), ("12.5", ",", None),
    ],
)  # fmt: skip
def test_numbers_in_the_notations_people_use(text: str, decimal: str, value: float | None) -> None:
    assert parse_number(text, decimal) == value  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12), st.booleans())
def test_any_formatted_number_reads_back(value: float, comma: bool) -> None:
    text = f"{value:,.3f}"
    if comma:
        text = text.translate(str.maketrans(",.", ".,"))
    assert parse_number(text, "," if comma else ".") == pytest.approx(round(value, 3), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "form", "iso"),
    [
        ("2024-03-31", "iso", "2024-03-31"), ("2024-03-31T00:00:00+00:00", "iso", "2024-03-31"), ("31/3/24", "dmy", "2024-03-31"),
        ("3/31/2024 12:00 AM", "mdy", "2024-03-31"), ("20240331", "yyyymmdd", "2024-03-31"), ("1711843200", "unix_s", "2024-03-31"),
        ("30/02/2024", "dmy", None), ("2024-3-31", "iso", None), ("0024-03-31", "iso", None), ("99999999999999", "unix_s", None),
    ],
)  # fmt: skip
def test_dates(text: str, form: str, iso: str | None) -> None:
    expected = None if iso is None else int(np.datetime64(iso, "us").astype(np.int64))
    assert parse_date(text, form) == expected


def test_typed_columns_with_missing_values(tmp_path: Path) -> None:
    mapping = Mapping(
        (
            ID,
            NUMBER,
            ColumnMapping("b", "feature", "b", kind="boolean", feature=True),
            ColumnMapping("c", "feature", "c", kind="category", feature=True),
            ColumnMapping("d", "date", "d", kind="date", format="dmy"),
            ColumnMapping("left", "label", "left", kind="category", churned_values=("Yes",), kept_values=("No",)),
        )
    )
    rows = [
        ["001", "1.5", "Yes", " red ", "31/03/2024", "yes"],
        ["002", "NA", "-", "", "?", " "],
        ["003", "2", "f", "red", "", "NO"],
    ]
    (chunk,) = cast_all(table_of(tmp_path, ["id", "n", "b", "c", "d", "left"], rows), mapping)
    assert chunk.ids == ["001", "002", "003"]
    np.testing.assert_array_equal(chunk.columns["n"].values, [1.5, np.nan, 2])
    np.testing.assert_array_equal(chunk.columns["b"].values, [1, np.nan, 0])
    assert chunk.columns["c"].values == ["red", None, "red"]
    assert list(chunk.columns["d"].values) == [parse_date("31/03/2024", "dmy"), NO_DATE, NO_DATE]
    assert chunk.label is not None
    assert list(chunk.label.values) == [1, NO_LABEL, 0]
    assert chunk.errors == []


def test_errors_name_line_column_value_and_what_was_expected(tmp_path: Path) -> None:
    mapping = Mapping(
        (
            ID,
            NUMBER,
            ColumnMapping("w", "feature", "w", kind="integer", feature=True),
            ColumnMapping("left", "label", "left", kind="category", churned_values=("1",), kept_values=("0",)),
        )
    )
    rows = [
        ["a", "1", "1", "0"], ["b", "1" + "x" * 200, "1", "0"], ["c", "1", "1.5", "0"], ["", "1", "1", "0"],
        ["e", "1", "1", "maybe"], ["a", "2", "1", "0"], ["a", "1", "1", "0"], ["g", "1"], ["h", "y", "z", "1"],
    ]  # fmt: skip
    (chunk,) = cast_all(table_of(tmp_path, ["id", "n", "w", "left"], rows), mapping)
    assert chunk.ids == ["a"]
    assert chunk.exact_duplicates == 1
    assert [(error.line, error.column, error.code) for error in chunk.errors] == [
        (3, "n", "not_a_number"), (4, "w", "not_whole"), (5, "id", "missing_identifier"), (6, "left", "unknown_label"),
        (7, "id", "duplicate_identifier"), (9, None, "wrong_cell_count"), (10, "n", "not_a_number"), (10, "w", "not_a_number"),
    ]  # fmt: skip
    assert len(chunk.errors[0].value or "") == 80
    assert chunk.errors[0].expected == "a number such as 12.5"


def test_repeats_are_met_across_chunks(tmp_path: Path) -> None:
    rows = [["a", 1], ["b", 1], ["a", 1], ["b", 2], ["c", 1]]
    chunks = cast_all(table_of(tmp_path, ["id", "n"], rows), Mapping((ID, NUMBER)), rows=1)
    assert [text for chunk in chunks for text in chunk.ids] == ["a", "b", "c"]
    assert sum(chunk.exact_duplicates for chunk in chunks) == 1
    assert [error.line for chunk in chunks for error in chunk.errors] == [5]


def test_identifiers_that_were_written_as_decimals(tmp_path: Path) -> None:
    mapping = Mapping((ColumnMapping("id", "identifier", "id", format="drop_point_zero"), NUMBER))
    (chunk,) = cast_all(table_of(tmp_path, ["id", "n"], [["17850.0", 1], ["007", 2]]), mapping)
    assert chunk.ids == ["17850", "007"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "x", "x\x1fy", "y"]), st.sampled_from(["1", "", None])), max_size=12),
    st.integers(1, 12),
)
def test_made_ids_depend_only_on_content_and_occurrence(rows: list[tuple[str, str | None]], size: int) -> None:
    whole = RowIds(["a", "b"]).make(list(zip(*rows, strict=True)) or [[], []])
    maker = RowIds(["a", "b"])
    pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
    assert [text for piece in pieces for text in maker.make(list(zip(*piece, strict=True)))] == whole
    assert len(set(whole)) == len(rows)
    shuffled = random.Random(3).sample(rows, len(rows))
    swapped = [(second, first) for first, second in shuffled]
    assert sorted(RowIds(["b", "a"]).make(list(zip(*swapped, strict=True)) or [[], []])) == sorted(whole)


def test_bad_rows_come_back_as_csv_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    rows = [
        ["a", "=1+1", "-12.5"],
        ["b", "@x", "+5"],
        ["c", "-1+2", "y"],
        ["d", "ok"],
        ["e", "1", "z", "=2", None, "a,b"],
    ]
    mapping = Mapping((ID, NUMBER, ColumnMapping("m", "ignored", "m")))
    (chunk,) = cast_all(table_of(tmp_path, ["id", "n", "m"], rows), mapping)
    stream = io.StringIO(newline="")
    assert bad_rows_csv(stream, ["id", "n", "m"], chunk.bad_rows) == 5
    header, *written = list(csv.reader(io.StringIO(stream.getvalue())))
    assert header == ["id", "n", "m", "retainstream_line", "retainstream_reason", "retainstream_surplus"]
    assert [row[:4] for row in written] == [
        ["a", "'=1+1", "-12.5", "2"], ["b", "'@x", "+5", "3"], ["c", "'-1+2", "y", "4"], ["d", "ok", "", "5"],
        ["e", "1", "z", "6"],
    ]  # fmt: skip
    assert "a number such as 12.5" in written[0][4]
    assert "3 cells" in written[3][4]
    assert [row[5] for row in written] == ["", "", "", "", '\'=2,,"a,b"']


def test_bad_rows_of_a_mended_file_have_the_added_columns_once() -> None:
    row = BadRow(7, ["a", "3", "told before", "left over", "5", "beyond"], (RowError(7, "n", "5", "more", "code"),))
    stream = io.StringIO(newline="")
    bad_rows_csv(stream, ["id", "retainstream_line", "retainstream_reason", "retainstream_surplus", "n"], [row])
    header, written = list(csv.reader(io.StringIO(stream.getvalue())))
    assert header == ["id", "n", "retainstream_line", "retainstream_reason", "retainstream_surplus"]
    assert written == ["a", "5", "7", "n: expected more, found '5'", "beyond"]


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",)), max_size=12), min_size=1, max_size=3))
def test_no_guarded_cell_starts_like_a_formula(cells: list[str]) -> None:
    from retainstream.services.imports.badrows import guarded

    for cell in cells:
        shown = guarded(cell)
        assert not shown.startswith(("=", "@", "\t")) or not shown
        assert not shown.startswith(("+", "-")) or shown[1:2].isdigit()
