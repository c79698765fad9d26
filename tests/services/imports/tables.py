"""Writing small tables for the importer's tests, and finding the real ones."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from retainstream.lib.tabular import Table, open_table
from retainstream.services.imports.casting import CastChunk, Caster
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.profile import TableProfile, profile_table

BESIDE = Path(__file__).resolve().parents[4] / "shared" / "data"


def table_of(folder: Path, header: Sequence[str], rows: Iterable[Sequence[object]], name: str = "file.csv") -> Table:
    """Write a CSV and open it."""
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(header)
        writer.writerows(rows)
    return open_table(path)


def profile_of(folder: Path, **columns: Sequence[object]) -> TableProfile:
    """Profile a table given column by column."""
    return profile_table(table_of(folder, list(columns), zip(*columns.values(), strict=True)))


def cast_all(table: Table, mapping: Mapping, rows: int = 5000) -> list[CastChunk]:
    """Cast a whole table."""
    caster = Caster(mapping, table.columns)
    return [caster.cast(chunk) for chunk in table.chunks(rows)]


def real(name: str) -> Path:
    """Return a public data set, or skip the test."""
    path = Path(os.environ.get("RETAINSTREAM_TEST_DATA", BESIDE)) / name
    if not path.exists():
        pytest.skip(f"the public data set {name} is not here (set RETAINSTREAM_TEST_DATA)")
    return path
