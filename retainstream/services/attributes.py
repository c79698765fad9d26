"""Which attribute lives in which slot, and how values get into attribute versions and out again. No DDL happens at run time.

A definition belongs to a name for good; its kind may widen (boolean to integer to number). When slots run out, values go to the overflow `extra`.
Here live definitions, the tuple builder for bulk inserts, and reading or writing single versions. Casting text to values does not:
see `services.imports.casting`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import AttributeDefinition, AttributeVersion, Customer
from retainstream.models.customer import NUMBER_SLOTS, TEXT_SLOTS

Value = float | int | bool | str | None

PROFILE_COLUMNS = ("plan", "revenue_minor", "currency", "signup_at", "tenure_months")
_WIDTH = {"boolean": 0, "integer": 1, "number": 2}
_TEXTUAL = ("category", "text")
_IN_WORDS = {
    "number": "numbers",
    "integer": "whole numbers",
    "boolean": "yes or no",
    "category": "categories",
    "text": "text",
    "date": "dates",
}


@dataclass(frozen=True)
class Wanted:
    """An attribute that somebody wants to store: name (unique slug), kind and how a person reads it."""

    name: str
    title: str
    kind: str
    unit: str | None = None
    feature: bool = True
    actionable: bool = False
    sensitive: bool = False


def definitions(session: Session, names: Iterable[str] | None = None) -> list[AttributeDefinition]:
    """Return the definitions in the order in which they were made, all or those with these names."""
    query = select(AttributeDefinition).order_by(AttributeDefinition.id)
    if names is not None:
        query = query.where(AttributeDefinition.name.in_(list(names)))
    return list(session.scalars(query))


def check(session: Session, wanted: Sequence[Wanted]) -> None:
    """Raise Conflict, naming every attribute, where a kind cannot live beside the one on record. Writes nothing."""
    known = {item.name: item for item in definitions(session, [item.name for item in wanted])}
    problems: dict[str, list[str]] = {}
    for want in wanted:
        definition = known.get(want.name)
        if definition is not None and not _fits(definition.kind, want.kind) and _in_use(session, definition):
            problems[want.name] = [_complaint(want, definition)]
    if problems:
        first = next(iter(problems.values()))[0]
        raise Conflict(first, fields=problems)


def resolve(session: Session, wanted: Sequence[Wanted]) -> list[AttributeDefinition]:
    """Return what `allocate` would, for reading only: an attribute that is not on record comes without a slot and is not stored."""
    known = {item.name: item for item in definitions(session, [item.name for item in wanted])}
    return [
        known.get(want.name) or AttributeDefinition(name=want.name, title=want.title, kind=want.kind, slot=None)
        for want in wanted
    ]


def allocate(session: Session, wanted: Sequence[Wanted]) -> list[AttributeDefinition]:
    """Return a definition for each wanted attribute, in that order; makes those that are missing and gives them slots.

    A known attribute keeps its slot; its kind widens where the new one is wider, and its wording is left as people may have edited it.
    One that no version holds a value of is made anew. Without a free slot an attribute lives in the overflow.

    Raises
    ------
    Conflict
        When an attribute on record holds values of a kind that the new ones do not go with; names each.
    """
    check(session, wanted)
    known = {item.name: item for item in definitions(session)}
    taken: set[str | None] = {item.slot for item in known.values() if item.slot}
    found: list[AttributeDefinition] = []
    for want in wanted:
        definition = known.get(want.name)
        if definition is None:
            definition = AttributeDefinition(name=want.name, created_at=clock.now_us())
            _define(definition, want, taken)
            session.add(definition)
            known[want.name] = definition
        elif not _fits(definition.kind, want.kind):
            taken.discard(definition.slot)
            definition.slot = None
            session.flush()
            _define(definition, want, taken)
        else:
            definition.kind = _wider(definition.kind, want.kind)
        found.append(definition)
    session.flush()
    return found


def forget(session: Session, ids: Iterable[int]) -> None:
    """Remove those of some definitions of which no version holds a value."""
    for definition in session.scalars(select(AttributeDefinition).where(AttributeDefinition.id.in_(list(ids)))).all():
        if not _in_use(session, definition):
            session.delete(definition)
    session.flush()


def _define(definition: AttributeDefinition, want: Wanted, taken: set[str | None]) -> None:
    definition.title, definition.kind, definition.unit = want.title, want.kind, want.unit
    definition.feature, definition.actionable, definition.sensitive = want.feature, want.actionable, want.sensitive
    slots = TEXT_SLOTS if want.kind in _TEXTUAL else NUMBER_SLOTS
    definition.slot = next((slot for slot in slots if slot not in taken), None)
    taken.add(definition.slot)


def _fits(known: str, new: str) -> bool:
    if known in _TEXTUAL or new in _TEXTUAL:
        return known in _TEXTUAL and new in _TEXTUAL
    return (known == "date") == (new == "date")


def _wider(known: str, new: str) -> str:
    return new if _WIDTH.get(new, -1) > _WIDTH.get(known, 9) else known


def _in_use(session: Session, definition: AttributeDefinition) -> bool:
    """Tell whether any version holds a value; the slot's name comes from our own list, never from outside."""
    if definition.slot is not None:
        query = text(f"SELECT 1 FROM attribute_versions WHERE {definition.slot} IS NOT NULL LIMIT 1")  # noqa: S608
        return session.execute(query).first() is not None
    overflow = select(AttributeVersion.extra).where(AttributeVersion.extra.is_not(None))
    return any(extra and definition.name in extra for extra in session.scalars(overflow).yield_per(1000))


