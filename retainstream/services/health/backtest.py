"""Would the health score have told who left? Schemes on past observation dates, beside the churn model's scores of the time and plain silence.

Two panels, because the rivals are not known on the same dates: that of a training (every part as known then, and what came after), and the dates from
which the model looked ahead, whose scores are still on record. A model that knew of later days is no rival there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.lib import clock
from retainstream.models import ModelVersion, ScoreHistory, ScoringRun
from retainstream.services import exposures, jobs
from retainstream.services.health import parts
from retainstream.services.health.ground import Ground
from retainstream.services.health.schemes import SchemeView
from retainstream.services.score_history import THINNED

if TYPE_CHECKING:
    from retainstream.ml.asof.panel import Panel
    from retainstream.ml.health import HealthPanel

MAX_ROWS = 40_000
MAX_RUNS = 12
ROLES = ("champion", "replay")
WORDS = "back-test of health scores"
SNAPSHOT = (
    "A labelled table says who left, but not what was known of them before: a health score can be held against who really left once events or "
    "subscriptions with their times are on record, and a churn definition that looks ahead is in force."
)
_ALL_OR_NOBODY = "On these dates everybody left or nobody did, so nothing can be said of the score."


def judge(
    context: jobs.JobContext, ground: Ground, used: tuple[SchemeView, ...], part: tuple[float, float]
) -> dict[str, Any]:
    """Hold each scheme against what happened.

    Returns
    -------
    dict
        `message` (why not, or None), `dates`, `n`, `left`, `notes` of the panel, `model_dates`, and `schemes`: by the scheme's id `past` (health and
        silence on the panel), `beside_model` (all three on the dates of the model's scores) and `proposal`, each a dict, or `{"message": why}`.
    """
    if ground.rule is None:
        return {"message": SNAPSHOT, "schemes": {}}
    from retainstream.ml.asof.panel import TooLittleHistory, assemble

    context.progress(WORDS, part[0])
    with read_unit() as session:
        treated = exposures.treated(session, ground.moment)
    try:
        panel = assemble(
            ground.history, ground.specs(used), ground.rule, data_end=ground.moment, treated=treated, max_rows=MAX_ROWS,
            progress=lambda share: context.progress(WORDS, part[0] + 0.4 * share * (part[1] - part[0])),
        )  # fmt: skip
    except TooLittleHistory as little:
        return {"message": little.message, "schemes": {}}
    with read_unit() as session:
        scored = _scored(session, ground)
    context.progress(WORDS, part[0] + 0.4 * (part[1] - part[0]))
    beside = _beside(ground, used, scored)
    told: dict[str, Any] = {}
    for place, scheme in enumerate(used):
        context.progress(WORDS, part[0] + (part[1] - part[0]) * (0.5 + 0.5 * place / len(used)))
        told[str(scheme.id)] = {
            "past": tested(scheme, past_panel(panel, ground, scheme)),
            "beside_model": {"message": _no_model(scored)} if beside is None else tested(scheme, beside[scheme.id]),
            "proposal": proposed(panel, ground, scheme),
        }
    return {
        "message": None,
        "dates": [clock.iso(one) for one in panel.dates],
        "n": len(panel),
        "left": int(panel.y.sum()),
        "horizon_days": ground.rule.horizon_days,
        "notes": list(panel.notes),
        "model_dates": [clock.iso(one) for one, _, _ in scored],
        "schemes": told,
    }


def past_panel(panel: Panel, ground: Ground, scheme: SchemeView) -> HealthPanel:
    """Return a training's panel as one of health: each row as known on its date, and whether the customer left."""
    from retainstream.ml.health import HealthPanel

    silent = panel.frame[parts.RECENCY].to_numpy(np.float64) if parts.RECENCY in panel.frame else None
    values = parts.values(panel.frame, ground.sources(scheme.parts))
    return HealthPanel(panel.as_of, panel.customer, values, panel.y == 1, silent_days=silent)


def tested(scheme: SchemeView, panel: HealthPanel) -> dict[str, Any]:
    """Return what a back-test says, as JSON."""
    from retainstream.ml.health import backtest

    try:
        found = asdict(backtest(scheme.of_ml(), panel))
    except ValueError:
        return {"message": _ALL_OR_NOBODY}
    found["dates"] = [{**one, "as_of": clock.iso(one["as_of"])} for one in found["dates"]]
    return {"message": None, **found}


def proposed(panel: Panel, ground: Ground, scheme: SchemeView) -> dict[str, Any]:
    """Return the weights that the earlier dates suggest, judged on the later ones, as JSON."""
    from retainstream.ml.asof.panel import TooLittleHistory, split
    from retainstream.ml.health import NothingToLearnError, propose_weights

    try:
        judged_from = split(panel).parts["calibrate"]["from"]
        found = propose_weights(
            scheme.of_ml(),
            past_panel(panel, ground, scheme),
            judged_from=int(str(judged_from)),
            window=panel.rule.maturity_us,
        )
    except (TooLittleHistory, NothingToLearnError) as nothing:
        return {"message": str(nothing)}
    except ValueError:
        return {"message": _ALL_OR_NOBODY}
    told = asdict(found)
    told["weights"] = dict(zip(scheme.keys, found.weights, strict=True))
    told["intervals"] = dict(zip(scheme.keys, told["intervals"], strict=True))
    return {"message": None, "better": bool(found.better), "judged_from": clock.iso(int(str(judged_from))), **told}


Said = tuple[int, np.ndarray, np.ndarray]
"""An as-of, customers (rising) and the model's margins."""


def _scored(session: Session, ground: Ground) -> list[Said]:
    """Return what the model said on past dates whose window has closed, under the definition in force and without hindsight; one run a date."""
    assert ground.rule is not None
    query = (
        select(ScoringRun.id, ScoringRun.as_of, ScoringRun.summary)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .where(
            ScoringRun.state == "complete",
            ScoringRun.scope == "all",
            ScoringRun.role.in_(ROLES),
            ScoringRun.definition_id == ground.definition_id,
            ScoringRun.as_of <= ground.moment - ground.rule.maturity_us,
            ModelVersion.as_of.is_(None) | (ModelVersion.as_of <= ScoringRun.as_of),
        )
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
    )
    kept: dict[int, int] = {}
    for run_id, moment, summary in session.execute(query):
        if THINNED not in summary and moment not in kept and len(kept) < MAX_RUNS:
            kept[moment] = run_id
    found = []
    for moment, run_id in sorted(kept.items()):
        rows = session.execute(
            select(ScoreHistory.customer_id, ScoreHistory.margin)
            .where(ScoreHistory.run_id == run_id)
            .order_by(ScoreHistory.customer_id)
        ).all()
        if rows:
            found.append((moment, np.array([row[0] for row in rows], np.int64), np.array([row[1] for row in rows])))
    return found


def _beside(ground: Ground, used: tuple[SchemeView, ...], scored: list[Said]) -> dict[int, HealthPanel] | None:
    """Return, by scheme, a panel of the dates from which the model looked ahead; None without any."""
    from retainstream.ml.asof.outcomes import Outcomes
    from retainstream.ml.health import HealthPanel

    if not scored:
        return None
    assert ground.rule is not None
    outcomes = Outcomes(ground.rule, ground.history.cut(ground.moment), ground.moment)
    builder = ground.builder(used)
    values: dict[int, list[np.ndarray]] = {one.id: [] for one in used}
    columns: list[list[np.ndarray]] = []
    most = max(1, MAX_ROWS // len(scored))
    for moment, customers, margins in scored:
        y = outcomes.labels(customers, moment).y
        rows = np.flatnonzero(y >= 0)
        if len(rows) > most:  # the same customers on every date, by the order of their ids' remainders
            rows = rows[np.argsort(customers[rows] * 2654435761 % 2**32, kind="stable")[:most]]
            rows.sort()
        frame = builder.at(moment, customers[rows])
        silent = frame[parts.RECENCY].to_numpy(np.float64) if parts.RECENCY in frame else np.full(len(rows), np.nan)
        columns.append([np.full(len(rows), moment), customers[rows], y[rows] == 1, margins[rows], silent])
        for scheme in used:
            values[scheme.id].append(parts.values(frame, ground.sources(scheme.parts)))
    as_of, customer, left, margin, silent = (np.concatenate(one) for one in zip(*columns, strict=True))
    known = None if np.isnan(silent).all() else silent
    return {
        one: HealthPanel(as_of, customer, np.concatenate(found), left, margin, known) for one, found in values.items()
    }


def _no_model(scored: list[Said]) -> str:
    return (
        ""
        if scored
        else "The churn model gave no scores yet whose time is over: replay a past day to see it beside the health score on the same dates."
    )
