"""Which columns of the data are features, and where the values of each are stored. No value is read here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.errors import InvalidInput
from retainstream.ml.features import FeatureSpec, Kind
from retainstream.models import AttributeDefinition, AttributeVersion

FEATURE_KINDS = ("number", "integer", "boolean", "category")


@dataclass(frozen=True)
class Column:
    """Where one feature's values are read from."""

    spec: FeatureSpec
    source: ColumnElement[Any] | InstrumentedAttribute[Any]


def columns(session: Session, *, all_kinds: bool = False) -> list[Column]:
    """Return the features in the order of their definition; with `all_kinds`, also columns that are no longer features."""
    query = (
        select(AttributeDefinition).where(AttributeDefinition.kind.in_(FEATURE_KINDS)).order_by(AttributeDefinition.id)
    )
    if not all_kinds:
        query = query.where(AttributeDefinition.feature)
    return [Column(_spec(row), _source(row)) for row in session.scalars(query)]


def feature_specs(session: Session) -> list[FeatureSpec]:
    """Return what a model would be trained on today."""
    return [column.spec for column in columns(session)]


def features_without(session: Session, exclude: Iterable[str]) -> list[Column]:
    """Return the features but for those with these names or titles; raises InvalidInput for a name that is no feature."""
    found = columns(session)
    left_out = {str(name).strip().lower() for name in exclude}
    known = {word for column in found for word in (column.spec.name.lower(), column.spec.title.lower())}
    if strangers := sorted(left_out - known):
        raise InvalidInput(
            f"There is no feature called {strangers[0]!r} to leave out.",
            fields={"exclude": [f"unknown: {name}" for name in strangers]},
        )
    return [column for column in found if not {column.spec.name.lower(), column.spec.title.lower()} & left_out]


def _spec(row: AttributeDefinition) -> FeatureSpec:
    return FeatureSpec(
        name=row.name,
        kind=cast(Kind, row.kind),
        title=row.title,
        unit=row.unit,
        actionable=row.actionable,
        sensitive=row.sensitive,
    )


def _source(row: AttributeDefinition) -> ColumnElement[Any] | InstrumentedAttribute[Any]:
    if row.slot is not None:
        return cast("InstrumentedAttribute[Any]", getattr(AttributeVersion, row.slot))
    overflow = AttributeVersion.extra[row.name]
    return cast("ColumnElement[Any]", overflow.as_string() if row.kind == "category" else overflow.as_float())
