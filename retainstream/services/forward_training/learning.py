"""From a history that is cut at its moment to a judged model: panel, checks that may stop it, training; or the simple rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from retainstream.lib import clock
from retainstream.services import registry
from retainstream.services.forward_training.asked import Asked
from retainstream.services.forward_training.material import Material, chosen_features, known_then, names_of

if TYPE_CHECKING:
    from retainstream.ml import ChurnPredictor, Economics, FeatureSpec, Verdict
    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.panel import Panel, Split
    from retainstream.ml.forward.sufficiency import Sufficiency
    from retainstream.ml.training import Plan

MAX_ROWS = 1_500_000
"""Most rows of a panel: beyond them customers are drawn, and the model says so."""
_PANEL_TO, _CHECKED_TO = 0.30, 0.35
Progress = Callable[[str, float], None]


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
    history : History
        Cut at the moment.
    known : sequence of FeatureSpec
        Every feature that could be made of it.
    progress : callable
        Told the phase and the share of all work done, 0 to 1; may raise to end the training.

    Raises
    ------
    NotReady
        When nothing was known at that moment.
    InvalidInput
        When `asked.exclude` names something that is no feature, or leaves none.
    """
    from retainstream.ml.asof.dates import TooLittleHistory
    from retainstream.ml.forward import sufficiency
    from retainstream.ml.training import Plan

    specs = chosen_features(known, asked.exclude)
    if asked.as_of is not None:  # else a column that came too late is told among those left out
        specs = known_then(specs, history)
    plan = Plan(n_trials=asked.trials, n_jobs=threads, seed=asked.seed, economics=economics)
    stopped = () if asked.ignore_silent_feeds else sufficiency.stopped_kinds(history, material.moment)
    if stopped:
        return Trained(_stopped(stopped), registry.FORWARD, specs)
    progress("panel", 0.0)
    try:
        panel, split, enough = observed(material, history, specs, asked, progress)
    except TooLittleHistory as short:
        return _by_rule(material, history, specs, plan, sufficiency.history_too_short(short, material.moment))
    if not enough.verdict.ok:
        return _by_rule(material, history, specs, plan, enough, panel)
    return _checked(history, panel, split, plan, asked, progress)


def observed(
    material: Material, history: History, specs: Sequence[FeatureSpec], asked: Asked, progress: Progress
) -> tuple[Panel, Split, Sufficiency]:
    """Return the panel, its windows, and whether they hold enough; raises TooLittleHistory.

    Where too few customers leave in two dates, calibration and test take four or six each, if the history has them.
    """
    from retainstream.ml.asof import panel as panels
    from retainstream.ml.asof.dates import LATER
    from retainstream.ml.forward import sufficiency

    for later in LATER:
        first = later == LATER[0]
        panel = panels.assemble(
            history, specs, material.rule, data_end=material.moment, every_days=asked.every_days, treated=material.treated,
            max_rows=MAX_ROWS, seed=asked.seed, later=later,
            progress=lambda share, first=first: progress("panel", _PANEL_TO * (share if first else 1.0)),  # type: ignore[misc]
        )  # fmt: skip
        split = panels.split(panel)
        found = sufficiency.enough(panel, split)
        if found.verdict.ok or len(split.parts["test"]["dates"]) < later:  # type: ignore[arg-type]
            break  # there is enough, or no room for more dates
    return panel, split, found


def _checked(history: History, panel: Panel, split: Split, plan: Plan, asked: Asked, progress: Progress) -> Trained:
    """Train, unless the panel disagrees with the churn that was counted or a column seems to know the outcome."""
    from retainstream.ml.forward import sentry, sufficiency

    progress("checking", _PANEL_TO)
    agrees = sufficiency.prevalence(history, panel)
    if not agrees.ok:
        return Trained(agrees, registry.FORWARD, panel.specs, _window(panel, split))
    seen = sentry.inspect(
        history, panel, split.train, keep=names_of(panel.specs, asked.keep), seed=asked.seed, n_jobs=plan.n_jobs
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
        "stopped. Send what is missing, or train all the same (ignore_silent_feeds).",
    )


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
    until = "Until then" if found.sufficient_on is not None else "So"
    message = f"{refused.message} {until} customers are ranked by how long they have been silent."
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
        parts: dict[str, dict[str, Any]] = split.parts
        told = {name: {**part, "dates": len(part["dates"])} for name, part in parts.items()}
        for part in told.values():
            part |= {"from": clock.iso(part["from"]), "to": clock.iso(part["to"])}
        found |= {"purged": split.purged, "parts": told}
    return found
