"""Writes the good rows of one chunk: new customers whole but invisible, changes of known ones as versions that nobody points to yet.

Rows arrive as columns of cast values and leave as tuples for `executemany`; nothing here works cell by cell on new customers. Known customers
are looked up and compared a chunk at a time. Moving the pointers is `pointers`, deciding what a column means is `mapping`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.models import (
    AttributeDefinition,
    AttributeVersion,
    Customer,
    Identity,
    IdentityChange,
    ImportBatch,
    Label,
)
from retainstream.services.attributes import PROFILE_COLUMNS, RowBuilder, encode_extra

PERSONAL_COLUMNS = ("name", "email", "phone", "other")
_STORED = tuple(column.name for column in AttributeVersion.__table__.columns if column.name != "id")


@dataclass(frozen=True)
class Rows:
    """The good rows of a chunk, column by column; every sequence is n long.

    Attributes
    ----------
    user_ids : list of str
        All different, in this chunk and in the file.
    values : list of sequences
        One for each attribute definition, cast to its kind; None is missing.
    profile : dict
        Columns of `PROFILE_COLUMNS` that the file has.
    personal : dict
        `name`, `email`, `phone`, and `other` as a dict or None, as far as the file has them.
    labels : sequence of (bool or None), optional
    churned_at : sequence of (int or None), optional
        Microseconds UTC.
    known_at : sequence of int, optional
        When each row became known; None means the time of the import.
    """

    user_ids: list[str]
    values: list[Sequence[Any]]
    profile: dict[str, Sequence[Any]] = field(default_factory=dict)
    personal: dict[str, Sequence[Any]] = field(default_factory=dict)
    labels: Sequence[bool | None] | None = None
    churned_at: Sequence[int | None] | None = None
    known_at: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.user_ids)

    def take(self, wanted: Sequence[int]) -> Rows:
        """Return the rows at these positions."""

        def pick(column: Any) -> Any:
            return None if column is None else [column[index] for index in wanted]

        return Rows(
            pick(self.user_ids),
            [pick(column) for column in self.values],
            {name: pick(column) for name, column in self.profile.items()},
            {name: pick(column) for name, column in self.personal.items()},
            pick(self.labels),
            pick(self.churned_at),
            pick(self.known_at),
        )


@dataclass
class Tally:
    """What became of the rows, and which kinds of change wait for the pointers to move."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    versions: int = 0
    labels: int = 0
    identities: int = 0


@dataclass(frozen=True)
class _Known:
    """A customer who is on record: surrogate id, personal details, current version and newest label."""

    customer_id: int
    personal: dict[str, Any]
    version_id: int | None
    stored: tuple[Any, ...]
    extra: dict[str, Any]
    label: tuple[bool, int | None] | None


