"""Reading files as tables: every dialect reads back the same, and what is no table is refused in one sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from retainstream.lib.tabular import Table, TableError, TableLimits, open_table
from retainstream.lib.tabular.header import is_totals_row
from retainstream.lib.tabular.unpacking import in_words

QUIET = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def write(folder: Path, content: bytes | str, name: str = "file.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(table: Table) -> list[list[str | None]]:
    return [list(row) for chunk in table.chunks() for row in zip(*chunk.columns, strict=True)]


def lines_of(table: Table) -> list[int]:
    return [line for chunk in table.chunks() for line in chunk.line_numbers]


def refusal(path: Path, limits: TableLimits | None = None) -> str:
    with pytest.raises(TableError) as caught:
        for _ in open_table(path, limits).chunks():
            pass
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


cell = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Cs")), max_size=12) | st.sampled_from(
    ['a"b', "a\nb", "x,y", "p;q", "1", "", "tab\tbed", "ü", "a|b"]
)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(2, 5))
    return [
        [f"r{index}", *draw(st.lists(cell, min_size=width - 1, max_size=width - 1))]
        for index in range(draw(st.integers(1, 8)))
    ]


@QUIET
@given(
    rows=tables(),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    packing=st.sampled_from(["plain", "gz", "zip"]),
)
def test_any_table_in_any_dialect_reads_back_the_same(
    tmp_path: Path, rows: list[list[str]], delimiter: str, quoting: int, encoding: str, end: str, packing: str
) -> None:
    header = [f"head {name}" for name in "abcdef"[: len(rows[0])]]
    text = io.StringIO(newline="")
    if end == "\r":  # Python's writer leaves a line feed unquoted there: such a file can't be read by anybody
        quoting = csv.QUOTE_ALL
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows([header, *rows])  # type: ignore[arg-type]
    data = text.getvalue().encode(encoding)
    if encoding == "cp1252":
        try:  # bytes that are UTF-8 by chance are rightly read as UTF-8
            data.decode("utf-8")
            assume(text.getvalue().isascii())
        except UnicodeDecodeError:
            pass
    if packing == "gz":
        data = gzip.compress(data)
    elif packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("inside.csv", data)
        data = buffer.getvalue()
    table = open_table(write(tmp_path, data))
    assert table.columns == header
    assert rows_of(table) == rows
    assert table.compressed is (packing != "plain")
    assert all(not chunk.ragged for chunk in table.chunks())


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(str.encode),
        st.text('a1,;"\n\r {}[]:', max_size=200).map(str.encode),
        st.binary(max_size=60).map(lambda tail: b"\x1f\x8b\x08\x00" + tail),
        st.binary(max_size=60).map(lambda tail: b"PK\x03\x04" + tail),
        st.binary(max_size=60).map(lambda tail: b"\xff\xfe" + tail),
    )
)
def test_arbitrary_bytes_are_a_table_or_a_table_error(tmp_path: Path, data: bytes) -> None:
    with suppress(TableError):
        table = open_table(write(tmp_path, data, "file.bin"))
        for chunk in table.chunks():
            assert all(len(column) == len(chunk) for column in chunk.columns)


@settings(QUIET, max_examples=40)
@given(st.binary(max_size=300), st.integers(0, 1000))
def test_a_damaged_workbook_is_a_table_error_or_a_table(tmp_path: Path, noise: bytes, at: int) -> None:
    data = bytearray(workbook(tmp_path).read_bytes())
    start = at * len(data) // 1001
    data[start : start + len(noise)] = noise
    with suppress(TableError):
        list(open_table(write(tmp_path, bytes(data), "damaged.xlsx")).chunks())


def workbook(folder: Path) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Empty"
    sheet = book.create_sheet("Data")
    sheet.append(["id", "joined", "fee", "active"])
    sheet.append(["007", date(2024, 3, 31), 12.5, True])
    sheet.append(["008", date(2024, 4, 1), 12, None])
    path = folder / "book.xlsx"
    book.save(path)
    return path


def test_a_workbook_gives_the_first_sheet_with_data(tmp_path: Path) -> None:
    table = open_table(workbook(tmp_path))
    assert (table.format, table.columns) == ("xlsx", ["id", "joined", "fee", "active"])
    assert rows_of(table) == [["007", "2024-03-31", "12.5", "true"], ["008", "2024-04-01", "12", None]]
    assert lines_of(table) == [2, 3]


def test_line_numbers_are_where_records_start(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, 'id,note\r\n1,"two\r\nlines"\r\n\r\n2,short\r\n3,"a\nb\nc"\r\n4,last'))
    assert lines_of(table) == [2, 5, 6, 9]


def test_runs_of_spaces_separate(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, " id  day number\r\n 00001 19970101  1\r\n 00002 19970112 12\r\n"))
    assert (table.delimiter, table.columns) == (" ", ["id", "day", "number"])
    assert rows_of(table) == [["00001", "19970101", "1"], ["00002", "19970112", "12"]]


def test_names_are_tidied_and_made_unique(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "Call  Failure, Age ,,Age\n1,2,3,4\n"))
    assert table.columns == ["Call Failure", "Age", "column_3", "Age (2)"]
    assert table.original_columns == ["Call  Failure", " Age ", "", "Age"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("1,2\n3,4\n", False),
        ("A1,x,3\nA2,y,4\nA3,x,5\n", False),
        ("id,x,y\nA2,y,4\nA3,x,5\n", True),
        ("name,2019,2020\nx,5,6\ny,7,8\n", False),
        ("yes,Berlin\nno,Paris\nyes,Paris\nno,Berlin\n", False),
    ],
)
def test_a_file_without_header_gets_numbered_columns(tmp_path: Path, text: str, header: bool) -> None:
    table = open_table(write(tmp_path, text))
    assert table.has_header is header
    assert header or table.columns[0] == "column_1"
    assert len(rows_of(table)) == text.count("\n") - header


def test_rows_that_are_no_data_are_left_out_and_told(tmp_path: Path) -> None:
    body = "".join(f"C{i},{i},{i * 2}\n" for i in range(1, 9))
    text = f"Report of March,,\nid,calls,fee\nkey,number of calls,euros per month\n{body}id,calls,fee\nTotal,36,72\n"
    table = open_table(write(tmp_path, text))
    assert rows_of(table) == [[f"C{i}", str(i), str(i * 2)] for i in range(1, 9)]
    assert {(row.kind, row.line) for row in table.left_out} == {
        ("title", 1), ("description", 3), ("repeated_header", 12), ("totals", 13),
    }  # fmt: skip
    assert rows_of(table) == rows_of(table)
    assert len(table.left_out) == 4


def test_ragged_rows_keep_their_line_and_cells(tmp_path: Path) -> None:
    chunk = next(open_table(write(tmp_path, "a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,1,1\n")).chunks())
    assert [(row.line, row.expected, row.found, row.cells) for row in chunk.ragged] == [
        (3, 3, 2, ["4", "5"]),
        (4, 3, 4, ["6", "7", "8", "9"]),
    ]
    assert chunk.line_numbers == [2, 5]


def test_json_lines_keep_numbers_as_text_and_flatten_once(tmp_path: Path) -> None:
    text = '{"id":007.0}\n{"id":17850.0,"plan":{"name":"pro","n":1},"ok":true}\n\n{"id":"x","late":null,"tags":[1]}\n'
    table = open_table(write(tmp_path, text, "x.jsonl"))
    assert table.columns == ["id", "plan.name", "plan.n", "ok", "late", "tags"]
    chunk = next(table.chunks())
    assert [(row.line, row.problem) for row in chunk.ragged] == [(1, "not_json")]
    assert rows_of(table) == [["17850.0", "pro", "1", "true", None, None], ["x", None, None, None, None, '["1"]']]
    assert chunk.line_numbers == [2, 4]


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=8), min_size=1), min_size=1, max_size=6),
    st.integers(0, 2),
)
@QUIET
def test_a_json_list_and_json_lines_say_the_same(tmp_path: Path, objects: list[dict[str, str]], indent: int) -> None:
    assume(not is_totals_row(list(objects[-1].values())))
    as_list = open_table(write(tmp_path, json.dumps(objects, indent=indent or None), "list.json"))
    as_lines = open_table(write(tmp_path, "\n".join(map(json.dumps, objects)), "lines.json"))
    assert rows_of(as_list) == rows_of(as_lines)
    assert [
        {k: v for k, v in zip(as_list.columns, row, strict=True) if v is not None} for row in rows_of(as_list)
    ] == objects


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (b"a,b,c\n", "no row"),
        (b"<!DOCTYPE html>\n<html><body>hello", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "LFS"),
        (b"\x89PNG\r\n\x1a\n123", "PNG"),
        (b"SQLite format 3\x00abc", "SQLite"),
        (b"PAR1abc", "Parquet"),
        (b"%PDF-1.4", "PDF"),
        (bytes(range(256)) * 20, "binary"),
        (gzip.compress(b"a,b\n1,2\n" * 5000, mtime=0)[:60], "cut off"),
        (b'{"a": 1,\n "b": 2}\n', "JSON"),
        (b"[1, 2, 3]", "values"),
        (b'[{"a": 1}, {"a": 2', "cut off"),
        (b'id,note\n1,"never closed\n2,x\n', "never closed"),
        (
            b"Once upon a time, there was a table\nthat was none at all and so\non; and on, and on, and on\n",
            "not a table",
        ),
    ],
)
def test_what_is_no_table_gets_one_sentence(tmp_path: Path, content: bytes, part: str) -> None:
    assert part in refusal(write(tmp_path, content, "file.json"))


def test_archives_hold_exactly_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
        archive.writestr("b.csv", "a,b\n1,2\n")
    assert "2 files" in refusal(path)


@pytest.mark.parametrize("packing", ["gz", "zip"])
def test_a_bomb_is_stopped_while_unpacking(tmp_path: Path, packing: str) -> None:
    data = b"a,b\n" + b"1,2\n" * 200_000
    path = tmp_path / f"bomb.{packing}"
    if packing == "gz":
        path.write_bytes(gzip.compress(data))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", data)
    assert "Unpacked" in refusal(path, TableLimits(max_unpacked_bytes=100_000))


@pytest.mark.parametrize(
    ("limits", "part"),
    [
        (TableLimits(max_bytes=10), "larger than"),
        (TableLimits(max_columns=2), "more than 2 columns."),
        (TableLimits(max_columns=2, columns_hint=", so HERE"), "more than 2 columns, so HERE."),
        (TableLimits(max_cell_length=20, cell_hint=", so HERE"), "more than 20 characters, so HERE."),
        (TableLimits(max_cell_length=20), "cell of more than 20 characters"),
        (TableLimits(max_rows=2), "more than 2 rows"),
    ],
)
def test_limits_are_kept(tmp_path: Path, limits: TableLimits, part: str) -> None:
    path = write(tmp_path, "a,b,c\n1,2,3\n1,2,3\n1," + "x" * 30 + ",3\n")
    assert part in refusal(path, limits)


def test_limits_are_told_in_whole_units() -> None:
    assert in_words(2_000 << 20) == "2,000 MB"
    assert in_words(2 << 30) == "2 GB"
    assert in_words(10) == "10 bytes"


def test_a_guessed_encoding_is_said(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "id,name\n1,Müller\n".encode("cp1252")))
    assert (table.encoding, table.encoding_guessed, rows_of(table)) == ("cp1252", True, [["1", "Müller"]])
