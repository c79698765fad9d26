"""Pages of a list, and opaque cursors: the sort key of the last row of a page, so that a list stays stable under inserts."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list: at most `limit` items, after a cursor or after so many rows."""

    limit: int = 50
    cursor: str | None = None
    offset: int = 0


FIRST_PAGE = PageRequest()


@dataclass(frozen=True)
class Page:
    """One page of a list: `items`, the cursor of the next page (None at the end) and the count of the whole list."""

    items: list[dict[str, object]]
    next_cursor: str | None
    total: int

    def to_dict(self) -> dict[str, object]:
        """Return the API's form of the page."""
        return {"items": self.items, "next_cursor": self.next_cursor, "total": self.total}


def encode_cursor(sort: str, key: list[Scalar]) -> str:
    """Return an opaque text for the sort's name and the last row's key."""
    return base64.urlsafe_b64encode(json.dumps([sort, key]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: str, length: int) -> list[Scalar]:
    """Return the key in a cursor.

    Raises
    ------
    ValueError
        When the text is no cursor, belongs to another sort, or does not have `length` scalars.
    """
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, UnicodeError, RecursionError) as bad:
        raise ValueError("not a cursor of this list") from bad
    if not (
        isinstance(value, list)
        and len(value) == 2
        and value[0] == sort
        and isinstance(value[1], list)
        and len(value[1]) == length
    ):
        raise ValueError("a cursor of another list or sort order")
    if not all(_storable(item) for item in value[1]):
        raise ValueError("not a cursor of this list")
    return value[1]


def decode_last_id(cursor: str, sort: str) -> int:
    """Return the last row's id in the cursor of a list that is sorted by id alone; raises ValueError as `decode_cursor`, and for what is no id."""
    (last,) = decode_cursor(cursor, sort, 1)
    return whole_id(last)


def whole_id(item: Scalar) -> int:
    """Return a part of a cursor's key as a row id; raises ValueError for anything else."""
    if isinstance(item, bool) or not isinstance(item, int) or item < 0:
        raise ValueError("not a cursor of this list")
    return item


def number(item: Scalar) -> float:
    """Return a part of a cursor's key as a number; raises ValueError for anything else."""
    if isinstance(item, int | float):
        return float(item)
    raise ValueError("not a cursor of this list")


def _storable(item: object) -> bool:
    """Tell whether a value can be compared with a column: a cursor is what anybody may send."""
    if isinstance(item, int):
        return -(2**63) <= item < 2**63
    if isinstance(item, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in item)
    return item is None or (isinstance(item, float) and math.isfinite(item))
