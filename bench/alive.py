"""A trained version met with other scores on exactly its own test rows: recency alone, and the BG/NBD model of repeat buying.

Lives here: the test rows made again from the database by the product's own services, scores of those rows, and paired comparisons of the
rankings. Driving the product and printing is `real_events`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retainstream.app import create_minimal_app
from retainstream.config import Settings
from retainstream.db import db, read_unit
from retainstream.ml.asof import panel as panels
from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dictionary import RECENCY
from retainstream.ml.bootstrap import Metrics, draws_for, interval, resample
from retainstream.ml.metrics import Ranking
from retainstream.ml.repeat_buying import BetaGeometricNBD, NotConvergedError, RepeatSummary, summarise
from retainstream.ml.report import Estimate
from retainstream.ml.rivals import area_under_roc
from retainstream.models import ChurnDefinition, ModelVersion
from retainstream.services import as_of, churn_definitions, registry
from retainstream.services.forward_training.learning import MAX_ROWS

PURCHASE = "purchase"


@dataclass(frozen=True)
class TestRows:
    """The rows that a version was judged on.

    Attributes
    ----------
    customer, as_of : int64 arrays of shape (n,)
    y : int8 array of shape (n,)
        1 left, 0 stayed.
    margin : float64 array of shape (n,)
        The stored version's, log-odds.
    recency : float64 array of shape (n,)
        Days since the last activity.
    inactive_days : int
    history : History
        What was known when the version was trained.
    """

    customer: np.ndarray
    as_of: np.ndarray
    y: np.ndarray
    margin: np.ndarray
    recency: np.ndarray
    inactive_days: int
    history: History


@dataclass(frozen=True)
class Compared:
    """One ranking of the test rows. Differences are the model's figure minus this one's, paired: every draw of customers judges both."""

    title: str
    auc: Estimate
    auc_difference: Estimate
    lift: Estimate
    lift_difference: Estimate


@dataclass(frozen=True)
class RepeatBuying:
    """What BG/NBD says of the test rows, each as of its own date.

    Attributes
    ----------
    alive : float64 array of shape (n,)
        Probability of not having dropped out.
    returns : float64 array of shape (n,)
        Probability of a purchase in as many days as the definition's silence lasts.
    fits : tuple of str
        The parameters by date, in words.
    """

    alive: np.ndarray
    returns: np.ndarray
    fits: tuple[str, ...]


def test_rows(folder: Path, version_id: int) -> TestRows:
    """Make a version's test rows again by the doors that its training went through, and score them with the stored version.

    The training was asked for nothing but a definition.

    Raises
    ------
    RuntimeError
        When the scores do not give the report's AUC to 1e-6: then these are not the rows that were judged.
    """
    settings = Settings(instance=str(folder))
    with create_minimal_app(settings).app_context():
        try:
            with read_unit() as session:
                version = session.get_one(ModelVersion, version_id)
                rule = churn_definitions.rule_of(session.get_one(ChurnDefinition, version.definition_id))
                if rule is None or rule.inactive_days is None or version.as_of is None or not version.artifact_sha256:
                    raise RuntimeError(f"Version {version_id} is not a served model of inactivity.")
                history = as_of.history(session, settings).cut(version.as_of)
                predictor = registry.load(session, version.id, version.artifact_sha256)
                moment, reported = version.as_of, float(version.report["metrics"]["auc"]["value"])
        finally:
            db.engine.dispose()
    panel = panels.assemble(history, predictor.features_, rule, data_end=moment, max_rows=MAX_ROWS, seed=0)
    rows = panels.split(panel).test
    frame = panel.frame.iloc[rows]
    margin = predictor.margin(frame)
    found = area_under_roc(panel.y[rows], margin)
    if abs(found - reported) > 1e-6:
        raise RuntimeError(f"The rows made again have an AUC of {found:.8f}, the report says {reported:.8f}.")
    recency = frame[RECENCY].to_numpy(np.float64)
    return TestRows(
        panel.customer[rows], panel.as_of[rows], panel.y[rows], margin, recency, rule.inactive_days, history
    )


def repeat_buying(rows: TestRows) -> RepeatBuying:
    """Fit BG/NBD at each observation date to all purchases known before it, and apply it to the rows of that date.

    Where its likelihood has no maximum because dropping out does not pay (in some shops nobody seems ever to be gone for good), its limit is
    taken: buying at gamma distributed rates, everybody alive.
    """
    events = rows.history.events
    bought = events.take(events.kind == events.kinds.index(PURCHASE))
    alive, returns, fits = np.empty(len(rows.y)), np.empty(len(rows.y)), []
    for date in np.unique(rows.as_of).tolist():
        known = bought.cut(date)
        summary = summarise(known.customer, known.occurred // DAY_US, date / DAY_US)
        here = np.flatnonzero(rows.as_of == date)
        own = _of(summary, rows.customer[here])
        try:
            model = BetaGeometricNBD.fit(summary)
            alive[here], r, alpha = model.probability_alive(own), model.r, model.alpha
            dropping = f"a {model.a:.3g}, b {model.b:.3g}"
        except NotConvergedError as none:
            alive[here], (r, alpha), dropping = 1.0, _without_dropping_out(summary), f"everybody alive ({none})"
        returns[here] = alive[here] * _buys_while_alive(r, alpha, own, rows.inactive_days / 7.0)
        day = dt.datetime.fromtimestamp(date / 1e6, dt.UTC).date()
        fits.append(f"{day}: r {r:.3f}, alpha {alpha:.2f} weeks, {dropping}; {len(summary.customer):,} customers")
    return RepeatBuying(alive, returns, tuple(fits))


def _of(summary: RepeatSummary, customers: np.ndarray) -> RepeatSummary:
    place = np.searchsorted(summary.customer, customers)
    if not np.array_equal(summary.customer[np.minimum(place, len(summary.customer) - 1)], customers):
        raise RuntimeError(
            "Some customers of the test rows bought nothing before their date: BG/NBD knows nothing of them."
        )
    columns = (summary.customer, summary.frequency, summary.recency, summary.age)
    return RepeatSummary(*(column[place] for column in columns))


def _without_dropping_out(summary: RepeatSummary) -> tuple[float, float]:
    """Return r and alpha of the limit of BG/NBD in which nobody drops out, by maximum likelihood (Ehrenberg's NBD)."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    x, age = summary.frequency, summary.age

    def loss(logs: np.ndarray) -> float:
        r, alpha = np.exp(logs)
        each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + age)
        return -float(each.mean())

    found = minimize(loss, np.array([0.0, 2.0]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-11})
    r, alpha = np.exp(found.x).tolist()
    return r, alpha


