"""Blocks of lines that are split at once give exactly what the record-by-record parser gives: cells, line numbers, ragged rows and refusals."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.lib.tabular import TableError, TableLimits, blocks, open_table
from retainstream.lib.tabular.blocks import read_blocks
from retainstream.lib.tabular.contracts import Block, Record
from retainstream.lib.tabular.delimited import read_delimited
from retainstream.lib.tabular.unpacking import Source

CELLS = st.sampled_from(
    ["", "1", "2.5", "x", "é", " y ", '"q"', '"a,b"', '"two\nlines"', '"two\r\nlines"', 'o"dd', '""', "…" * 9]
)
LINES = st.lists(CELLS, min_size=1, max_size=4).map(",".join)
EVEN = st.lists(st.sampled_from(["", "1", "ab", "é"]), min_size=3, max_size=3).map(",".join)
BROKEN = st.sampled_from(["", ",,", '"open', "z" * 60, "a\rb,c,d", "\x00,1,2"])
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])
TEXTS = st.lists(st.tuples(st.one_of(EVEN, EVEN, LINES, BROKEN), ENDS), min_size=1, max_size=40).map(
    lambda lines: "".join(line + end for line, end in lines)
)


def outcome(records: object) -> tuple[list[Record], str | None]:
    """Return the records one by one, and the refusal at their end."""
    found: list[Record] = []
    try:
        for piece in records:  # type: ignore[attr-defined]
            found.extend(piece.records() if isinstance(piece, Block) else piece if isinstance(piece, list) else [piece])
    except TableError as error:
        return found, str(error)
    return found, None


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    size=st.sampled_from([8, 64, 1 << 16]),
    cut=st.booleans(),
    skip=st.frozensets(st.integers(1, 6), max_size=2),
)
def test_blocks_are_what_the_exact_parser_reads(
    text: str, encoding: str, size: int, cut: bool, skip: frozenset[int]
) -> None:
    limits = TableLimits(max_cell_length=50)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "table.csv"
        path.write_bytes((text[:-1] if cut else text).encode(encoding) or b"x")
        patch.setattr(blocks, "_BLOCK_BYTES", size)
        try:
            source = Source(path, limits)
        except TableError:
            return
        exact, refusal = outcome(read_delimited(source, encoding, ",", limits))
        quick, quick_refusal = outcome(read_blocks(source, encoding, ",", limits, 3, skip))
    expected = [record for record in exact if record[0] not in skip]
    assert quick_refusal == refusal
    if refusal is None:
        assert quick == expected
    else:
        assert quick == expected[: len(quick)]  # what stands in the list that was being filled is not handed out


def test_even_blocks_take_the_quick_way_and_odd_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\r\n1,2\r\n" * 5 + '3,"4\n"\n5,6\n' * 5)
    source = Source(path, TableLimits())
    kinds = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_BYTES", 16)
        for piece in read_blocks(source, "utf-8", ",", TableLimits(), 2, frozenset()):
            kinds.add(type(piece))
    assert kinds == {Block, list}


def test_the_head_of_a_table_is_its_first_records_however_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n" + "".join(f"{number},x\n" for number in range(90)) + "1,2,3\n" + "9,y\n" * 9)
    table = open_table(path)
    chunks = list(table.head(91).chunks(40))
    assert [len(chunk) for chunk in chunks] == [40, 40, 10]
    assert [row.line for chunk in chunks for row in chunk.ragged] == [92]
    assert chunks[0].line_numbers[0] == 2 and sum(len(chunk) for chunk in table.chunks(7)) == 99
