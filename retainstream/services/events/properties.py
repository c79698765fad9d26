"""Columns of a file as the properties of its events: canonical JSON, made from each different cell once."""

from __future__ import annotations

import json
from collections.abc import Sequence

from retainstream.services.events.mapping import EventColumn, property_name
from retainstream.services.events.rows import LARGEST_PROPERTIES
from retainstream.services.imports.values import Blanks, Decimal, parse_boolean, parse_number

_REMEMBERED = 50_000
_SURELY_SMALL = LARGEST_PROPERTIES // 4  # characters of at most four bytes each


class PropertyReader:
    """Puts the cells of several columns together, as `rows.canonical` would.

    Parameters
    ----------
    columns : sequence of EventColumn
        In the order of their names as properties.
    unsigned : set of str
        Properties whose sign is told by the kind of the event, such as the quantity of a refund.
    """

    def __init__(self, columns: Sequence[EventColumn], blank: Blanks, unsigned: frozenset[str] = frozenset()) -> None:
        self._fragments = [_Fragments(column, blank, property_name(column) in unsigned) for column in columns]

    def read(self, columns: Sequence[Sequence[str | None]]) -> list[str | None]:
        """Return the properties of each row, None for a row that has none.

        Parameters
        ----------
        columns : sequence of sequences of (str or None)
            The cells of each column, in the order given at the start; all n long.
        """
        if not columns:
            return []
        made = [fragments.read(column) for fragments, column in zip(self._fragments, columns, strict=True)]
        if len(made) == 1:
            return [f"{{{text}}}" if text else None for text in made[0]]
        return [f"{{{','.join(filter(None, row))}}}" if any(row) else None for row in zip(*made, strict=True)]


def too_long(properties: Sequence[str | None]) -> list[int]:
    """Return the positions of properties beyond the limit on their size."""
    return [
        at
        for at, text in enumerate(properties)
        if text is not None and len(text) > _SURELY_SMALL and len(text.encode()) > LARGEST_PROPERTIES
    ]


class _Fragments:
    """One column: a cell becomes ``"name":value``, a blank one nothing."""

    def __init__(self, column: EventColumn, blank: Blanks, unsigned: bool) -> None:
        self._start = json.dumps(property_name(column), ensure_ascii=False) + ":"
        self._kind, self._blank, self._unsigned = column.kind, blank, unsigned
        self._decimal: Decimal = "," if column.decimal == "," else "."
        self._known: dict[str | None, str] = {}

    def read(self, texts: Sequence[str | None]) -> list[str]:
        """Return the fragment of each cell."""
        if len(self._known) > _REMEMBERED:
            self._known = {}
        known = self._known
        for text in set(texts) - known.keys():
            known[text] = "" if text is None or self._blank(text) else self._start + self._value(text.strip())
        return list(map(known.__getitem__, texts))

    def _value(self, text: str) -> str:
        if self._kind == "boolean":
            answer = parse_boolean(text)
            if answer is not None:
                return "true" if answer else "false"
        elif self._kind == "number":
            number = parse_number(text, self._decimal)
            if number is not None:
                number = abs(number) if self._unsigned else number
                whole = number.is_integer() and abs(number) < 2**53
                return str(int(number)) if whole else json.dumps(number)
        return json.dumps(text, ensure_ascii=False)