def _buys_while_alive(r: float, alpha: float, known: RepeatSummary, ahead: float) -> np.ndarray:
    """Return the chance that somebody who has not dropped out buys within ``ahead`` units of time.

    The rate of such a customer is gamma distributed with shape r + x and rate alpha + T, so that the chance of no purchase in t is
    ((alpha + T) / (alpha + T + t)) ** (r + x): Fader, Hardie and Lee (2005), the mixture behind their equation 7.
    """
    rate = alpha + known.age
    return np.asarray(1 - (rate / (rate + ahead)) ** (r + known.frequency))


def compare(rows: TestRows, others: dict[str, np.ndarray]) -> tuple[Compared, ...]:
    """Compare rankings (higher: more likely to leave) with the model's by AUC and by lift at 10%; intervals by customer."""
    own = Ranking(rows.y, rows.margin)
    rankings = {title: Ranking(rows.y, score) for title, score in others.items()}

    def evaluate(weights: np.ndarray) -> Metrics:
        model, found = own.evaluate(weights), {}
        for title, ranking in rankings.items():
            figures = ranking.evaluate(weights)
            for name in ("auc", "top_decile_lift"):
                found[f"{title}.{name}"] = figures[name]
                found[f"{title}.{name}.difference"] = model[name] - figures[name]
        return found

    groups = np.unique(rows.customer, return_inverse=True)[1]
    values, replicates = resample(evaluate, groups, draws_for(len(groups)), np.random.default_rng(0))
    told = {name: interval(value, replicates[name]) for name, value in values.items()}
    return tuple(
        Compared(
            title, told[f"{title}.auc"], told[f"{title}.auc.difference"], told[f"{title}.top_decile_lift"],
            told[f"{title}.top_decile_lift.difference"],
        )
        for title in others
    )  # fmt: skip
