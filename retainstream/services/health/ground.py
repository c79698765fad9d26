"""What health scores are made from: the history, whom they are for at a time, and the values of parts then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec
from retainstream.models import Customer
from retainstream.services import as_of, churn_definitions
from retainstream.services.health import parts
from retainstream.services.health.parts import Source
from retainstream.services.health.schemes import SchemePart, SchemeView

if TYPE_CHECKING:
    import pandas as pd

    from retainstream.ml.asof.builder import Builder
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule

PAST_MONTHS = 3
_FEWEST_PARTS, _SOME_PARTS = 2, 5
LEAST_DAYS = 30
"""So much has to lie before a past date: with less, parts that look back would be empty."""


@dataclass(frozen=True)
class Ground:
    """What is known of everybody, for scores at any time.

    Attributes
    ----------
    moment : int
        What the present scores are as of, microseconds UTC: the end of the data; today's beginning for a table without times.
    data_as_of : int
    rule : ChurnRule or None
        None without a churn definition that looks ahead: then everybody who has not left by the table is scored, at the present alone.
    known : dict of str to Source
        The parts that this box can make.
    staying, left : int64 arrays
        Rising ids of the visible customers who have not left by the label, and of those who have.
    """

    history: History
    moment: int
    data_as_of: int
    definition_id: int | None
    rule: ChurnRule | None
    known: dict[str, Source]
    staying: np.ndarray
    left: np.ndarray

    def sources(self, scheme_parts: Iterable[SchemePart]) -> list[Source | None]:
        """Return where each part comes from; None for one that this box can no longer make."""
        return [self.known.get(part.key) for part in scheme_parts]

    def builder(self, schemes: Sequence[SchemeView]) -> Builder:
        """Return a builder of all features that some schemes are made of, and of the last sign of life."""
        from retainstream.ml.asof.builder import Builder

        return Builder(self.history, self.specs(schemes))

    def specs(self, schemes: Sequence[SchemeView]) -> tuple[FeatureSpec, ...]:
        """Return those features."""
        used = [source for scheme in schemes for source in self.sources(scheme.parts) if source is not None]
        silence = self.known.get(parts.SILENCE)
        return parts.specs_of(used, () if silence is None else silence.specs)

    def customers(self, moment: int) -> np.ndarray:
        """Return whom there are scores for at a time: rising ids of those who were customers then, without an end that was already known."""
        if self.rule is None:
            return self.staying
        from retainstream.ml.asof.standing import standing

        return standing(self.rule, self.history, moment).customers

    def month_ends(self) -> tuple[int, ...]:
        """Return the ends of the last calendar months (UTC, as days of the data end) before the present that have enough before them, oldest first."""
        if self.rule is None:
            return ()
        starts = [log for log in (self.history.events.known, self.history.subscriptions.received) if len(log)]
        first = min((int(log.min()) for log in starts), default=self.moment)
        month = np.datetime64(self.moment - 1, "us").astype("datetime64[M]")
        ends = [int((month - back).astype("datetime64[us]").astype(np.int64)) for back in range(PAST_MONTHS)]
        return tuple(sorted(end for end in ends if first + LEAST_DAYS * clock.DAY_US <= end < self.moment))


def read(session: Session, settings: Settings) -> Ground:
    """Read what scores are made from; raises NotReady where there is neither a history nor a table with figures."""
    definition = churn_definitions.in_force(session)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    try:
        moment, known_at = as_of.data_end(session), as_of.data_as_of(session)
    except NotReady:
        # A table tells what is known now: the next day's beginning takes in what came today.
        moment = (clock.now_us() // clock.DAY_US + 1) * clock.DAY_US
        known_at, rule = clock.now_us(), None
    found = parts.catalogue(session)
    if not found:
        raise NotReady(
            "There is nothing to make a health score of: no events, no subscriptions, and no attribute that is a number."
        )
    rows = session.execute(select(Customer.id, Customer.churned).where(Customer.visible()).order_by(Customer.id)).all()
    gone = np.array([bool(row[1]) for row in rows], bool)
    ids = np.array([row[0] for row in rows], np.int64)
    return Ground(
        history=as_of.history(session, settings),
        moment=moment,
        data_as_of=known_at,
        definition_id=None if definition is None else definition.id,
        rule=rule,
        known=found,
        staying=ids[~gone],
        left=ids[gone],
    )


def default_parts(ground: Ground) -> list[SchemePart]:
    """Return the parts that the box takes by itself, with ends by how its customers spread; raises NotReady when none tells customers apart."""
    from retainstream.ml.asof.builder import features
    from retainstream.ml.health import whole_weights

    everybody = ground.customers(ground.moment)
    chosen = [source for source in ground.known.values() if source.weight]
    frame = features(ground.history, parts.specs_of(chosen), ground.moment, everybody)
    ends = _ends(chosen, frame)
    if ground.rule is None and len(ends) < _FEWEST_PARTS:
        chosen, frame = _by_label(ground)
        ends = _ends(chosen, frame)
    kept = [source for source in chosen if source.key in ends]
    if not kept:
        raise NotReady("No part of a health score tells one customer from another yet.")
    weights = whole_weights(np.array([source.weight for source in kept], np.float64))
    return [
        SchemePart(source.key, source.title, weight, *ends[source.key], source.unit)
        for source, weight in zip(kept, weights, strict=True)
    ]


def _by_label(ground: Ground) -> tuple[list[Source], pd.DataFrame]:
    """Return the attributes that tell leavers apart by a table's label, and their values for those who stay; the first few where none does."""
    from retainstream.ml.asof.builder import features

    everybody = np.sort(np.concatenate([ground.staying, ground.left]))
    sources = list(ground.known.values())
    frame = features(ground.history, parts.specs_of(sources), ground.moment, everybody)
    columns = dict(zip([one.key for one in sources], parts.values(frame, sources).T, strict=True))
    chosen = parts.by_label(ground.known, columns, np.isin(everybody, ground.left))
    if len(chosen) < _FEWEST_PARTS:
        chosen = [replace(source, weight=1) for source in sources[:_SOME_PARTS]]
    stays = np.isin(everybody, ground.staying)
    return chosen, frame[stays].reset_index(drop=True)


def _ends(sources: Sequence[Source], frame: pd.DataFrame) -> dict[str, tuple[float, float]]:
    columns = parts.values(frame, sources)
    found = {source.key: parts.ends_of(source, columns[:, at]) for at, source in enumerate(sources)}
    # A part with ends of its own says nothing while everybody has the same value, or none.
    told = {
        source.key for at, source in enumerate(sources) if len(np.unique(columns[~np.isnan(columns[:, at]), at])) > 1
    }
    return {key: ends for key, ends in found.items() if ends is not None and key in told}
