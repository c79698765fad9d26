"""What people are told about models: status, versions, the card of one, features and figures. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import (
    AliasMove,
    ChurnDefinition,
    FeatureImportance,
    FeatureSet,
    JobRun,
    ModelArtifact,
    ModelMetric,
    ModelVersion,
    User,
)
from retainstream.services import churn_definitions, forward_training, jobs, registry
from retainstream.services.paging import page_by_id
from retainstream.services.registry import Champion


def status(session: Session) -> dict[str, object]:
    """Return the model in service, the last training, the open job, and one sentence that sums it up."""
    current = registry.champion(session)
    last = session.scalar(select(ModelVersion).order_by(ModelVersion.id.desc()).limit(1))
    ended = session.scalar(
        select(JobRun)
        .where(JobRun.kind == "train", JobRun.state.in_(("succeeded", "failed")))
        .order_by(JobRun.id.desc())
        .limit(1)
    )
    failed = ended if ended is not None and ended.state == "failed" else None
    open_job = session.scalar(
        select(JobRun)
        .where(JobRun.kind.in_(("train", "score")), JobRun.state.in_(("queued", "running")))
        .order_by(JobRun.state.desc(), JobRun.id)
        .limit(1)
    )
    return {
        "message": _message(session, current, last, failed),
        "champion": None if current is None else _champion(session, current),
        "last_training": None if last is None else summary(last, registry.auc_of(session, last.id), current),
        "job": None if open_job is None else jobs.present(open_job),
    }


def _message(session: Session, current: Champion | None, last: ModelVersion | None, failed: JobRun | None) -> str:
    if failed is not None:
        reason = str((failed.error or {}).get("message", ""))
        said = "No model is in service." if current is None else f"Version {current.version_id} is in service."
        return f"{said} The last training did not come about: {reason}"
    if current is not None:
        said = f"Version {current.version_id} is in service."
        if last is not None and not last.servable and last.id > current.version_id:
            said += f" The last training was refused: {registry.verdict_sentence(last)}"
        return said
    if last is not None and not last.servable:
        return f"No model is in service. The last training was refused: {registry.verdict_sentence(last)}"
    if last is not None:
        return "No model is in service: promote a version."
    if churn_definitions.in_force(session) is None:
        return "There is not enough data yet: import a table with a column that says who has left, then train."
    return "No model has been trained yet."


def _champion(session: Session, current: Champion) -> dict[str, object]:
    auc = registry.auc_of(session, current.version_id)
    return {
        "version": current.version_id,
        "kind": current.kind,
        "as_of": clock.iso(current.as_of),
        "trained_at": clock.iso(current.trained_at),
        "in_service_since": clock.iso(current.since),
        "n": None if auc is None else auc.n,
        "auc": None if auc is None else auc.value,
        "auc_interval": interval_of(auc),
        "calibrated": current.calibrated,
    }


def definition_in_short(definition: ChurnDefinition) -> dict[str, object]:
    """Return what every model and every score says of its churn definition."""
    return {
        "id": definition.id,
        "name": definition.name,
        "kind": definition.kind,
        "horizon_days": definition.horizon_days,
        "lead_days": definition.lead_days,
    }


def interval_of(figure: ModelMetric | None) -> list[float] | None:
    """Return a figure's interval as [low, high], or None where there is none."""
    return None if figure is None or figure.low is None or figure.high is None else [figure.low, figure.high]


def versions(session: Session, request: PageRequest = FIRST_PAGE) -> Page:
    """Return versions, newest first, served and refused; raises InvalidInput for a cursor of another list."""
    rows, following = page_by_id(session, select(ModelVersion), ModelVersion.id, "model_versions", request)
    shown, current = [row[0] for row in rows], registry.champion(session)
    figures = select(ModelMetric).where(ModelMetric.model_version_id.in_([row.id for row in shown]))
    found = session.scalars(figures.where(ModelMetric.subject == registry.MODEL, ModelMetric.name == "auc"))
    aucs = {figure.model_version_id: figure for figure in found}
    total = session.scalar(select(func.count()).select_from(ModelVersion)) or 0
    return Page([summary(row, aucs.get(row.id), current) for row in shown], following, total)


def summary(version: ModelVersion, auc: ModelMetric | None, current: Champion | None) -> dict[str, object]:
    """Return one line about a version."""
    return {
        "id": version.id,
        "kind": version.kind,
        "as_of": clock.iso(version.as_of),
        "champion": current is not None and current.version_id == version.id,
        "servable": version.servable,
        "verdict": version.verdict,
        "calibrated": version.calibrated,
        "aborted": version.aborted,
        "trained_at": clock.iso(version.trained_at),
        "n": version.data_window.get("rows"),
        "n_churned": version.data_window.get("churned"),
        "auc": None if auc is None else auc.value,
        "auc_interval": interval_of(auc),
        "seed": version.seed,
    }


