"""Looking up which customers of a chunk are on record, and finding the rows that say something else than the record. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from retainstream.services.attributes import RowBuilder
from retainstream.services.imports.rows import PERSONAL_COLUMNS, Rows

# One for all customers: it is only ever read.
_NOTHING: dict[str, Any] = {}
_OWN = ("i.user_id", "i.customer_id", "c.version_id")


class Known(NamedTuple):
    """A customer who is on record.

    Attributes
    ----------
    version_id : int or None
        The version in force; `stored` are its values in the columns that the file fills: profile, then slots.
    extra : dict
        The version's overflow.
    personal : dict
        Empty when the file has no personal details.
    label : (bool, int or None) or None
        Newest label that readers see, with its date.
    """

    customer_id: int
    version_id: int | None
    stored: tuple[Any, ...]
    extra: dict[str, Any]
    personal: dict[str, Any]
    label: tuple[bool, int | None] | None


def look_up(session: Session, rows: Rows, builder: RowBuilder, definition_id: int | None) -> dict[str, Known]:
    """Return the customers of a chunk who are on record, by identifier; visible or not."""
    names = [*rows.profile, *builder.slots]
    others = ["v.extra"] * bool(builder.overflow) + [f"i.{name}" for name in PERSONAL_COLUMNS if rows.personal]
    found = session.connection().exec_driver_sql(
        f"SELECT {', '.join([*_OWN, *(f'v.{name}' for name in names), *others])} FROM identities AS i "  # noqa: S608 (our own names)
        "JOIN customers AS c ON c.id = i.customer_id LEFT JOIN attribute_versions AS v ON v.id = c.version_id "
        f"WHERE i.user_id IN ({', '.join('?' * len(rows))})",
        tuple(rows.user_ids),
    )
    # The driver's own rows: plain tuples, made several times quicker than rows with names.
    on_record: Sequence[Any] = found.cursor.fetchall()
    found.close()
    labels = _labels(session, [row[1] for row in on_record], definition_id) if on_record and definition_id else {}
    first, last = len(_OWN), len(_OWN) + len(names)
    has_extra = bool(builder.overflow)
    return {
        row[0]: Known(
            row[1],
            row[2],
            row[first:last],
            _json(row[last]) or {} if has_extra else _NOTHING,
            _personal(row[-len(PERSONAL_COLUMNS) :]) if rows.personal else _NOTHING,
            labels.get(row[1]),
        )
        for row in on_record
    }


def _labels(session: Session, customer_ids: list[int], definition_id: int) -> Mapping[int, tuple[bool, int | None]]:
    found = session.connection().exec_driver_sql(
        "SELECT customer_id, value, churned_at FROM labels "  # noqa: S608 (question marks only)
        f"WHERE customer_id IN ({', '.join('?' * len(customer_ids))}) AND definition_id = ? "
        "AND (batch_id IS NULL OR batch_id NOT IN (SELECT id FROM import_batches WHERE state <> 'applied')) ORDER BY id",
        (*customer_ids, definition_id),
    )
    labels = {customer_id: (bool(value), churned_at) for customer_id, value, churned_at in found.cursor.fetchall()}
    found.close()
    return labels


def _personal(cells: Sequence[Any]) -> dict[str, Any]:
    personal = dict(zip(PERSONAL_COLUMNS, cells, strict=True))
    personal["other"] = _json(personal["other"])
    return personal


def _json(cell: str | None) -> Any:
    return None if cell is None else json.loads(cell)


def changed_attributes(rows: Rows, builder: RowBuilder, customers: Sequence[Known]) -> list[int]:
    """Return the positions of rows that say something else than the customer's current version."""
    # A slot gives whole numbers back as floats; Python compares the two by value.
    columns = [*rows.profile.values(), *(rows.values[at] for at in builder.slotted)]
    told = zip(*columns, strict=True) if columns else ((),) * len(rows)
    overflow = [(name, rows.values[at]) for at, name in builder.overflow]
    return [
        index
        for index, (row, customer) in enumerate(zip(told, customers, strict=True))
        if row != customer.stored
        or (overflow and any(column[index] != customer.extra.get(name) for name, column in overflow))
    ]


def changed_labels(rows: Rows, customers: Sequence[Known]) -> list[int]:
    """Return the positions of rows whose label, or date of leaving, is another one than on record."""
    if rows.labels is None:
        return []
    if rows.churned_at is None:
        # A file without dates of leaving says nothing about a date that is on record.
        return [
            index
            for index, (label, customer) in enumerate(zip(rows.labels, customers, strict=True))
            if label is not None and (customer.label is None or label != customer.label[0])
        ]
    told = zip(rows.labels, rows.churned_at, strict=True)
    return [
        index
        for index, (row, customer) in enumerate(zip(told, customers, strict=True))
        if row[0] is not None and row != customer.label
    ]


def changed_personal(rows: Rows, customers: Sequence[Known]) -> dict[int, dict[str, Any]]:
    """Return the new personal details of the rows that change some, by position."""
    changed: dict[int, dict[str, Any]] = {}
    for index, customer in enumerate(customers) if rows.personal else ():
        after = dict(customer.personal)
        for name, column in rows.personal.items():
            after[name] = (
                ({**(after["other"] or {}), **(column[index] or {})} or None) if name == "other" else column[index]
            )
        if after != customer.personal:
            changed[index] = after
    return changed
