"""Who is to be scored, by which model, and from what: attribute versions for a snapshot, the history cut at a time for a model that looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.errors import Conflict
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, Customer, LatestScore, ScoringRun
from retainstream.services import as_of, churn_definitions, datasets, forward_training, jobs, preferences, registry
from retainstream.services.preferences import Preferences
from retainstream.services.scoring import single, standings
from retainstream.services.scoring.computing import Rows, Work

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml import ChurnPredictor
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule


@dataclass(frozen=True)
class Source:
    """What a forward-looking model scores with."""

    model: registry.Version
    predictor: ChurnPredictor
    rule: ChurnRule
    preferences: Preferences
    feature_hash: str


def champion_work(context: jobs.JobContext, scope: str, customer_ids: Sequence[int] | None) -> Work:
    """Return the work of the model in service: now for a snapshot, as of the end of the data for a model that looks ahead.

    Raises
    ------
    NotReady
        When no model is in service, or there is no history to look ahead from.
    """
    with read_unit() as session:
        model = registry.required_champion(session)
        if not model.forward:
            return _snapshot(session, model, scope, customer_ids)
        moment = as_of.data_end(session)
        source = forward_source(session, model)
        properties = single.properties_of(source.predictor.features_)
        history = as_of.history(session, context.settings, customer_ids=customer_ids, properties=properties)
        revenue = current_revenue(session)
    history = history.cut(moment)  # the whole one is let go
    return forward_work(source, history, moment, scope=scope, role=registry.CHAMPION, revenue=revenue)


def _snapshot(session: Session, model: registry.Version, scope: str, customer_ids: Sequence[int] | None) -> Work:
    predictor = registry.load(session, model.version_id, model.sha256)
    names = [spec.name for spec in predictor.features_]
    data = datasets.scoring_set(session, customer_ids, names=names)
    rows = Rows(data.frame, data.ids, data.version_ids, data.revenue_minor, data.data_as_of)
    feature_hash = registry.feature_hash_of(session, model.feature_set_id)
    chosen = preferences.read(session)
    return Work(model, predictor, rows, chosen, scope, registry.CHAMPION, clock.now_us(), feature_hash)


def forward_source(session: Session, model: registry.Version) -> Source:
    """Return what a model that looks ahead scores with."""
    return Source(
        model,
        registry.load(session, model.version_id, model.sha256),
        rule_of(session, model.definition_id),
        preferences.read(session),
        registry.feature_hash_of(session, model.feature_set_id),
    )


def rule_of(session: Session, definition_id: int) -> ChurnRule:
    """Return the rule of a definition that looks ahead; raises Conflict for a labelled column, which does not."""
    rule = churn_definitions.rule_of(session.get_one(ChurnDefinition, definition_id))
    if rule is None:
        raise Conflict("A labelled column says who has left, and not when: no model of it looks ahead.")
    return rule


def current_revenue(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return the monthly revenue of every visible customer: ids, rising, and float64 minor units, NaN where there is none."""
    import numpy as np

    query = sa.select(Customer.id, Customer.revenue_minor).where(Customer.visible()).order_by(Customer.id)
    found = np.array([tuple(row) for row in session.execute(query)], dtype=np.float64).reshape(-1, 2)
    return found[:, 0].astype(np.int64), found[:, 1]


def forward_work(
    source: Source,
    history: History,
    moment: int,
    *,
    scope: str,
    role: str,
    revenue: tuple[np.ndarray, np.ndarray] | None = None,
) -> Work:
    """Build the features of everybody who is a customer at a moment, of nothing but what was known before it. Heavy: call it outside of any unit.

    Parameters
    ----------
    history : History
        Cut at the moment.
    revenue : pair of arrays, optional
        As of `current_revenue`; without it, revenue is what the subscriptions said at that time.
    """
    from retainstream.ml.asof.builder import features
    from retainstream.ml.asof.panel import revenue_at

    here = standings.at(source.rule, history, moment)
    rows = Rows(
        features(history, source.predictor.features_, moment, here.active),
        here.active,
        None,
        revenue_at(history, moment, here.active) if revenue is None else _matched(*revenue, here.active),
        forward_training.newest_known(history),
    )
    model, predictor = source.model, source.predictor
    return Work(model, predictor, rows, source.preferences, scope, role, moment, source.feature_hash, here)


def _matched(ids: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    import numpy as np

    if not len(ids):
        return np.full(len(wanted), np.nan)
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[place] == wanted, values[place], np.nan)


def others_in_force(work: Work) -> np.ndarray:
    """Return the margins in force, by the same model, of customers that a run over some of them does not score; float64."""
    import numpy as np

    if work.scope == "all":
        return np.empty(0)
    query = (
        sa.select(LatestScore.customer_id, LatestScore.margin)
        .join(ScoringRun, ScoringRun.id == LatestScore.run_id)
        .where(ScoringRun.model_version_id == work.model.version_id)
    )
    with read_unit() as session:
        found = session.execute(query).all()
    if not found:
        return np.empty(0)
    ids, margins = (np.asarray(part) for part in zip(*found, strict=True))
    return np.asarray(margins[~np.isin(ids, work.rows.ids)], dtype=np.float64)