class Writer:
    """Writes chunk after chunk of one batch. The caller opens a unit for each chunk; ids are taken under its write lock."""

    def __init__(
        self, batch_id: int, found: Sequence[AttributeDefinition], definition_id: int | None, now: int
    ) -> None:
        self.batch_id, self.definition_id, self.now = batch_id, definition_id, now
        self.builder = RowBuilder(found)
        self._numeric = [item.kind not in ("category", "text") for item in found]
        self.tally = Tally()
        self.written = {*self.builder.slots, *(name for _, name in self.builder.overflow)}
        self._alone, self._last = True, 0

    def write(self, session: Session, rows: Rows) -> None:
        """Write one chunk of at most a few thousand rows in the caller's unit of work."""
        if not len(rows):
            return
        last = dialect.last_id(session, "customers")
        # Nobody was there before, and nobody came since: then nobody needs to be looked up.
        self._alone = self._alone and last == self._last
        known = {} if self._alone else self._look_up(session, rows)
        if known:
            old = [index for index, user_id in enumerate(rows.user_ids) if user_id in known]
            new = [index for index, user_id in enumerate(rows.user_ids) if user_id not in known]
            self._write_known(session, rows.take(old), known)
            rows = rows.take(new)
        self._write_new(session, rows, last + 1)
        self._last = last + len(rows)

    def compare(self, session: Session, rows: Rows) -> None:
        """Count what `write` would do with a chunk, and write nothing."""
        known = self._look_up(session, rows) if len(rows) else {}
        old = rows.take([index for index, user_id in enumerate(rows.user_ids) if user_id in known])
        changes = self._compare(old, [known[user_id] for user_id in old.user_ids])
        changed = len({index for positions in changes for index in positions})
        self.tally.new += len(rows) - len(old)
        self.tally.changed += changed
        self.tally.unchanged += len(old) - changed

    def _write_new(self, session: Session, rows: Rows, first: int) -> None:
        count = len(rows)
        if not count:
            return
        ids = range(first, first + count)
        version = dialect.last_id(session, "attribute_versions") + 1
        versions = range(version, version + count)
        labels: Sequence[Any] = rows.labels if rows.labels is not None else repeat(None, count)  # type: ignore[assignment]
        churned_at: Sequence[Any] = rows.churned_at if rows.churned_at is not None else repeat(None, count)  # type: ignore[assignment]
        labels, churned_at = list(labels), list(churned_at)
        known_at = rows.known_at if rows.known_at is not None else [self.now] * count
        fixed = {"batch_id": self.batch_id, "tags": "[]", "created_at": self.now, "updated_at": self.now}
        _insert(
            session,
            "customers",
            fixed,
            {"id": ids, "version_id": versions, "churned": labels, "churned_at": churned_at, **rows.profile},
        )
        personal = {**rows.personal}
        if "other" in personal:
            personal["other"] = [_json(cell) for cell in personal["other"]]
        _insert(session, "identities", {}, {"customer_id": ids, "user_id": rows.user_ids, **personal})
        dialect.index_for_search(session, first, first + count - 1)
        slots = dict(zip(self.builder.columns, self.builder.slot_columns(rows.values), strict=True))
        fixed = {"batch_id": self.batch_id, "source": "import"}
        times = {"valid_from": known_at, "known_at": known_at}
        _insert(
            session, "attribute_versions", fixed, {"id": versions, "customer_id": ids, **times, **rows.profile, **slots}
        )
        self._insert_labels(session, ids, labels, churned_at, known_at)
        self.tally.new += count

    def _insert_labels(
        self,
        session: Session,
        ids: Sequence[int],
        labels: Sequence[Any],
        churned_at: Sequence[Any],
        known_at: Sequence[int],
    ) -> None:
        if self.definition_id is None:
            return
        columns = {"customer_id": ids, "value": labels, "churned_at": churned_at, "known_at": known_at}
        if None in labels:
            kept = [label is not None for label in labels]
            columns = {name: list(compress(column, kept)) for name, column in columns.items()}
        if columns["value"]:
            _insert(session, "labels", {"batch_id": self.batch_id, "definition_id": self.definition_id}, columns)

    def _look_up(self, session: Session, rows: Rows) -> dict[str, _Known]:
        found = session.execute(
            select(
                Identity.user_id,
                Identity.customer_id,
                Identity.name,
                Identity.email,
                Identity.phone,
                Identity.other,
                Customer.version_id,
            )
            .join(Customer, Customer.id == Identity.customer_id)
            .where(Identity.user_id.in_(rows.user_ids))
        ).all()
        if not found:
            return {}
        stored = self._stored(session, [row.version_id for row in found if row.version_id is not None])
        labels = self._labels(session, [row.customer_id for row in found])
        width = len(PROFILE_COLUMNS) + len(self.builder.slots)
        return {
            row.user_id: _Known(
                row.customer_id,
                {"name": row.name, "email": row.email, "phone": row.phone, "other": row.other},
                row.version_id,
                *stored.get(row.version_id, ((None,) * width, {})),
                labels.get(row.customer_id),
            )
            for row in found
        }

    def _stored(
        self, session: Session, version_ids: list[int]
    ) -> dict[int | None, tuple[tuple[Any, ...], dict[str, Any]]]:
        names = (*PROFILE_COLUMNS, *self.builder.slots)
        table = AttributeVersion.__table__
        query = select(table.c.id, table.c.extra, *(table.c[name] for name in names)).where(
            table.c.id.in_(bindparam("ids", expanding=True))
        )
        return {row[0]: (tuple(row[2:]), row[1] or {}) for row in session.execute(query, {"ids": version_ids})}

    def _labels(self, session: Session, customer_ids: list[int]) -> dict[int, tuple[bool, int | None]]:
        if self.definition_id is None:
            return {}
        hidden = select(ImportBatch.id).where(ImportBatch.state != "applied")
        query = (
            select(Label.customer_id, Label.value, Label.churned_at)
            .where(Label.customer_id.in_(customer_ids), Label.definition_id == self.definition_id)
            .where(Label.batch_id.is_(None) | Label.batch_id.not_in(hidden))
            .order_by(Label.id)
        )
        return {row.customer_id: (row.value, row.churned_at) for row in session.execute(query)}

    def _write_known(self, session: Session, rows: Rows, known: dict[str, _Known]) -> None:
        customers = [known[user_id] for user_id in rows.user_ids]
        attributes, labels, personal = self._compare(rows, customers)
        known_at = rows.known_at if rows.known_at is not None else [self.now] * len(rows)
        if attributes:
            self._insert_versions(session, rows.take(attributes), [customers[index] for index in attributes])
        if labels:
            part = rows.take(labels)
            churned_at = part.churned_at if part.churned_at is not None else [None] * len(part)
            ids = [customers[index].customer_id for index in labels]
            self._insert_labels(session, ids, part.labels or [], churned_at, [known_at[index] for index in labels])
        if personal:
            fixed = {"batch_id": self.batch_id}
            after = [{**details, "other": _json(details["other"])} for details in personal.values()]
            ids = [customers[index].customer_id for index in personal]
            _insert(
                session,
                IdentityChange.__tablename__,
                fixed,
                {"customer_id": ids} | {name: [item[name] for item in after] for name in PERSONAL_COLUMNS},
            )
        changed = len({*attributes, *labels, *personal})
        self.tally.changed += changed
        self.tally.unchanged += len(rows) - changed
        self.tally.versions += len(attributes)
        self.tally.labels += len(labels)
        self.tally.identities += len(personal)

    def _compare(self, rows: Rows, customers: list[_Known]) -> tuple[list[int], list[int], dict[int, dict[str, Any]]]:
        """Return the positions of rows whose attributes, label, or personal details (with the new ones) differ from what is on record."""
        labels = _changed_labels(rows, customers) if self.definition_id is not None else []
        return self._changed_attributes(rows, customers), labels, _changed_personal(rows, customers)

    def _changed_attributes(self, rows: Rows, customers: list[_Known]) -> list[int]:
        """Return the positions of rows that say something else than the customer's current version."""
        profile = [PROFILE_COLUMNS.index(name) for name in rows.profile]
        columns = [*rows.profile.values(), *self._comparable(rows)]
        wanted = [*profile, *range(len(PROFILE_COLUMNS), len(PROFILE_COLUMNS) + len(self.builder.slots))]
        changed = []
        for index, row in enumerate(zip(*columns, strict=True)) if columns else ():
            stored = customers[index].stored
            if row != tuple([stored[position] for position in wanted]):
                changed.append(index)
        overflow = self.builder.overflow
        if overflow:
            seen = set(changed)
            for index, customer in enumerate(customers):
                if index not in seen and any(
                    rows.values[at][index] != customer.extra.get(name) for at, name in overflow
                ):
                    changed.append(index)
        return sorted(changed)

    def _comparable(self, rows: Rows) -> list[Sequence[Any]]:
        """Return the slots' columns as SQLite gives them back: every number a float."""
        columns: list[Sequence[Any]] = []
        for at in self.builder.slotted:
            column = rows.values[at]
            columns.append([None if cell is None else float(cell) for cell in column] if self._numeric[at] else column)
        return columns

    def _insert_versions(self, session: Session, rows: Rows, customers: list[_Known]) -> None:
        """Add a version for each row: the current one with everything that the file has put in its place."""
        known_at = rows.known_at if rows.known_at is not None else [self.now] * len(rows)
        table = AttributeVersion.__table__
        query = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))
        ids = [item.version_id for item in customers if item.version_id is not None]
        current = {row["id"]: dict(row) for row in session.execute(query, {"ids": ids}).mappings()}
        slots = dict(zip(self.builder.slots, self.builder.slot_columns(rows.values), strict=False))
        made: list[dict[str, Any]] = []
        for index, customer in enumerate(customers):
            version = current.get(customer.version_id) or dict.fromkeys(_STORED)
            version |= {name: column[index] for name, column in rows.profile.items()}
            version |= {name: column[index] for name, column in slots.items()}
            extra = dict(version["extra"] or {}) | {name: rows.values[at][index] for at, name in self.builder.overflow}
            version |= {
                "customer_id": customer.customer_id,
                "batch_id": self.batch_id,
                "previous_id": customer.version_id,
                "source": "import",
            }
            version |= {"valid_from": known_at[index], "known_at": known_at[index], "extra": encode_extra(extra)}
            made.append(version)
        _insert(session, "attribute_versions", {}, {name: [version[name] for version in made] for name in _STORED})


def _changed_labels(rows: Rows, customers: list[_Known]) -> list[int]:
    if rows.labels is None:
        return []
    dates: Sequence[Any] = rows.churned_at if rows.churned_at is not None else [None] * len(rows)
    changed = []
    for index, (label, date, customer) in enumerate(zip(rows.labels, dates, customers, strict=True)):
        # A file without dates of leaving says nothing about a date that is on record.
        on_record = (
            customer.label if customer.label is None or rows.churned_at is not None else (customer.label[0], None)
        )
        if label is not None and (label, date) != on_record:
            changed.append(index)
    return changed


def _changed_personal(rows: Rows, customers: list[_Known]) -> dict[int, dict[str, Any]]:
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


def _json(value: dict[str, str] | None) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None


def _insert(session: Session, table: str, fixed: Mapping[str, object], columns: dict[str, Sequence[Any]]) -> None:
    """Insert rows given as columns in one `executemany`; names come from our own code, never from a file."""
    names = [*columns, *fixed]
    marks = ["?"] * len(columns) + [f"'{value}'" if isinstance(value, str) else str(value) for value in fixed.values()]
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608
    session.connection().exec_driver_sql(statement, list(zip(*columns.values(), strict=True)))
