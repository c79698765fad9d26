"""What there is to make features of: kinds of event, properties, attributes; and with them the features that this box can make today."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec, Recipe
from retainstream.models import AttributeDefinition, AttributeVersion, Event, EventKind, ImportBatch, Subscription
from retainstream.services import datasets, feature_dictionary, revisions

if TYPE_CHECKING:
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.dictionary import KindFacts

DEFAULT_PROPERTY = "device"
"""The one property that a feature of every box counts."""

Source = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Facts:
    """What is on record.

    Attributes
    ----------
    kinds : dict of str to KindFacts
        Kinds with at least one visible event.
    properties : tuple of str
        Those of the properties that this box counts which some event has.
    subscriptions : bool
        Whether there is a statement about a subscription.
    """

    kinds: dict[str, KindFacts]
    properties: tuple[str, ...]
    subscriptions: bool


@dataclass(frozen=True)
class ProfileColumn:
    """An attribute that can be held against an outcome: what it is, where it is read, and whether a model may learn from it."""

    spec: FeatureSpec
    source: Source
    learnable: bool


def dictionary(session: Session, history: History | None = None) -> tuple[FeatureSpec, ...]:
    """Return every feature that the builder can make for this box: built in, declared, and attributes of profiles.

    Parameters
    ----------
    history : History, optional
        Count the kinds of event in it instead of those on record: a run that looks at an earlier time passes what it cut, so that its
        features do not depend on what came later. Everything on record by default.
    """
    from retainstream.ml.asof.dictionary import catalogue

    facts = on_record(session) if history is None else of_history(history)
    profile = [column.spec for column in profile_columns(session) if column.learnable]
    built_in = catalogue(facts.kinds, properties=facts.properties, subscriptions=facts.subscriptions, profile=profile)
    taken = {spec.name for spec in built_in}
    return (*built_in, *(spec for spec in feature_dictionary.declared(session) if spec.name not in taken))


def of_history(history: History) -> Facts:
    """Return the facts of a history in memory."""
    import numpy as np

    from retainstream.ml.asof.dictionary import KindFacts

    log, size = history.events, len(history.events.kinds)
    counts = np.bincount(log.kind, minlength=size)
    valued = np.bincount(log.kind[~np.isnan(log.value)], minlength=size)
    top = int(history.customers[-1]) + 1 if len(history.customers) else 0
    seen = np.zeros((size, top), np.bool_)
    seen[log.kind, log.customer] = True
    kinds = {
        name: KindFacts(int(counts[at]), int(seen[at].sum()), int(valued[at]))
        for at, name in enumerate(log.kinds)
        if counts[at]
    }
    properties = tuple(name for name, codes in log.properties.items() if bool((codes >= 0).any()))
    return Facts(kinds, properties, len(history.subscriptions) > 0)


@dataclass(frozen=True)
class _Kept:
    facts: Facts
    version: tuple[int, ...]
    kinds: int
    loads: dict[str, int]
    at: float
    took: float


_kept: dict[str, _Kept] = {}
_LONG_COUNT, _KEPT_FOR = 0.25, 600.0


def on_record(session: Session) -> Facts:
    """Return the facts of everything on record, kept in memory until events come or go.

    Where counting takes long, what merely came in since is counted after ten minutes, unless it is of a kind that was not seen before.
    """
    place = str(session.get_bind().engine.url)
    counters = revisions.read(session)
    version = (counters["removals"], counters["customers"], counters["events"])
    kinds = session.scalar(select(func.count()).select_from(EventKind)) or 0
    kept, now = _kept.get(place), clock.monotonic()
    if kept is not None and kept.version == version:
        return kept.facts
    young = kept is not None and kept.took > _LONG_COUNT and now - kept.at < _KEPT_FOR
    loads = _loads(session)
    if kept is not None and young and (kept.kinds, kept.version[0]) == (kinds, version[0]) and not _shown(kept, loads):
        return kept.facts
    counted = _counted(session)
    _kept[place] = _Kept(counted, version, kinds, loads, now, clock.monotonic() - now)
    return counted


def _loads(session: Session) -> dict[str, int]:
    """Return how many imports of each target are applied."""
    query = select(ImportBatch.target, func.count()).where(ImportBatch.state == "applied").group_by(ImportBatch.target)
    return {str(target): int(n) for target, n in session.execute(query)}


def _shown(kept: _Kept, loads: dict[str, int]) -> bool:
    """Tell whether an import may have shown rows of a kind that had none: it names their kinds at its start, and shows all of them at its end."""
    if loads == kept.loads:
        return False
    told = loads.get("subscriptions", 0) != kept.loads.get("subscriptions", 0)
    return len(kept.facts.kinds) < kept.kinds or (told and not kept.facts.subscriptions)


def _counted(session: Session) -> Facts:
    from retainstream.ml.asof.dictionary import KindFacts

    carries = func.max(func.json_extract(Event.properties, f"$.{DEFAULT_PROPERTY}").is_not(None))
    query = (
        select(Event.kind_id, func.count(), func.count(Event.customer_id.distinct()), func.count(Event.value), carries)
        .where(applied(Event.batch_id))
        .group_by(Event.kind_id)
    )
    names = {row.id: row.name for row in session.execute(select(EventKind.id, EventKind.name))}
    kinds, properties = dict[str, KindFacts](), tuple[str, ...]()
    for kind_id, n, customers, valued, carried in session.execute(query):
        kinds[names[kind_id]] = KindFacts(n, customers, valued)
        properties = (DEFAULT_PROPERTY,) if carried else properties
    told = session.execute(select(Subscription.id).where(applied(Subscription.batch_id)).limit(1)).first()
    return Facts(kinds, properties, told is not None)


def counted_properties(session: Session) -> tuple[str, ...]:
    """Return the properties that features of this box count or once counted, sorted."""
    return tuple(sorted({DEFAULT_PROPERTY, *feature_dictionary.properties_ever(session)}))


def profile_columns(session: Session) -> list[ProfileColumn]:
    """Return every attribute but free text; dates are for the leak sentry only."""
    learnable = {column.spec.name for column in datasets.columns(session)}
    found = [
        ProfileColumn(
            replace(column.spec, recipe=Recipe("profile", "value", event=column.spec.name)),
            column.source,
            column.spec.name in learnable,
        )
        for column in datasets.columns(session, all_kinds=True)
    ]
    dates = select(AttributeDefinition).where(AttributeDefinition.kind == "date").order_by(AttributeDefinition.id)
    for row in session.scalars(dates):
        overflow = AttributeVersion.extra[row.name].as_float()
        source = overflow if row.slot is None else getattr(AttributeVersion, row.slot)
        found.append(ProfileColumn(FeatureSpec(name=row.name, kind="number", title=row.title), source, False))
    return found


def applied(batch_id: InstrumentedAttribute[int | None]) -> ColumnElement[bool]:
    """Return the condition for rows that exist: those of no import, or of one that is applied."""
    return or_(batch_id.is_(None), batch_id.not_in(select(ImportBatch.id).where(ImportBatch.state != "applied")))
