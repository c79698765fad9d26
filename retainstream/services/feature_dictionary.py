"""Features that a person declared from events: list, declare, withdraw. Those that every box has are `retainstream.ml.asof.dictionary`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.models import EventKind, FeatureDefinition
from retainstream.security.actor import Actor
from retainstream.services import audit, revisions

_PROPERTY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .\-]{0,63}")
_WORDS = ("unit", "wording_up", "wording_down", "actionable", "sensitive")


def declared(session: Session) -> tuple[FeatureSpec, ...]:
    """Return the declared features in force: the newest version of each name, unless it was withdrawn; by name."""
    return tuple(spec_of(row) for row in _newest(session) if row.enabled)


def declare(
    session: Session, actor: Actor, wanted: Mapping[str, Any], *, taken: Collection[str] = ()
) -> FeatureDefinition:
    """Store a feature of events that a person declares; one with the name of a declared feature is its next version.

    Parameters
    ----------
    wanted : mapping
        `name`, `title` and `aggregate`; as needed `event` (a kind on record; none: all activity), `window_days`, `property`; and as
        wished `unit`, `wording_up`, `wording_down`, `actionable`, `sensitive`.
    taken : collection of str
        Names of features that this box has of itself.

    Raises
    ------
    InvalidInput
        Naming the field.
    """
    spec = checked(session, wanted, taken=taken)
    recipe = spec.recipe
    assert recipe is not None  # a declared feature has one
    before = session.scalar(select(func.max(FeatureDefinition.version)).where(FeatureDefinition.name == spec.name))
    row = FeatureDefinition(
        name=spec.name,
        version=(before or 0) + 1,
        title=spec.title,
        unit=spec.unit,
        recipe={**asdict(recipe), "kind": spec.kind},
        wording_up=spec.wording_up,
        wording_down=spec.wording_down,
        actionable=spec.actionable,
        sensitive=spec.sensitive,
        created_at=clock.now_us(),
        created_by=actor.user_id,
    )
    session.add(row)
    session.flush()
    revisions.bump(session, "analyses")  # rules of segments may ask for it
    audit.record(session, actor, "feature.declare", "feature", row.id, fields=wanted)
    return row


def checked(session: Session, wanted: Mapping[str, Any], *, taken: Collection[str] = ()) -> FeatureSpec:
    """Return the feature that a person would declare, without storing it; parameters and errors as `declare`."""
    from retainstream.ml.asof import dictionary

    recipe = Recipe(
        "events", wanted["aggregate"], wanted.get("event"), wanted.get("window_days"), wanted.get("property")
    )
    words = {name: wanted[name] for name in _WORDS if wanted.get(name) is not None}
    try:
        if recipe.property and not _PROPERTY.fullmatch(recipe.property):
            raise ValueError("property: expected letters, digits, spaces and _ . -, 64 characters at most")
        known = set(session.scalars(select(EventKind.name)))
        spec = dictionary.declared(wanted["name"], wanted["title"], recipe, kinds=known, taken=taken, **words)
    except ValueError as wrong:
        field, _, sentence = str(wrong).partition(": ")
        raise InvalidInput("The feature cannot be made as it is.", fields={field: [sentence]}) from wrong
    return spec


def withdraw(session: Session, actor: Actor, name: str) -> None:
    """Take a declared feature out of the dictionary; models that use it keep it, because their feature set is frozen.

    Raises
    ------
    NotFound
        When no feature of this name is declared and in force.
    """
    row = next((row for row in _newest(session) if row.name == name and row.enabled), None)
    if row is None:
        raise NotFound(f"There is no declared feature called {name[:80]!r}.")
    row.enabled = False
    revisions.bump(session, "analyses")
    audit.record(session, actor, "feature.withdraw", "feature", row.id, fields=["enabled"])
    session.flush()


def versions(session: Session) -> dict[str, int]:
    """Return the version of each declared feature in force, by name."""
    return {row.name: row.version for row in _newest(session) if row.enabled}


def properties_ever(session: Session) -> set[str]:
    """Return the properties of events that any declared feature ever counted: a model in service may use one that was withdrawn."""
    recipes = session.scalars(select(FeatureDefinition.recipe))
    return {str(recipe["property"]) for recipe in recipes if recipe.get("property")}


def spec_of(row: FeatureDefinition) -> FeatureSpec:
    """Return a stored definition as the builder knows it."""
    recipe: dict[str, Any] = dict(row.recipe)
    kind = recipe.pop("kind", "number")
    return FeatureSpec(
        name=row.name,
        kind=kind,
        title=row.title,
        unit=row.unit,
        wording_up=row.wording_up,
        wording_down=row.wording_down,
        actionable=row.actionable,
        sensitive=row.sensitive,
        recipe=Recipe(**recipe),
    )


def _newest(session: Session) -> list[FeatureDefinition]:
    latest = (
        select(FeatureDefinition.name, func.max(FeatureDefinition.version).label("version"))
        .group_by(FeatureDefinition.name)
        .subquery()
    )
    query = select(FeatureDefinition).join(
        latest, (FeatureDefinition.name == latest.c.name) & (FeatureDefinition.version == latest.c.version)
    )
    return list(session.scalars(query.order_by(FeatureDefinition.name)))
