"""Runs as people see them: what the model promised beside what happened, or beside an estimate until that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, NotReady
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, PageRequest, decode_cursor, encode_cursor, whole_id
from retainstream.models import ChurnDefinition, ModelVersion, RunPerformance, ScoringRun
from retainstream.services import as_of, churn_definitions, model_card
from retainstream.services.paging import reading_cursor
from retainstream.services.performance import figures
from retainstream.services.performance.judging import ROLES, required_rule
from retainstream.services.score_history import THINNED

STATES = ("judged", "due", "open", "not_kept")
"""Of a run: judged; its window has closed, so that the next judging takes it; still open; its scores were removed before anybody judged them."""
_SORT = "performance"
_ESTIMATES_PER_CALL = 3
"""So many estimates are made while a reader waits; the judge job makes all of them."""
_NONE_JUDGED = "No run has been judged yet: a run is judged when its window has closed, and what may be expected until then is an estimate."
_REPLAYS_ONLY = "No run of a model in service has been judged yet. These figures are of replays: what would have been said on past days."


@dataclass(frozen=True)
class _Row:
    run: ScoringRun
    definition: ChurnDefinition
    version: ModelVersion
    judged: RunPerformance | None

    @property
    def hindsight(self) -> bool:
        """Whether the model knew of later days than the one it looked ahead from."""
        return self.version.as_of is not None and self.version.as_of > self.run.as_of


def results(
    session: Session,
    *,
    model_version: int | None = None,
    role: str | None = None,
    request: PageRequest = FIRST_PAGE,
    at_hand: bool = False,
) -> dict[str, object]:
    """Return runs over everybody by models that look ahead, newest as-of first, and a summary of all judged ones.

    Parameters
    ----------
    model_version : int, optional
        Only runs of this version.
    role : str, optional
        Only champion's or replayed runs.
    at_hand : bool
        Whether estimates that nobody made yet stay away: making one loads a model and sorts all scores of a run.

    Returns
    -------
    dict
        A page (`items`, `next_cursor`, `total`) and `summary`.

    Raises
    ------
    InvalidInput
        For a cursor of another list.
    """
    conditions = _conditions(model_version, role)
    total = session.scalar(_joined(select(func.count(ScoringRun.id))).where(*conditions)) or 0
    query = _joined(select(ScoringRun, ChurnDefinition, RunPerformance)).where(*conditions)
    if request.cursor:
        with reading_cursor():
            moment, last = (whole_id(one) for one in decode_cursor(request.cursor, _SORT, 2))
        earlier = ScoringRun.as_of < moment
        query = query.where(earlier | and_(ScoringRun.as_of == moment, ScoringRun.id < last))
    ordered = query.order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
    found = session.execute(ordered.offset(request.offset).limit(request.limit + 1)).all()
    # A version is loaded once, not with each of its runs: its report is long.
    rows = [
        _Row(run, definition, session.get_one(ModelVersion, run.model_version_id), judged)
        for run, definition, judged in found[: request.limit]
    ]
    more = len(found) > len(rows)
    return {
        "items": _present(session, rows, 0 if at_hand else _ESTIMATES_PER_CALL),
        "next_cursor": encode_cursor(_SORT, [rows[-1].run.as_of, rows[-1].run.id]) if more else None,
        "total": total,
        "summary": _summary(session, conditions),
    }


def _joined(query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return (
        query.join(ChurnDefinition, ChurnDefinition.id == ScoringRun.definition_id)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .outerjoin(RunPerformance, RunPerformance.run_id == ScoringRun.id)
    )


def _conditions(model_version: int | None, role: str | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        ScoringRun.state == "complete",
        ScoringRun.scope == "all",
        ScoringRun.role.in_(ROLES if role is None else (role,)),
        ChurnDefinition.kind != churn_definitions.LABELLED,
    ]
    if model_version is not None:
        found.append(ScoringRun.model_version_id == model_version)
    return found


def _present(session: Session, rows: Sequence[_Row], room: int) -> list[dict[str, object]]:
    try:
        data_end = as_of.data_end(session)
    except NotReady:
        data_end = 0
    items = []
    for row in rows:
        state = _state(row, data_end)
        estimated = None
        if state in ("open", "due") and row.version.calibrated:
            estimated = figures.estimate_at_hand(session, row.run)
            if estimated is None and room:
                room -= 1
                estimated = _made(session, row)
        items.append(_item(row, state, estimated))
    return items


def _made(session: Session, row: _Row) -> dict[str, object] | None:
    try:
        return figures.estimate(session, row.run.id, row.version.id)
    except Conflict:
        return None


def _state(row: _Row, data_end: int) -> str:
    if row.judged is not None:
        return "judged"
    if THINNED in row.run.summary:
        return "not_kept"
    return "due" if row.run.as_of + required_rule(row.definition).maturity_us <= data_end else "open"


def _item(row: _Row, state: str, estimated: dict[str, object] | None) -> dict[str, object]:
    run, rule = row.run, required_rule(row.definition)
    opens = run.as_of + rule.lead_days * clock.DAY_US
    promised, realised = None, None
    if row.judged is not None:
        figures_then = dict(row.judged.metrics)
        promised = figures_then.pop("promised")
        realised = {
            **figures_then,
            "data_end": clock.iso(row.judged.data_end),
            "judged_at": clock.iso(row.judged.evaluated_at),
        }
    return {
        "run_id": run.id,
        "role": run.role,
        "model_version": run.model_version_id,
        "kind": row.version.kind,
        "calibrated": row.version.calibrated,
        "definition": model_card.definition_in_short(row.definition),
        "hindsight": row.hindsight,
        "as_of": clock.iso(run.as_of),
        "scored_at": clock.iso(run.finished_at),
        "n_scored": run.n_scored,
        "window": {
            "opens_at": clock.iso(opens),
            "ends_at": clock.iso(opens + rule.horizon_days * clock.DAY_US),
            "closes_at": clock.iso(run.as_of + rule.maturity_us),
        },
        "state": state,
        "promised": promised or figures.promised(row.version, run.n_scored),
        "realised": realised,
        "estimated": estimated,
    }


def _summary(session: Session, conditions: Sequence[ColumnElement[bool]]) -> dict[str, object]:
    """Sum up the judged runs: the champion's, or replays without hindsight where the champion has none."""
    query = select(ScoringRun.role, ScoringRun.as_of, ModelVersion.as_of, RunPerformance.metrics)
    found = session.execute(_joined(query).where(*conditions, RunPerformance.run_id.is_not(None))).all()
    fair = [(role, moment, metrics) for role, moment, knew, metrics in found if knew is None or knew <= moment]
    role = "champion" if any(role == "champion" for role, _, _ in fair) else "replay"
    of_role = [(moment, cast("dict[str, Any]", metrics)) for one, moment, metrics in fair if one == role]
    moments = [moment for moment, _ in of_role]
    message = _NONE_JUDGED if not of_role else _REPLAYS_ONLY if role == "replay" else None
    figures_of_all = [metrics for _, metrics in of_role]
    shown = [metrics for metrics in figures_of_all if metrics["mean_probability"] is not None]
    pairs = [
        (metrics["n"], told, metrics["metrics"]["auc"]["value"])
        for metrics in figures_of_all
        if "auc" in metrics["metrics"] and (told := _auc(metrics["promised"])) is not None
    ]
    return {
        "role": role if of_role else None,
        "runs": len(of_role),
        "first_as_of": clock.iso(min(moments)) if moments else None,
        "last_as_of": clock.iso(max(moments)) if moments else None,
        "customers": sum(metrics["n"] for metrics in figures_of_all),
        "churners": sum(metrics["churners"] for metrics in figures_of_all),
        "promised_auc": _mean([(n, told) for n, told, _ in pairs]),
        "realised_auc": _mean([(n, came) for n, _, came in pairs]),
        "mean_probability": _mean([(metrics["n"], metrics["mean_probability"]) for metrics in shown]),
        "observed_share": _mean([(metrics["n"], metrics["observed_share"]) for metrics in shown]),
        "message": message,
    }


def _auc(promised: Mapping[str, Any]) -> float | None:
    return cast("float | None", promised["metrics"].get("auc", {}).get("value"))


def _mean(weighted: Sequence[tuple[float, float]]) -> float | None:
    """Return the mean of values with weights; None without any."""
    weight = sum(n for n, _ in weighted)
    return sum(n * value for n, value in weighted) / weight if weight else None
