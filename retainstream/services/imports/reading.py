"""From cast chunks to rows as they are stored: profile columns, attributes, personal details, money in minor units, tenure in months.

Which text means what was decided by the mapping and read by `casting`; writing the rows is `writing`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from retainstream.errors import InvalidInput
from retainstream.lib import money
from retainstream.services.attributes import Wanted
from retainstream.services.imports import names
from retainstream.services.imports.badrows import BadRow, RowError, cut
from retainstream.services.imports.casting import NO_DATE, NO_LABEL, CastChunk, CastColumn
from retainstream.services.imports.mapping import ColumnMapping, Mapping, MappingError
from retainstream.services.imports.rows import Rows

LONGEST_IDENTIFIER = 200
_MONTHS_PER = {"days": 12 / 365.25, "weeks": 7 * 12 / 365.25, "months": 1.0, "years": 12.0}
_PROFILE_OF_ROLE = {
    "plan": ("plan",),
    "monthly_revenue": ("revenue_minor", "currency"),
    "signup": ("signup_at",),
    "tenure": ("tenure_months",),
}
_LONGEST = {"name": 300, "email": 254, "phone": 60}


def mapping_from(data: Any, columns: Sequence[str]) -> Mapping:
    """Return a mapping that a person sent for a file with these columns; one that it does not name is ignored.

    Raises
    ------
    InvalidInput
        With the path of everything that is wrong in it.
    """
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as half:
        raise InvalidInput(
            "The mapping holds text that is no Unicode.", fields={"mapping": ["no halves of surrogate pairs"]}
        ) from half
    try:
        mapping = Mapping.from_dict(data)
        mapping.check_columns(columns)
    except MappingError as wrong:
        fields: dict[str, list[str]] = {}
        for path, sentence in wrong.errors:
            fields.setdefault(f"mapping.{path}" if path else "mapping", []).append(sentence)
        raise InvalidInput("The mapping does not fit.", fields=fields) from wrong
    by_name = {column.name: column for column in mapping.columns}
    taken = {column.attribute for column in mapping.columns}
    complete = [
        by_name.get(name)
        or ColumnMapping(
            name, "ignored", names.slug(name, index, taken), names.title(name), reason="The mapping does not name it."
        )
        for index, name in enumerate(columns)
    ]
    return replace(mapping, columns=tuple(complete))


def wanted_attributes(mapping: Mapping) -> list[Wanted]:
    """Return the attributes that a mapping stores. A plan, revenue or tenure is one only where a model may learn from it."""
    return [
        Wanted(column.attribute, column.title or column.name, column.kind, column.unit, column.feature)
        for column in mapping.columns
        if column.role in ("feature", "date") or (column.role in _PROFILE_OF_ROLE and column.feature)
    ]


class RowReader:
    """Turns the cast chunks of one file into rows for the writer.

    Parameters
    ----------
    mapping : Mapping
    currency : str
        Of the monthly revenue where the mapping names none.
    now : int
        The time of the import, microseconds UTC.
    """

    def __init__(self, mapping: Mapping, currency: str, now: int) -> None:
        self.mapping, self.now = mapping, now
        self.currency = mapping.currency or currency
        self.attributes = [item.name for item in wanted_attributes(mapping)]
        self._dates = [
            column.attribute for column in mapping.columns if column.role in ("churn_date", "signup", "date")
        ]
        identifier = mapping.identifier
        self._identifier_at = (
            None if identifier is None else [column.name for column in mapping.columns].index(identifier.name)
        )

    @property
    def profile_columns(self) -> set[str]:
        """The profile columns of a version that this file fills."""
        return {name for column in self.mapping.columns for name in _PROFILE_OF_ROLE.get(column.role, ())}

    def rows(self, chunk: CastChunk) -> tuple[Rows, list[BadRow]]:
        """Return a chunk's rows, and those among them that cannot be stored because their identifier is too long."""
        cells = {name: plain(column) for name, column in chunk.columns.items()}
        labels = None if chunk.label is None else plain(chunk.label)
        rows = Rows(
            user_ids=chunk.ids,
            values=[cells[name] for name in self.attributes],
            profile=self._profile(chunk, cells),
            personal=self._personal(cells),
            labels=labels,
            churned_at=self._churned_at(cells, labels),
            known_at=self._known_at(chunk),
        )
        return self._without_long_identifiers(chunk, rows)

    def user_id(self, row: BadRow) -> str | None:
        """Return the identifier in a row that was not taken; None when the file has none or the row is too short."""
        if self._identifier_at is None or self._identifier_at >= len(row.cells):
            return None
        found = (row.cells[self._identifier_at] or "").strip()
        if self.mapping.identifier is not None and self.mapping.identifier.format == "drop_point_zero":
            found = found.removesuffix(".0")
        return found[:LONGEST_IDENTIFIER] or None

    def _profile(self, chunk: CastChunk, cells: dict[str, list[Any]]) -> dict[str, Sequence[Any]]:
        profile: dict[str, Sequence[Any]] = {}
        for column in self.mapping.columns:
            if column.role == "plan":
                profile["plan"] = [None if cell is None else str(cell)[:200] for cell in cells[column.attribute]]
            elif column.role == "signup":
                profile["signup_at"] = cells[column.attribute]
            elif column.role == "tenure":
                factor = _MONTHS_PER.get(column.unit or "months", 1.0)
                profile["tenure_months"] = [None if cell is None else cell * factor for cell in cells[column.attribute]]
            elif column.role == "monthly_revenue":
                minor = minor_units(chunk.columns[column.attribute].values, self.currency)
                profile["revenue_minor"] = minor
                profile["currency"] = [None if cell is None else self.currency for cell in minor]
        return profile

    def _personal(self, cells: dict[str, list[Any]]) -> dict[str, Sequence[Any]]:
        personal: dict[str, Sequence[Any]] = {}
        others: list[ColumnMapping] = []
        for column in self.mapping.columns:
            if column.role != "personal":
                continue
            field = column.field or "other"
            # First and last name are two columns of one field; a second telephone is another detail.
            if field == "name" and field in personal:
                personal[field] = [
                    " ".join(part for part in pair if part) or None
                    for pair in zip(personal[field], cells[column.attribute], strict=True)
                ]
            elif field == "other" or field in personal:
                others.append(column)
            else:
                personal[field] = cells[column.attribute]
        for field, longest in _LONGEST.items():
            if field in personal:
                personal[field] = [None if cell is None else cell[:longest] for cell in personal[field]]
        if others:
            titles = [column.title or column.name for column in others]
            rows = zip(*(cells[column.attribute] for column in others), strict=True)
            personal["other"] = [
                {title: cell for title, cell in zip(titles, row, strict=True) if cell is not None} or None
                for row in rows
            ]
        return personal

    def _churned_at(self, cells: dict[str, list[Any]], labels: list[Any] | None) -> list[int | None] | None:
        column = self.mapping.role("churn_date")
        if column is None or labels is None:
            return None
        return [date if left else None for date, left in zip(cells[column.attribute], labels, strict=True)]

    def _known_at(self, chunk: CastChunk) -> list[int] | None:
        """Return the newest date of each row that is not ahead of the import; a row without one became known by the import."""
        if not self.mapping.known_at_time or not self._dates or not len(chunk):
            return None
        dates = np.stack([np.asarray(chunk.columns[name].values, dtype=np.int64) for name in self._dates])
        newest = np.where(dates > self.now, NO_DATE, dates).max(axis=0)
        known: list[int] = np.where(newest == NO_DATE, self.now, newest).tolist()
        return known

    def _without_long_identifiers(self, chunk: CastChunk, rows: Rows) -> tuple[Rows, list[BadRow]]:
        long = [index for index, user_id in enumerate(rows.user_ids) if len(user_id) > LONGEST_IDENTIFIER]
        if not long:
            return rows, []
        column = self.mapping.identifier.name if self.mapping.identifier is not None else None
        expected = f"an identifier of at most {LONGEST_IDENTIFIER} characters"
        bad = [
            BadRow(line, [], (RowError(line, column, cut(rows.user_ids[index]), expected, "identifier_too_long"),))
            for index in long
            for line in [chunk.lines[index]]
        ]
        refused = set(long)
        return rows.take([index for index in range(len(rows)) if index not in refused]), bad


