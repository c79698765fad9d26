"""Writes the good rows of one chunk: new customers whole but invisible, changes of known ones as versions that nobody points to yet.

Rows arrive as columns of cast values and leave as tuples for `executemany`; nothing here works cell by cell on new customers. Known customers
are looked up and compared in `known`. Moving the pointers is `pointers`, deciding what a column means is `mapping`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.models import AttributeDefinition, AttributeVersion, IdentityChange
from retainstream.services.attributes import RowBuilder, encode_extra
from retainstream.services.imports.bulk import insert
from retainstream.services.imports.known import Known, changed_attributes, changed_labels, changed_personal, look_up
from retainstream.services.imports.rows import PERSONAL_COLUMNS, Rows

_GIVEN = ("id", "batch_id", "source", "valid_from", "known_at")
_KEPT = tuple(column.name for column in AttributeVersion.__table__.columns if column.name not in _GIVEN)


@dataclass
class Tally:
    """What became of the rows, and which kinds of change wait for the pointers to move."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    versions: int = 0
    labels: int = 0
    identities: int = 0


class Writer:
    """Writes chunk after chunk of one batch. The caller opens a unit for each chunk; ids are taken under its write lock."""

    def __init__(
        self, batch_id: int, found: Sequence[AttributeDefinition], definition_id: int | None, now: int
    ) -> None:
        self.batch_id, self.definition_id, self.now = batch_id, definition_id, now
        self.builder = RowBuilder(found)
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
        known = {} if self._alone else look_up(session, rows, self.builder, self.definition_id)
        if known:
            self._write_known(session, _part(rows, known, inside=True), known)
            rows = _part(rows, known, inside=False)
        self._write_new(session, rows, last + 1)
        self._last = last + len(rows)

    def compare(self, session: Session, rows: Rows) -> None:
        """Count what `write` would do with a chunk, and write nothing."""
        known = look_up(session, rows, self.builder, self.definition_id) if len(rows) else {}
        old = _part(rows, known, inside=True)
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
        told = {"churned": rows.labels, "churned_at": rows.churned_at}
        columns = {name: column for name, column in told.items() if column is not None}
        fixed = {"batch_id": self.batch_id, "tags": "[]", "created_at": self.now, "updated_at": self.now}
        insert(session, "customers", fixed, {"id": ids, "version_id": versions, **columns, **rows.profile})
        personal = {**rows.personal}
        if "other" in personal:
            personal["other"] = [_json(cell) for cell in personal["other"]]
        insert(session, "identities", {}, {"customer_id": ids, "user_id": rows.user_ids, **personal})
        dialect.index_for_search(session, first, first + count - 1)
        slots = dict(zip(self.builder.columns, self.builder.slot_columns(rows.values), strict=True))
        self._insert_versions(session, {"id": versions, "customer_id": ids, **rows.profile, **slots}, rows.known_at)
        self._insert_labels(session, ids, rows)
        self.tally.new += count

    def _insert_versions(
        self, session: Session, columns: dict[str, Sequence[Any]], known_at: Sequence[int] | None
    ) -> None:
        """Insert versions that the file speaks of, held and known from the same moment."""
        fixed: dict[str, str | int] = {"batch_id": self.batch_id, "source": "import"}
        if known_at is None:
            fixed |= {"valid_from": self.now, "known_at": self.now}
        else:
            columns |= {"valid_from": known_at, "known_at": known_at}
        insert(session, "attribute_versions", fixed, columns)

    def _insert_labels(self, session: Session, ids: Sequence[int], rows: Rows) -> None:
        if self.definition_id is None or rows.labels is None:
            return
        fixed = {"batch_id": self.batch_id, "definition_id": self.definition_id}
        told = {"value": rows.labels, "churned_at": rows.churned_at, "known_at": rows.known_at}
        columns = {"customer_id": ids} | {name: column for name, column in told.items() if column is not None}
        if rows.known_at is None:
            fixed["known_at"] = self.now
        if None in rows.labels:
            kept = [label is not None for label in rows.labels]
            columns = {name: list(compress(column, kept)) for name, column in columns.items()}
        insert(session, "labels", fixed, columns)

    def _write_known(self, session: Session, rows: Rows, known: dict[str, Known]) -> None:
        customers = [known[user_id] for user_id in rows.user_ids]
        attributes, labels, personal = self._compare(rows, customers)
        if attributes:
            self._follow_versions(session, rows.take(attributes), [customers[index] for index in attributes])
        if labels:
            self._insert_labels(session, [customers[index].customer_id for index in labels], rows.take(labels))
        if personal:
            fixed = {"batch_id": self.batch_id}
            after = [{**details, "other": _json(details["other"])} for details in personal.values()]
            ids = [customers[index].customer_id for index in personal]
            insert(
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

    def _compare(self, rows: Rows, customers: list[Known]) -> tuple[list[int], list[int], dict[int, dict[str, Any]]]:
        """Return the positions of rows whose attributes, label, or personal details (with the new ones) differ from what is on record."""
        labels = changed_labels(rows, customers) if self.definition_id is not None else []
        return changed_attributes(rows, self.builder, customers), labels, changed_personal(rows, customers)

    def _follow_versions(self, session: Session, rows: Rows, customers: list[Known]) -> None:
        """Add a version for each row: the current one with everything that the file has put in its place."""
        table = AttributeVersion.__table__
        query = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))
        ids = [item.version_id for item in customers if item.version_id is not None]
        current = {row["id"]: dict(row) for row in session.execute(query, {"ids": ids}).mappings()}
        slots = dict(zip(self.builder.slots, self.builder.slot_columns(rows.values), strict=False))
        made: list[dict[str, Any]] = []
        for index, customer in enumerate(customers):
            version = current.get(customer.version_id) or dict.fromkeys(_KEPT)
            version |= {name: column[index] for name, column in rows.profile.items()}
            version |= {name: column[index] for name, column in slots.items()}
            extra = dict(version["extra"] or {}) | {name: rows.values[at][index] for at, name in self.builder.overflow}
            version["customer_id"], version["previous_id"] = customer.customer_id, customer.version_id
            version["extra"] = encode_extra(extra)
            made.append(version)
        columns: dict[str, Sequence[Any]] = {name: [version[name] for version in made] for name in _KEPT}
        self._insert_versions(session, columns, rows.known_at)


def _part(rows: Rows, known: Mapping[str, Known], *, inside: bool) -> Rows:
    """Return the rows of customers who are on record, or of those who are not."""
    wanted = [index for index, user_id in enumerate(rows.user_ids) if (user_id in known) == inside]
    return rows if len(wanted) == len(rows) else rows.take(wanted)


def _json(value: dict[str, str] | None) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if value else None
