"""How the whole base moved from scoring to scoring: what was expected each time, and what came of it once that was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.models import ModelVersion, RunPerformance, ScoringRun
from retainstream.services import registry

LONGEST = 60


@dataclass(frozen=True)
class Moment:
    """One scoring of everybody, by a model that knew of no later day.

    Attributes
    ----------
    as_of : int
        Microseconds UTC.
    version_id : int
    scored : int
        Customers.
    predicted : int
        Those in the bands high and very high, by the bands of that day.
    expected : float or None
        Sum of their chances of leaving; None where probabilities are withheld.
    revenue_at_risk_minor : int or None
        A month's, in the box's currency.
    left_share, auc : float or None
        What came of it: the share that left within the window, and how well they were ranked; None until the window has closed.
    """

    as_of: int
    version_id: int
    scored: int
    predicted: int | None
    expected: float | None
    revenue_at_risk_minor: int | None
    left_share: float | None
    auc: float | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "as_of": clock.iso(self.as_of),
            "model_version": self.version_id,
            "scored": self.scored,
            "predicted_churners": self.predicted,
            "expected_churners": self.expected,
            "expected_share": self.expected_share,
            "revenue_at_risk_minor": self.revenue_at_risk_minor,
            "left_share": self.left_share,
            "auc": self.auc,
        }

    @property
    def expected_share(self) -> float | None:
        """Share of the scored who were expected to leave."""
        return None if self.expected is None or not self.scored else self.expected / self.scored


def moments(session: Session, limit: int = LONGEST) -> list[Moment]:
    """Return the last scorings under the definition in service, oldest first, at most one for each as-of."""
    champion = registry.champion(session)
    if champion is None:
        return []
    rows = session.execute(
        select(ScoringRun, RunPerformance)
        .join(ModelVersion, ModelVersion.id == ScoringRun.model_version_id)
        .outerjoin(RunPerformance, RunPerformance.run_id == ScoringRun.id)
        .where(
            ScoringRun.state == "complete",
            ScoringRun.scope == "all",
            ScoringRun.definition_id == champion.definition_id,
            or_(ModelVersion.as_of.is_(None), ModelVersion.as_of <= ScoringRun.as_of),
        )
        .order_by(ScoringRun.as_of.desc(), ScoringRun.id.desc())
        .limit(2 * limit)
    ).all()
    newest: dict[int, Moment] = {}
    for run, judged in rows:
        newest.setdefault(run.as_of, _moment(run, judged))
    return sorted(newest.values(), key=lambda one: one.as_of)[-limit:]


def _moment(run: ScoringRun, judged: RunPerformance | None) -> Moment:
    told: dict[str, Any] = run.summary or {}
    figures: dict[str, Any] = judged.metrics if judged is not None else {}
    auc = (figures.get("metrics") or {}).get("auc") or {}
    return Moment(
        as_of=run.as_of,
        version_id=run.model_version_id,
        scored=run.n_scored,
        predicted=told.get("predicted_churners"),
        expected=told.get("expected_churners"),
        revenue_at_risk_minor=told.get("revenue_at_risk_minor"),
        left_share=figures.get("observed_share"),
        auc=auc.get("value"),
    )
