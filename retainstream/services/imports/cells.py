"""What several readers of one chunk need to know of its text: worked out once for each chunk, and kept in its memo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from retainstream.lib.tabular import Chunk

Column = list[str | None]


def counts(chunk: Chunk, position: int) -> Counter[str | None]:
    """Return the different cells of a column with how often each occurs; do not change it."""
    found = chunk.memo.get(("counts", position))
    if not isinstance(found, Counter):
        found = chunk.memo["counts", position] = Counter(chunk.columns[position])
    return found


def different(chunk: Chunk, position: int) -> AbstractSet[str | None]:
    """Return the different cells of a column; quicker than `counts` unless these are there already."""
    found = chunk.memo.get(("counts", position))
    return found.keys() if isinstance(found, Counter) else set(chunk.columns[position])


def few_different(chunk: Chunk, position: int) -> bool:
    """Whether it is known already that a column has so few different cells that looking each of them up is the quickest way to read it."""
    found = chunk.memo.get(("counts", position))
    return isinstance(found, Counter) and len(found) * 4 < len(chunk)


def numbers(chunk: Chunk, position: int) -> np.ndarray | None:
    """Return what `plain_numbers` says of a column."""
    key = ("numbers", position)
    if key not in chunk.memo:
        chunk.memo[key] = plain_numbers(chunk.columns[position])
    found = chunk.memo[key]
    return found if isinstance(found, np.ndarray) else None


def row_hashes(chunk: Chunk) -> np.ndarray:
    """Return a 64-bit hash of each row's cells, int64 (n,): Python's own, which is stable within one process only."""
    found = chunk.memo.get("rows")
    if not isinstance(found, np.ndarray):
        rows = zip(*chunk.columns, strict=True)
        found = chunk.memo["rows"] = np.fromiter(map(hash, rows), dtype=np.int64, count=len(chunk))
    return found


def plain_numbers(column: Column) -> np.ndarray | None:
    """Read a column of plain numbers at once.

    Returns
    -------
    numpy.ndarray or None
        float64 (n,), NaN where a cell is empty or absent; None when any other cell is not a number as a program would write it.
    """
    gaps = column.count("") + column.count(None)
    filled: Sequence[str | None] = [text or "nan" for text in column] if gaps else column
    try:
        values = np.fromiter(map(float, filled), dtype=np.float64, count=len(column))  # type: ignore[arg-type]
    except ValueError:
        return None
    # float() also takes 1_000, infinity and digits of other scripts, which are no numbers in a file.
    if len(column) - int(np.count_nonzero(np.isfinite(values))) != gaps:
        return None
    joined = "".join(filled)  # type: ignore[arg-type]
    return values if joined.isascii() and "_" not in joined else None