def plain(column: CastColumn) -> list[Any]:
    """Return a cast column as Python values: None is missing, a label is True or False."""
    values = column.values
    if not isinstance(values, np.ndarray):
        return values
    if column.mapping.role == "label":
        return [None if cell == NO_LABEL else cell == 1 for cell in values.tolist()]
    if values.dtype == np.int64:
        return [None if cell == NO_DATE else cell for cell in values.tolist()]
    missing = np.isnan(values)
    if not missing.any():
        return list(values.tolist())
    cells = values.astype(object)
    cells[missing] = None
    return list(cells.tolist())


def minor_units(amounts: Any, currency: str) -> list[int | None]:
    """Return amounts in minor units, each rounded as `lib.money` does; None for a missing one or one beyond 10**15."""
    scaled = np.asarray(amounts, dtype=np.float64) * 10.0 ** money.exponent(currency)
    rounded = np.rint(scaled)
    # Near a half the binary product may round the other way than the decimal that was written.
    doubtful = np.flatnonzero(np.abs(np.abs(scaled - rounded) - 0.5) < 1e-6 * np.maximum(1.0, np.abs(scaled)))
    bad = ~(np.abs(rounded) <= 1e15)
    minor: list[int | None] = np.where(bad, 0, rounded).astype(np.int64).tolist()
    for index in doubtful.tolist():
        if not bad[index]:
            minor[index] = money.to_minor(float(amounts[index]), currency)
    for index in np.flatnonzero(bad).tolist():
        minor[index] = None
    return minor