def _complaint(want: Wanted, definition: AttributeDefinition) -> str:
    return (
        f"“{want.title}” holds {_IN_WORDS[want.kind]} here, but the customers' attribute “{definition.name}” holds {_IN_WORDS[definition.kind]}: "
        f"give the column another name in the mapping, or map it as {definition.kind}."
    )


class RowBuilder:
    """Turns columns of cast values into tuples for one bulk insert of attribute versions.

    Attributes
    ----------
    columns : tuple of str
        Names of the slots that the tuples fill, in order, then `extra` when some attribute has no slot.
    slots : tuple of str
        The same without `extra`; `slotted` are the positions of their attributes.
    overflow : list of (int, str)
        Position and name of each attribute without a slot.
    """

    def __init__(self, found: Sequence[AttributeDefinition]) -> None:
        self.names = tuple(item.name for item in found)
        self.slotted = [index for index, item in enumerate(found) if item.slot is not None]
        self.overflow = [(index, item.name) for index, item in enumerate(found) if item.slot is None]
        self.slots = tuple(str(found[index].slot) for index in self.slotted)
        self.columns = (*self.slots, "extra") if self.overflow else self.slots

    def slot_columns(self, values: Sequence[Sequence[Value]]) -> list[Sequence[Any]]:
        """Return one sequence for each of `columns`, from one sequence of values for each attribute of this builder."""
        ordered: list[Sequence[Any]] = [values[index] for index in self.slotted]
        if self.overflow:
            rows = zip(*(values[index] for index, _ in self.overflow), strict=True)
            ordered.append(
                [encode_extra({name: cell for (_, name), cell in zip(self.overflow, row, strict=True)}) for row in rows]
            )
        return ordered


def encode_extra(values: Mapping[str, Value]) -> str | None:
    """Return the overflow's JSON text; missing values are left out, and nothing at all is None."""
    kept = {name: value for name, value in values.items() if value is not None}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":")) if kept else None


def present(value: Value, kind: str) -> Value:
    """Return a stored value as its kind: a slot holds whole numbers and yes/no as floats."""
    if value is None or isinstance(value, str):
        return value
    if kind == "boolean":
        return bool(value)
    return int(value) if kind in ("integer", "date") else float(value)


def values_of(version: AttributeVersion, found: Sequence[AttributeDefinition]) -> dict[str, Value]:
    """Return a version's values by attribute name; a missing one is None. Dates are microseconds since the epoch."""
    extra: Mapping[str, Any] = version.extra or {}
    return {
        item.name: present(getattr(version, item.slot) if item.slot else extra.get(item.name), item.kind)
        for item in found
    }


def current_values(session: Session, customer_ids: Sequence[int]) -> dict[int, dict[str, Value]]:
    """Return the current attribute values of some customers (at most a few thousand) by customer id."""
    found = definitions(session)
    query = (
        select(AttributeVersion)
        .join(Customer, Customer.version_id == AttributeVersion.id)
        .where(Customer.id.in_(customer_ids))
    )
    return {version.customer_id: values_of(version, found) for version in session.scalars(query)}


def write_edit(
    session: Session, customer: Customer, *, values: Mapping[str, Value], profile: Mapping[str, Any]
) -> AttributeVersion:
    """Add a version that differs from the current one in what is given, and make it current. The caller audits and bumps.

    Parameters
    ----------
    values : mapping of attribute name to value, cast to the attribute's kind; None clears.
    profile : mapping of names in `PROFILE_COLUMNS` to values.
    """
    current = session.get(AttributeVersion, customer.version_id) if customer.version_id is not None else None
    known = {item.name: item for item in definitions(session, values)}
    now = clock.now_us()
    version = AttributeVersion(
        customer_id=customer.id, previous_id=customer.version_id, source="edit", valid_from=now, known_at=now
    )
    for column in (*PROFILE_COLUMNS, *NUMBER_SLOTS, *TEXT_SLOTS):
        setattr(version, column, getattr(current, column) if current is not None else None)
    extra = dict((current.extra if current is not None else None) or {})
    for name, value in values.items():
        slot = known[name].slot
        if slot is not None:
            setattr(version, slot, value)
        elif value is None:
            extra.pop(name, None)
        else:
            extra[name] = value
    version.extra = extra or None
    for column, value in profile.items():
        setattr(version, column, value)
    session.add(version)
    session.flush()
    customer.version_id = version.id
    for column in PROFILE_COLUMNS:
        setattr(customer, column, getattr(version, column))
    customer.updated_at = now
    session.flush()
    return version