def card(session: Session, version_id: int) -> dict[str, object]:
    """Return everything about one version: data, features, parameters, figures with intervals, rivals, curves, moves, hashes.

    Raises
    ------
    NotFound
        When there is no such version.
    """
    version = registry.required_version(session, version_id)
    features = session.get_one(FeatureSet, version.feature_set_id)
    size = session.scalar(select(func.length(ModelArtifact.data)).where(ModelArtifact.model_version_id == version_id))
    moves = session.scalars(select(AliasMove).where(AliasMove.model_version_id == version_id).order_by(AliasMove.id))
    return {
        **summary(version, registry.auc_of(session, version_id), registry.champion(session)),
        "definition_id": version.definition_id,
        "definition": definition_in_short(session.get_one(ChurnDefinition, version.definition_id)),
        "test_openings": forward_training.openings_of(session, version),
        "trained_by": session.scalar(select(User.email).where(User.id == version.trained_by)),
        "job_id": version.job_id,
        "data_window": version.data_window,
        "parameters": version.parameters,
        "libraries": version.libraries,
        "feature_hash": features.sha256,
        "features": features.features,
        "metrics": metrics_of(session, version_id),
        "importance": importance_of(session, version_id),
        "report": version.report and {**version.report, "forward": _forward(version.report)},
        "artifact": None if version.artifact_sha256 is None else {"sha256": version.artifact_sha256, "bytes": size},
        "moves": [
            {
                "alias": move.alias,
                "moved_at": clock.iso(move.moved_at),
                "moved_by": move.moved_by,
                "reason": move.reason,
            }
            for move in moves
        ],
    }


def metrics_of(session: Session, version_id: int) -> dict[str, dict[str, dict[str, float | int | None]]]:
    """Return all figures of a version: {subject: {name: {value, low, high, n}}}."""
    found: dict[str, dict[str, dict[str, float | int | None]]] = {}
    query = select(ModelMetric).where(ModelMetric.model_version_id == version_id).order_by(ModelMetric.id)
    for row in session.scalars(query):
        figure = {"value": row.value, "low": row.low, "high": row.high, "n": row.n}
        found.setdefault(row.subject, {})[row.name] = figure
    return found


def importance_of(session: Session, version_id: int) -> list[dict[str, object]]:
    """Return a version's features with their mean absolute contribution to the margin, largest first."""
    query = select(FeatureImportance).where(FeatureImportance.model_version_id == version_id)
    return [
        {"feature": row.feature_name, "value": row.shap_value, "share": row.share, "rank": row.rank}
        for row in session.scalars(query.order_by(FeatureImportance.rank))
    ]


def features(session: Session) -> dict[str, object]:
    """Return the features of the model in service, the most important first; raises NotReady without one."""
    current = registry.required_champion(session)
    stored = session.get_one(FeatureSet, current.feature_set_id)
    known = {str(item["feature"]): item for item in importance_of(session, current.version_id)}
    nothing: dict[str, object] = {"value": None, "share": None, "rank": None}
    items: list[dict[str, Any]] = []
    for feature in stored.features:
        weight = known.get(str(feature["name"]), nothing)
        items.append({**feature, "importance": weight["value"], "share": weight["share"], "rank": weight["rank"]})
    items.sort(key=lambda item: (item["rank"] is None, item["rank"]))
    return {"model_version": current.version_id, "feature_hash": stored.sha256, "items": items}


def figures(session: Session) -> dict[str, object]:
    """Return every figure of the model in service with its interval, its rivals and its curves; raises NotReady without one."""
    current = registry.required_champion(session)
    version = registry.required_version(session, current.version_id)
    report: dict[str, Any] = version.report
    return {
        "model_version": version.id,
        "n": report.get("n"),
        "base_rate": report.get("base_rate"),
        "threshold": report.get("threshold"),
        "metrics": metrics_of(session, version.id),
        "rivals": report.get("rivals", []),
        "calibration": report.get("calibration", {}),
        "calibration_curve": report.get("calibration_curve", []),
        "gains": report.get("gains", []),
        "giveaways": report.get("giveaways", []),
        "auc_without_giveaways": report.get("auc_without_giveaways"),
        "venn_abers": report.get("venn_abers", {}),
        "notes": report.get("notes", []),
        "forward": _forward(report),
    }


def _forward(report: Mapping[str, Any]) -> dict[str, object] | None:
    """Return what a training that looks ahead says beside its figures, its instants as ISO 8601; None for a snapshot."""
    told: dict[str, Any] | None = report.get("forward")
    if told is None:
        return None
    return {
        **told,
        "data_end": clock.iso(told["data_end"]),
        "windows": [{**window, "dates": [clock.iso(date) for date in window["dates"]]} for window in told["windows"]],
        "stability": [{**point, "as_of": clock.iso(point["as_of"])} for point in told["stability"]],
    }
