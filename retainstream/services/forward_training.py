"""Training a model that looks ahead: what it may know, what stops it, and what is recorded of it.

Everything is read as of one moment: history that was not known before it is cut off first, so that the same training can be done for a past
day (`services.replay`) with the same result as it would have had then. How panels and models are made is `retainstream.ml`'s affair.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import InvalidInput, NotReady
from retainstream.lib import clock
from retainstream.models import ChurnDefinition, ModelVersion, TestOpening
from retainstream.services import as_of, audit, churn_definitions, datasets, exposures, feeds, jobs, registry

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml import ChurnPredictor, Economics, FeatureSpec, Verdict
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.panel import Panel, Split
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.ml.forward.sufficiency import Sufficiency
    from retainstream.ml.training import Plan

EVERY_DAYS = 30
MAX_ROWS = 1_500_000
"""Most rows of a panel: beyond them customers are drawn, and the model says so."""
Progress = Callable[[str, float], None]
_PANEL_TO, _CHECKED_TO = 0.30, 0.35


@dataclass(frozen=True)
class Asked:
    """What a training that looks ahead was asked for.

    Attributes
    ----------
    definition_id : int, optional
        The one in force by default.
    as_of : int, optional
        The moment to train as of, microseconds UTC at the start of a day; the end of the data by default.
    exclude, keep : tuple of str
        Features to leave out, and suspicious ones that a person decided to keep, by name or title.
    every_days : int
        Days between observation dates.
    ignore_silent_feeds : bool
        Train although a feed went silent.
    """

    definition_id: int | None = None
    as_of: int | None = None
    seed: int = 0
    trials: int = 25
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    every_days: int = EVERY_DAYS
    ignore_silent_feeds: bool = False

    @classmethod
    def of(cls, payload: dict[str, Any], settings: Settings) -> Asked:
        """Return what a job's payload asks for, with the settings' number of trials as default."""
        return cls(
            definition_id=payload.get("definition_id"),
            as_of=payload.get("as_of"),
            seed=int(payload.get("seed") or 0),
            trials=int(payload.get("trials") or settings.train_trials),
            exclude=tuple(payload.get("exclude") or ()),
            keep=tuple(payload.get("keep") or ()),
            every_days=int(payload.get("every_days") or EVERY_DAYS),
            ignore_silent_feeds=bool(payload.get("ignore_silent_feeds", False)),
        )


@dataclass(frozen=True)
class Material:
    """What a training reads: `history` is not cut yet, `moment` is where it will be. `treated` are customers and times of acts on them."""

    definition_id: int
    rule: ChurnRule
    history: History
    moment: int
    treated: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """What came out: the verdict, the features it was trained on, and the predictor with its bytes when it may be served.

    `window` is what the card says of the data. `judged` are the first and the last observation date of the test window, where one was opened.
    """

    verdict: Verdict
    kind: str
    specs: tuple[FeatureSpec, ...]
    window: dict[str, object] = field(default_factory=dict)
    predictor: ChurnPredictor | None = None
    artifact: bytes | None = None
    judged: tuple[int, int] | None = None


def definition_for(session: Session, definition_id: int | None) -> ChurnDefinition | None:
    """Return the churn definition that a training would use: the one asked for or the one in force; raises NotFound for an unknown one."""
    return (
        churn_definitions.in_force(session) if definition_id is None else churn_definitions.get(session, definition_id)
    )


def check(session: Session, asked: Asked) -> int:
    """Return the moment that a training would be as of; reads no customer.

    Raises
    ------
    NotReady
        Without history, while an import is being applied, and when a feed went silent.
    InvalidInput
        When the moment lies beyond the end of the data.
    """
    datasets.refuse_unfinished_import(session)
    end = as_of.data_end(session)
    if asked.as_of is not None:
        return past_day(asked.as_of, end)
    if not asked.ignore_silent_feeds:
        feeds.require_alive(session)
    return end


def past_day(moment: int, data_end: int) -> int:
    """Return the start of the day of a moment; raises InvalidInput when it lies beyond the end of the data."""
    day = moment // clock.DAY_US * clock.DAY_US
    if day > data_end:
        last = str(clock.iso(data_end))[:10]
        raise InvalidInput(
            f"The data reach to {last}; a later day cannot be looked at.", fields={"as_of": [f"not after {last}"]}
        )
    return day


def gather(session: Session, settings: Settings, asked: Asked, *, moment: int | None = None) -> Material:
    """Read what a training needs; errors as of `check`, and NotFound for an unknown definition.

    Parameters
    ----------
    moment : int, optional
        As `check` returned it; it is checked here by default.
    """
    if moment is None:
        moment = check(session, asked)
    definition = definition_for(session, asked.definition_id)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    if definition is None or rule is None:
        raise NotReady(
            "No churn definition that looks ahead is in force: create one, or train on the labelled column as it is."
        )
    history = as_of.history(session, settings)
    return Material(definition.id, rule, history, moment, exposures.treated(session, moment))


def cut(session: Session, material: Material) -> tuple[History, tuple[FeatureSpec, ...]]:
    """Return the history up to the moment, and every feature that could have been made of it then."""
    history = material.history.cut(material.moment)
    return history, as_of.dictionary(session, history)


def newest_known(history: History) -> int:
    """Return when the newest row of a history became known, microseconds UTC; 0 for an empty one."""
    times = (history.events.known, history.subscriptions.received, history.profiles.known)
    return max((int(part.max()) for part in times if len(part)), default=0)


def chosen_features(known: Sequence[FeatureSpec], exclude: Iterable[str]) -> tuple[FeatureSpec, ...]:
    """Return the features but for those with these names or titles; raises InvalidInput for a name that is no feature."""
    left_out = {str(name).strip().lower() for name in exclude}
    words = {word for spec in known for word in (spec.name.lower(), spec.title.lower())}
    if strangers := sorted(left_out - words):
        raise InvalidInput(
            f"There is no feature called {strangers[0]!r} to leave out.",
            fields={"exclude": [f"unknown: {name}" for name in strangers]},
        )
    found = tuple(spec for spec in known if not {spec.name.lower(), spec.title.lower()} & left_out)
    if not found:
        raise InvalidInput("No feature is left to learn from.", fields={"exclude": ["leaves at least one"]})
    return found


def train(
    material: Material,
    history: History,
    known: Sequence[FeatureSpec],
    asked: Asked,
    economics: Economics,
    *,
    threads: int,
    progress: Progress,
) -> Trained:
    """Train on a history that is cut at its moment, and judge the result. Heavy: call it outside of any unit.

    Parameters
    ----------
    history, known
        As `cut` returned them.
    progress : callable
        Told the phase and the share of all work done, 0 to 1; may raise to end the training.

    Raises
    ------
    InvalidInput
        When `asked.exclude` names something that is no feature.
    """
    from retainstream.ml.asof import panel as panels
    from retainstream.ml.forward import sentry, sufficiency
    from retainstream.ml.training import Plan

    specs = chosen_features(known, asked.exclude)
    plan = Plan(n_trials=asked.trials, n_jobs=threads, seed=asked.seed, economics=economics)
    stopped = () if asked.ignore_silent_feeds else sufficiency.stopped_kinds(history, material.moment)
    if stopped:
        return Trained(_stopped(stopped), registry.FORWARD, specs)
    progress("panel", 0.0)
    try:
        panel = panels.assemble(
            history, specs, material.rule, data_end=material.moment, every_days=asked.every_days, treated=material.treated,
            max_rows=MAX_ROWS, seed=asked.seed, progress=lambda share: progress("panel", _PANEL_TO * share),
        )  # fmt: skip
        split = panels.split(panel)
    except panels.TooLittleHistory as short:
        return _by_rule(material, history, specs, plan, sufficiency.history_too_short(short, material.moment))
    enough = sufficiency.enough(panel, split)
    if not enough.verdict.ok:
        return _by_rule(material, history, specs, plan, enough, panel)
    progress("checking", _PANEL_TO)
    agrees = sufficiency.prevalence(history, panel)
    if not agrees.ok:
        return Trained(agrees, registry.FORWARD, panel.specs, _window(panel, split))
    seen = sentry.inspect(
        history, panel, split.train, keep=names_of(panel.specs, asked.keep), seed=asked.seed, n_jobs=threads
    )
    suspected = {
        "suspects": [asdict(one) for one in seen.suspects],
        "dated_after": [asdict(one) for one in seen.left_out],
    }
    if not seen.verdict().ok:
        return Trained(seen.verdict(), registry.FORWARD, panel.specs, _window(panel, split) | suspected)
    panel = without(panel, [one.feature for one in seen.left_out])
    trained = _fitted(panel, split, plan, lambda phase, share: progress(phase, _CHECKED_TO + (1 - _CHECKED_TO) * share))
    return replace(trained, window=trained.window | suspected)


def _stopped(kinds: Sequence[str]) -> Verdict:
    from retainstream.ml import Verdict

    named = " and ".join(kinds)
    return Verdict(
        False,
        "data_stopped",
        f"Events of the kind {named} came nearly every day and then stopped while others went on: customers would look as if they had "
        "stopped. Send what is missing, or train with ignore_silent_feeds.",
    )


def names_of(specs: Sequence[FeatureSpec], words: Iterable[str]) -> list[str]:
    """Return the names of features that are given by name or title; a word that is no feature is taken as a name."""
    known = {word: spec.name for spec in specs for word in (spec.title.lower(), spec.name.lower())}
    return [known.get(str(word).strip().lower(), str(word).strip()) for word in words]


def without(panel: Panel, names: Sequence[str]) -> Panel:
    """Return a panel without some of its columns."""
    kept = tuple(spec for spec in panel.specs if spec.name not in names)
    left_out = (*panel.left_out_features, *(spec.name for spec in panel.specs if spec.name in names))
    return replace(panel, frame=panel.frame[[spec.name for spec in kept]], specs=kept, left_out_features=left_out)


def _fitted(panel: Panel, split: Split, plan: Plan, progress: Progress) -> Trained:
    """Train, and judge whether the model may be served."""
    from retainstream.ml import ChurnPredictor, Verdict, assess
    from retainstream.ml.forward.training import train_forward

    window = _window(panel, split)
    try:
        served, judged = train_forward(panel, plan, split=split, progress=progress)
    except ValueError as refused:
        return Trained(Verdict(False, "cannot_train", str(refused)), registry.FORWARD, panel.specs, window)
    verdict = assess(served.report)
    predictor = ChurnPredictor.of(served, plan)
    dates = panel.as_of[judged.rows]
    return Trained(
        verdict, registry.FORWARD, panel.specs, window, predictor, predictor.to_artifact() if verdict.ok else None,
        (int(dates.min()), int(dates.max())),
    )  # fmt: skip


def _by_rule(
    material: Material,
    history: History,
    specs: Sequence[FeatureSpec],
    plan: Plan,
    found: Sufficiency,
    panel: Panel | None = None,
) -> Trained:
    """Make the simple rule where there is too little for a model; refuse where there is not even enough for that."""
    from retainstream.ml import ChurnPredictor, Verdict
    from retainstream.ml.asof.builder import features
    from retainstream.ml.asof.outcomes import standing
    from retainstream.ml.forward.rule import rule_model

    refused = found.verdict
    window = {} if panel is None else _window(panel, None)
    window["sufficient_on"] = clock.iso(found.sufficient_on)
    here = standing(material.rule, history, material.moment).customers
    try:
        frame = features(history, specs, material.moment, here)
        served = rule_model(frame, specs, rule=material.rule, data_end=material.moment, plan=plan, judged_by=panel)
    except ValueError as neither:
        verdict = Verdict(False, refused.code, f"{refused.message} {neither}", refused.needs)
        return Trained(verdict, registry.SIMPLE_RULE, tuple(specs), window)
    message = f"{refused.message} Until then customers are ranked by how long they have been silent."
    verdict = Verdict(True, registry.SIMPLE_RULE, message, refused.needs)
    predictor = ChurnPredictor.of(served, plan)
    return Trained(verdict, registry.SIMPLE_RULE, served.specs, window, predictor, predictor.to_artifact())


def _window(panel: Panel, split: Split | None) -> dict[str, object]:
    """Return what the card says of the rows that a model was made of."""
    churned = int((panel.y == 1).sum())
    found: dict[str, object] = {
        "rows": len(panel),
        "churned": churned,
        "base_rate": churned / len(panel) if len(panel) else None,
        "customers": len({*panel.customer.tolist()}),
        "dates": [clock.iso(date) for date in panel.dates],
        "every_days": panel.every_days,
        "left_out": panel.left_out,
        "left_out_features": list(panel.left_out_features),
        "other_reason": panel.other_reason,
        "treated": int(panel.treated.sum()),
        "notes": list(panel.notes),
    }
    if split is not None:
        found |= {
            "purged": split.purged,
            "parts": {
                name: {
                    **part,
                    "from": clock.iso(part["from"]),
                    "to": clock.iso(part["to"]),
                    "dates": len(part["dates"]),
                }
                for name, part in split.parts.items()
            },
        }
    return found


def record(
    session: Session, context: jobs.JobContext, material: Material, asked: Asked, trained: Trained, data_as_of: int
) -> ModelVersion:
    """Write a version with its figures, and that its test window was opened; it is not put into service. The caller commits."""
    from retainstream.ml.artifact import sha256
    from retainstream.ml.training import library_versions

    report = None if trained.predictor is None else trained.predictor.report_
    version = ModelVersion(
        kind=trained.kind,
        definition_id=material.definition_id,
        feature_set_id=registry.store_feature_set(session, trained.specs).id,
        servable=trained.artifact is not None,
        verdict=_plain(trained.verdict),
        parameters={
            "xgboost": {} if report is None else report.to_dict()["parameters"],
            "trials": asked.trials,
            "typical": {} if trained.predictor is None else trained.predictor.served_.typical,
        },
        report={} if report is None else report.to_dict(),
        data_window={
            **trained.window,
            "as_of": clock.iso(material.moment),
            "data_as_of": clock.iso(data_as_of),
            "excluded": list(asked.exclude),
            "kept": list(asked.keep),
            "earlier_test_openings": earlier_openings(session, material.definition_id, trained.judged),
        },
        seed=asked.seed,
        calibrated=report is not None and report.calibration.passed,
        aborted=trained.verdict.code == "out_of_time",
        artifact_sha256=None if trained.artifact is None else sha256(trained.artifact),
        libraries=library_versions() if report is None else report.versions,
        as_of=material.moment,
        trained_at=clock.now_us(),
        trained_by=context.actor.user_id,
        job_id=context.job_id,
    )
    registry.store(session, version, trained.artifact)
    if report is not None:
        registry.write_figures(session, version.id, report)
    if trained.judged is not None:
        _note_opening(session, material.definition_id, version, trained.judged)
    outcome = "done" if version.servable else "refused"
    audit.record(session, context.actor, "model.train", "model_version", version.id, outcome=outcome)
    session.flush()
    return version


def _plain(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as JSON; a figure that does not exist (NaN) is left out."""
    return asdict(verdict) | {"needs": {name: value for name, value in verdict.needs.items() if math.isfinite(value)}}


def earlier_openings(session: Session, definition_id: int, judged: tuple[int, int] | None) -> int:
    """Count the models under a definition that were judged on a test window which overlaps these observation dates."""
    if judged is None:
        return 0
    query = select(func.count()).select_from(TestOpening)
    overlap = (TestOpening.first_as_of <= judged[1], TestOpening.last_as_of >= judged[0])
    return session.scalar(query.where(TestOpening.definition_id == definition_id, *overlap)) or 0


def openings_of(session: Session, version: ModelVersion) -> int | None:
    """Count the models that were judged on a version's test window by now, itself among them; None where no window was opened."""
    own = session.scalar(select(TestOpening).where(TestOpening.model_version_id == version.id))
    return None if own is None else earlier_openings(session, own.definition_id, (own.first_as_of, own.last_as_of))


def _note_opening(session: Session, definition_id: int, version: ModelVersion, judged: tuple[int, int]) -> None:
    session.add(
        TestOpening(
            definition_id=definition_id,
            model_version_id=version.id,
            first_as_of=judged[0],
            last_as_of=judged[1],
            opened_at=version.trained_at,
        )
    )
