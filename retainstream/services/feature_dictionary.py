"""Features that a person declared from events: list, declare, withdraw. Those that every box has are `retainstream.ml.asof.dictionary`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.models import FeatureDefinition


def declared(session: Session) -> tuple[FeatureSpec, ...]:
    """Return the declared features in force: the newest version of each name, unless it was withdrawn; by name."""
    return tuple(spec_of(row) for row in _newest(session) if row.enabled)


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
