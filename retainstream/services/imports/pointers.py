"""Moves what points at a batch's rows, set by set: `activate` when it is applied, `withdraw` when it is undone.

Both run in the one unit that also flips the batch's state, so that readers see all of it or nothing. Rows are added in `writing` and removed in `turns`.
"""

# ruff: noqa: S608 (the statements are put together from our own column names only)
from __future__ import annotations

from typing import Any

from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import AttributeVersion, Customer
from retainstream.services.attributes import PROFILE_COLUMNS
from retainstream.services.imports.rows import PERSONAL_COLUMNS
from retainstream.services.imports.writing import Tally

_COPY_PROFILE = ", ".join(f"{name} = v.{name}" for name in PROFILE_COLUMNS)
_OTHERS = "(customers.batch_id IS NULL OR customers.batch_id <> :batch)"

_POINT_AT_VERSIONS = text(
    f"UPDATE customers SET version_id = v.id, {_COPY_PROFILE}, updated_at = :now FROM attribute_versions AS v "
    f"WHERE v.batch_id = :batch AND v.customer_id = customers.id AND {_OTHERS}"
)
_POINT_AT_LABELS = text(
    "UPDATE customers SET churned = l.value, churned_at = l.churned_at, updated_at = :now FROM labels AS l "
    f"WHERE l.batch_id = :batch AND l.customer_id = customers.id AND {_OTHERS}"
)
_KEEP_DETAILS = text(
    f"UPDATE identity_changes SET {', '.join(f'before_{name} = i.{name}' for name in PERSONAL_COLUMNS)} FROM identities AS i "
    "WHERE identity_changes.batch_id = :batch AND i.customer_id = identity_changes.customer_id"
)
_SET_DETAILS = text(
    f"UPDATE identities SET {', '.join(f'{name} = x.{name}' for name in PERSONAL_COLUMNS)}, updated_at = :now FROM identity_changes AS x "
    "WHERE x.batch_id = :batch AND x.customer_id = identities.customer_id"
)

# A customer that the batch made and that somebody touched since stays, and belongs to whoever touched it first: by a fact that another load
# or person brought, by something that happened to it, by an act on it.
_FACTS = ("attribute_versions", "labels", "events", "subscriptions")
_OF_OTHERS = "FROM {table} AS w WHERE w.customer_id = customers.id AND w.batch_id IS NOT :batch"
_KEPT_MADE = text(
    "SELECT id FROM customers WHERE batch_id = :batch AND (tags <> '[]' "
    + "".join(f"OR EXISTS (SELECT 1 {_OF_OTHERS.format(table=table)}) " for table in _FACTS)
    + "OR EXISTS (SELECT 1 FROM exposures AS w WHERE w.customer_id = customers.id)) ORDER BY id"
)
_KEPT_CHANGED = text(
    "SELECT customers.id FROM attribute_versions AS v JOIN customers ON customers.id = v.customer_id "
    f"WHERE v.batch_id = :batch AND {_OTHERS} AND customers.version_id IS NOT v.id ORDER BY customers.id"
)
_HAND_OVER = text(
    "UPDATE customers SET batch_id = CASE "
    + "".join(
        f"WHEN EXISTS (SELECT 1 {others}) THEN (SELECT w.batch_id {others} ORDER BY w.id LIMIT 1) "
        for others in (_OF_OTHERS.format(table=table) for table in _FACTS)
    )
    + "ELSE NULL END WHERE id = :id"
)
_POINT_BACK = text(
    f"UPDATE customers SET version_id = v.id, {_COPY_PROFILE}, updated_at = :now "
    "FROM attribute_versions AS b LEFT JOIN attribute_versions AS v ON v.id = b.previous_id "
    f"WHERE b.batch_id = :batch AND customers.version_id = b.id AND b.customer_id = customers.id AND {_OTHERS}"
)
_LINK_PAST = text(
    "UPDATE attribute_versions SET previous_id = b.previous_id FROM attribute_versions AS b JOIN customers ON customers.id = b.customer_id "
    f"WHERE b.batch_id = :batch AND {_OTHERS} AND attribute_versions.customer_id = b.customer_id AND attribute_versions.previous_id = b.id"
)
_LAST_LABEL = (
    "(SELECT {column} FROM labels AS l WHERE l.customer_id = customers.id AND l.batch_id IS NOT :batch AND (l.batch_id IS NULL OR l.batch_id IN "
    "(SELECT id FROM import_batches WHERE state = 'applied')) ORDER BY l.id DESC LIMIT 1)"
)
_LABELS_BACK = text(
    f"UPDATE customers SET churned = {_LAST_LABEL.format(column='l.value')}, churned_at = {_LAST_LABEL.format(column='l.churned_at')} "
    f"WHERE {_OTHERS} AND id IN (SELECT customer_id FROM labels WHERE batch_id = :batch)"
)


