"""The features of one customer as of a time, by the builder that training and scoring use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.ml.features import FeatureSpec
from retainstream.services.as_of import facts

Scalar = float | int | bool | str | None


def customer_features(
    session: Session, settings: Settings, customer_id: int, moment: int, specs: Sequence[FeatureSpec] | None = None
) -> list[tuple[FeatureSpec, Scalar]]:
    """Return each feature with its value for one customer; missing is None.

    Parameters
    ----------
    moment : int
        Microseconds UTC: only what was known before it counts.
    specs : sequence of FeatureSpec, optional
        By default the dictionary of this box.
    """
    from retainstream.ml.asof.builder import features
    from retainstream.services.as_of import reading

    wanted = facts.dictionary(session) if specs is None else tuple(specs)
    history = reading.read(session, settings, [customer_id], None)
    frame = features(history, wanted, moment, [customer_id])
    return [(spec, _plain(frame[spec.name].iloc[0], spec.kind)) for spec in wanted]


def _plain(value: Any, kind: str) -> Scalar:
    """Return a cell of the matrix for JSON: whole where the feature is, and of a float32 the digits that it has."""
    if kind == "category":
        return value if isinstance(value, str) else None
    if math.isnan(value):
        return None
    if kind == "boolean":
        return bool(value)
    number = float(str(value))
    return int(number) if kind == "integer" and number.is_integer() else number
