"""Features of single customers as JSON scalars, now or at an earlier version; a page of them in one query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.errors import NotFound
from retainstream.models import AttributeVersion, Customer
from retainstream.services.datasets.features import columns

_IDS_PER_QUERY = 500


def customer_values(session: Session, customer_id: int, version_id: int | None = None) -> dict[str, Any]:
    """Return one customer's features by name, now or at an earlier version; raises NotFound for an unknown customer."""
    row = session.execute(select(Customer.version_id).where(Customer.id == customer_id, Customer.visible())).first()
    if row is None:
        raise NotFound("There is no such customer.")
    version = row[0] if version_id is None else version_id
    return {} if version is None else values_of(session, [version]).get(version, {})


def values_of_customers(session: Session, customer_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the present features of visible customers by name, read once for all: {customer id: {name: value}}."""
    unique = sorted(set(customer_ids))
    versions: dict[int, int | None] = {}
    for start in range(0, len(unique), _IDS_PER_QUERY):
        part = Customer.id.in_(unique[start : start + _IDS_PER_QUERY])
        rows = session.execute(select(Customer.id, Customer.version_id).where(part, Customer.visible()))
        versions.update((row.id, row.version_id) for row in rows)
    found = values_of(session, [version for version in versions.values() if version is not None])
    return {one: {} if version is None else found.get(version, {}) for one, version in versions.items()}


def values_of(
    session: Session, version_ids: Sequence[int], names: Iterable[str] | None = None
) -> dict[int, dict[str, Any]]:
    """Return features of attribute versions as JSON scalars: {version id: {name: value}}; one query for a page."""
    wanted = None if names is None else set(names)
    chosen = [column for column in columns(session, all_kinds=True) if wanted is None or column.spec.name in wanted]
    found: dict[int, dict[str, Any]] = {}
    unique = sorted(set(version_ids))
    for start in range(0, len(unique), _IDS_PER_QUERY):
        part = unique[start : start + _IDS_PER_QUERY]
        query = select(AttributeVersion.id, *(column.source for column in chosen)).where(AttributeVersion.id.in_(part))
        for version_id, *values in session.execute(query):
            found[version_id] = {
                column.spec.name: scalar(value, column.spec.kind) for column, value in zip(chosen, values, strict=True)
            }
    return found


def scalar(value: Any, kind: str) -> float | int | bool | str | None:
    """Return a stored value as a person gave it: whole numbers without a point, yes or no as a boolean."""
    if value is None:
        return None
    if kind == "category":
        return str(value)
    if kind == "boolean":
        return bool(value)
    return int(value) if kind == "integer" or float(value).is_integer() else float(value)
