"""What a rule can ask for: columns of customers, attributes, scores, derived figures, events and features, each with its type, unit and operators.

A field that nothing is on record for says why (`missing`). The values themselves are `columns`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.ml.features import FeatureSpec
from retainstream.models import Event, EventKind, FeatureSet, LatestScore, Subscription
from retainstream.services import attributes, feature_dictionary, registry, revisions
from retainstream.services.analyses import runs
from retainstream.services.customers import counted

CUSTOMER, ATTRIBUTES, SCORE, RFM, HEALTH, LIFETIME, EVENTS, FEATURES, DECLARED = (
    "Customer",
    "Attributes",
    "Risk score",
    "RFM",
    "Health",
    "Lifetime value",
    "Events",
    "Features of the model",
    "Declared features",
)
PRESENCE = ("known", "unknown")
_NUMERIC = ("ge", "gt", "le", "lt", "between", "eq", *PRESENCE)
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "number": _NUMERIC,
    "money": _NUMERIC,
    "share": _NUMERIC,
    "boolean": ("is", *PRESENCE),
    "category": ("in", "not_in", *PRESENCE),
    "text": ("contains", "in", "not_in", *PRESENCE),
    "date": ("since", "before", "last_days", "older_days", "next_days", *PRESENCE),
    "tags": ("has_any", "has_all", "has_none"),
}
"""Type -> operators, the usual one first. A tag list is never missing: without tags it is empty."""
_OF_KIND = {
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "category": "category",
    "text": "text",
    "date": "date",
}
_NO_EVENTS = "no event is on record yet"


@dataclass(frozen=True)
class Field:
    """One thing to ask for.

    Attributes
    ----------
    key : str
        Its name in a rule; that of an attribute is `attribute.` and the attribute's name.
    group : str
        Under which it is listed.
    type : str
        A key of `OPERATORS`. `money` is in minor units, `share` between 0 and 1.
    unit : str or None
    missing : str
        Why it cannot be asked for just now, as the end of a sentence; empty when it can.
    slot : str or None
        Where an attribute's values stand: the name of a column of its version, None for the overflow.
    instant : bool
        Whether a date tells the time of day, too; a day that a rule names then begins in the box's time zone, else in UTC.
    kinds : tuple of str
        Kinds of event that a condition may name.
    windowed : bool
        Whether a condition names how many days are looked at.
    spec : FeatureSpec or None
        For a feature what it is and how it is made, in the version that is meant.
    """

    key: str
    title: str
    group: str
    type: str
    unit: str | None = None
    missing: str = ""
    slot: str | None = None
    instant: bool = False
    kinds: tuple[str, ...] = ()
    windowed: bool = False
    spec: FeatureSpec | None = None

    @property
    def operators(self) -> tuple[str, ...]:
        """Return the operators, the usual one first."""
        return OPERATORS[self.type]


_kept: dict[tuple[Any, ...], dict[str, Field]] = {}
"""The newest catalogue: a rule that is tried out asks for it at each keystroke."""


def catalogue(session: Session) -> dict[str, Field]:
    """Return every field by its key, in the order in which they are listed."""
    state = (db.engine.url.database, *revisions.read(session).values(), revisions.one(session, "analyses"))
    found = _kept.get(state)
    if found is None:
        found = _catalogue(session)
        _kept.clear()
        _kept[state] = found
    return dict(found)


def _catalogue(session: Session) -> dict[str, Field]:
    found = [*_of_customers(session), *_attributes(session), *_scores(session), *_derived(session), *_events(session)]
    return {field.key: field for field in found} | {field.key: field for field in _features(session)}


def _of_customers(session: Session) -> list[Field]:
    known = counted.choices(session)

    def none(there: bool, what: str) -> str:
        return "" if there else f"{what} is on record for nobody yet"

    return [
        Field("plan", "Plan", CUSTOMER, "category", missing=none(bool(known.plans), "a plan")),
        Field("revenue", "Monthly revenue", CUSTOMER, "money", missing=none(known.priced, "a price")),
        Field("tenure_months", "Tenure", CUSTOMER, "number", "months", none(known.tenured, "a tenure")),
        Field("signup_at", "Signed up", CUSTOMER, "date", instant=True),
        Field("churned", "Has left", CUSTOMER, "boolean", missing=none(known.labelled, "whether customers left")),
        Field("tags", "Tags", CUSTOMER, "tags"),
    ]


def _attributes(session: Session) -> list[Field]:
    return [
        Field(f"attribute.{item.name}", item.title, ATTRIBUTES, _OF_KIND[item.kind], item.unit, slot=item.slot)
        for item in attributes.definitions(session)
    ]


def _scores(session: Session) -> list[Field]:
    first = session.execute(select(LatestScore.probability).limit(1)).first()
    none = "" if first is not None else "nobody was scored yet"
    withheld = none or ("" if first and first[0] is not None else "the model's probabilities are withheld")
    return [
        Field("churn_probability", "Churn probability", SCORE, "share", missing=withheld),
        Field("risk_percentile", "Riskier than, of all customers", SCORE, "share", missing=none),
        Field("risk_band", "Risk band", SCORE, "category", missing=none),
        Field("confidence", "Confidence of the score", SCORE, "share", missing=withheld),
        Field("margin", "Margin (log-odds)", SCORE, "number", missing=none),
    ]


def _derived(session: Session) -> list[Field]:
    def none(kind: str, what: str) -> str:
        return "" if runs.in_force(session, kind) is not None else f"{what} not been made yet; the analyses make them"

    rfm = none("rfm", "RFM scores have")
    health, lifetime = none("health", "health scores have"), none("lifetime", "lifetime values have")
    return [
        Field("rfm.name", "RFM group", RFM, "category", missing=rfm),
        Field("rfm.r", "Recency score", RFM, "number", "1 to 5", rfm),
        Field("rfm.f", "Frequency score", RFM, "number", "1 to 5", rfm),
        Field("rfm.m", "Monetary score", RFM, "number", "1 to 5", rfm),
        Field("rfm.recency_days", "Days since last active", RFM, "number", "days", rfm),
        Field("health.score", "Health score", HEALTH, "number", "0 to 100", health),
        Field("health.band", "Health band", HEALTH, "category", missing=health),
        Field("lifetime.value", "Lifetime value", LIFETIME, "money", missing=lifetime),
        Field("lifetime.alive", "Probability of being there", LIFETIME, "share", missing=lifetime),
    ]


def _events(session: Session) -> list[Field]:
    there = session.execute(select(Event.id).limit(1)).first() is not None
    kinds = tuple(session.scalars(select(EventKind.name).order_by(EventKind.name))) if there else ()
    missing = "" if kinds else _NO_EVENTS
    return [
        Field("events.count", "Number of events", EVENTS, "number", None, missing, kinds=kinds, windowed=True),
        Field("events.sum", "Sum over events", EVENTS, "number", None, missing, kinds=kinds, windowed=True),
        Field("events.days_since", "Days since the last event", EVENTS, "number", "days", missing, kinds=kinds),
    ]


def _features(session: Session) -> list[Field]:
    """Return the features of the model in service, as it has them, and those that a person declared and it has not learnt from.

    What is made of attributes is not among them: rules ask for the attributes.
    """
    current, found = registry.champion(session), dict[str, Field]()
    if current is not None and not current.forward:
        missing = "they are the attributes above: ask for those"
        found["features"] = Field("features", "Values that the model saw", FEATURES, "number", missing=missing)
    elif current is not None:
        specs = session.get_one(FeatureSet, current.feature_set_id).features
        found |= _of_specs(session, FEATURES, [FeatureSpec.from_dict(spec) for spec in specs])
    declared = _of_specs(session, DECLARED, feature_dictionary.declared(session))
    return [*found.values(), *(field for key, field in declared.items() if key not in found)]


def _of_specs(session: Session, group: str, specs: Sequence[FeatureSpec]) -> dict[str, Field]:
    nothing = {
        source: "" if session.execute(select(table.id).limit(1)).first() is not None else why
        for source, table, why in (
            ("events", Event, _NO_EVENTS),
            ("subscriptions", Subscription, "no subscription is on record yet"),
        )
    }
    return {
        (key := f"feature.{spec.name}"): Field(
            key, spec.title, group, _OF_KIND[spec.kind], spec.unit, nothing[spec.recipe.source], spec=spec
        )
        for spec in specs
        if spec.recipe is not None and spec.recipe.source in nothing
    }
