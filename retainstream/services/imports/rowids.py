"""Identifiers for the rows of a file that has none: from the row's content and how often that content came before.

The same file gives the same identifiers whenever it is loaded, and in whatever order its rows and columns stand; a repeated row
is kept, because in an experiment without identifiers it is a second customer and not a mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

PREFIX = "row-"
_DIGEST_BYTES = 10
_SEPARATOR = "\x1f"
_ABSENT = "\x00"


class RowIds:
    """Makes identifiers for one file, chunk after chunk.

    Parameters
    ----------
    names : sequence of str
        The file's columns.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._order = sorted(range(len(names)), key=lambda index: names[index])
        self._seen: dict[bytes, int] = {}

    def make(self, columns: Sequence[Sequence[str | None]]) -> list[str]:
        """Return one identifier per row.

        Parameters
        ----------
        columns : sequence of sequences of (str or None)
            All columns in the file's order, all of the same length, text as in the file.

        Returns
        -------
        list of str
            ``row-`` and 20 hexadecimal digits; from the second occurrence on followed by ``-2``, ``-3`` and so on.
        """
        seen, result = self._seen, []
        for row in zip(*(columns[index] for index in self._order), strict=True):
            try:
                content = _SEPARATOR.join(row)
            except TypeError:
                content = _SEPARATOR.join(_ABSENT if cell is None else cell for cell in row)
            digest = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
            count = seen.get(digest, 0) + 1
            seen[digest] = count
            result.append(f"{PREFIX}{digest.hex()}" if count == 1 else f"{PREFIX}{digest.hex()}-{count}")
        return result