def _back(table: str, prefix: str) -> str:
    """Return assignments that put a detail back, unless it was changed since."""
    return ", ".join(
        f"{prefix}{name} = CASE WHEN {table}.{prefix}{name} IS x.{name} THEN x.before_{name} ELSE {table}.{prefix}{name} END"
        for name in PERSONAL_COLUMNS
    )


_DETAILS_BACK = text(
    f"UPDATE identities SET {_back('identities', '')}, updated_at = :now FROM identity_changes AS x WHERE x.batch_id = :batch AND x.customer_id = identities.customer_id "
    "AND NOT EXISTS (SELECT 1 FROM identity_changes AS y WHERE y.customer_id = x.customer_id AND y.batch_id > :batch)"
)
_DETAILS_PAST = text(
    f"UPDATE identity_changes SET {_back('identity_changes', 'before_')} FROM identity_changes AS x WHERE x.batch_id = :batch "
    "AND identity_changes.customer_id = x.customer_id AND identity_changes.batch_id = "
    "(SELECT MIN(y.batch_id) FROM identity_changes AS y WHERE y.customer_id = x.customer_id AND y.batch_id > :batch)"
)


def activate(session: Session, batch_id: int, tally: Tally, written: set[str]) -> None:
    """Make a batch's versions, labels and personal details those in force. New customers need nothing: their own row points already.

    Parameters
    ----------
    tally : Tally
        Says which of the sets are empty, so that a million new customers cost nothing here.
    written : set of str
        Columns of versions that the file fills; the rest of a version is what was in force before.
    """
    values = {"batch": batch_id, "now": clock.now_us()}
    if tally.versions:
        _rebase(session, batch_id, written)
        session.execute(_POINT_AT_VERSIONS, values)
    if tally.labels:
        session.execute(_POINT_AT_LABELS, values)
    if tally.identities:
        for statement in (_KEEP_DETAILS, _SET_DETAILS):
            session.execute(statement, values)


def _rebase(session: Session, batch_id: int, written: set[str]) -> None:
    """Carry over what was edited while the batch was being written: such a version follows the edit and keeps only the file's own columns."""
    query = (
        select(AttributeVersion, Customer.version_id)
        .join(Customer, Customer.id == AttributeVersion.customer_id)
        .where(AttributeVersion.batch_id == batch_id, Customer.batch_id.is_distinct_from(batch_id))
        .where(AttributeVersion.previous_id.is_distinct_from(Customer.version_id))
    )
    own = {"id", "customer_id", "batch_id", "source", "valid_from", "known_at", "previous_id", "extra"} | written
    for version, newer_id in session.execute(query).all():
        newer = session.get(AttributeVersion, newer_id)
        if newer is None:
            continue
        for column in set(inspect(AttributeVersion).columns.keys()) - own:
            setattr(version, column, getattr(newer, column))
        mine = {name: value for name, value in (version.extra or {}).items() if name in written}
        rest = {name: value for name, value in (newer.extra or {}).items() if name not in written}
        version.extra, version.previous_id = {**rest, **mine} or None, newer_id
    session.flush()


def withdraw(session: Session, batch_id: int) -> list[int]:
    """Let nothing point at a batch's rows any more; returns the ids of customers that were touched since and therefore stay.

    A customer whom the batch changed gets back what was in force before, unless a later version stands above it. Call it while the batch
    still counts as applied, and flip its state in the same unit.
    """
    values: dict[str, Any] = {"batch": batch_id, "now": clock.now_us()}
    made = list(session.scalars(_KEPT_MADE, values))
    changed = list(session.scalars(_KEPT_CHANGED, values))
    if made:
        session.connection().execute(_HAND_OVER, [{"batch": batch_id, "id": customer_id} for customer_id in made])
    for statement in (_POINT_BACK, _LINK_PAST, _LABELS_BACK, _DETAILS_BACK, _DETAILS_PAST):
        session.execute(statement, values)
    return sorted({*made, *changed})
