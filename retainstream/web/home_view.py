"""What the home page shows, as frozen dataclasses made from the services' answers. No database and no request here, so each sentence can be tested.

A model that looks forward says who leaves, and by when; one of a snapshot only who resembles those who left, never when they would leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from retainstream.lib import clock
from retainstream.services.trend import Moment
from retainstream.web.charts import Spark, sparkline
from retainstream.web.current_jobs import JobView
from retainstream.web.home_charts import BAND_WORDS, Chart, TrendChart
from retainstream.web.model_job_view import PHASES
from retainstream.web.next_step import NextStep
from retainstream.web.template_tools import cash, day, moment, percent, whole

SHOWN_DRIVERS = 8
SHOWN_REASONS = 2
WAITED_FOR = {
    "import": ("Your file is coming in.", "Nothing shows before all of it is in."),
    "ingest": ("Your file is coming in.", "Nothing shows before all of it is in."),
    "train": (
        "A model is learning who leaves.",
        "It is tested on customers it never saw; then everybody gets a score, with reasons.",
    ),
    "score": ("Everybody is being scored.", "Each customer gets a score with its reasons; it takes seconds."),
    "demo": ("The demo is being made.", "It is loaded, looked at from past days, trained and scored."),
}
"""Kinds of work that a box without scores waits for: a sentence for each, and what stands under it."""
_WEEK_US = 6 * clock.DAY_US

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Kpi:
    """One key figure: the number, what stands beside it (an interval), and what it counts."""

    label: str
    figure: str
    aside: str = ""
    note: str = ""
    risk: bool = False
    change: str = ""
    spark: Spark | None = None
    address: str = ""


@dataclass(frozen=True)
class PersonCard:
    """One customer at risk. `ring` is 0 to 100: per cent of probability, or the percentile where probabilities are withheld."""

    user_id: str
    about: str
    ring: int | None
    ring_words: str
    band: str
    band_word: str
    reasons: tuple[str, ...]
    money: str


@dataclass(frozen=True)
class Row:
    """A row of cards, and the list that holds all of them."""

    key: str
    title: str
    note: str
    people: tuple[PersonCard, ...]
    total: int

    @property
    def address(self) -> str:
        """Return where the whole list is."""
        return f"/customers?group={self.key}"


@dataclass(frozen=True)
class Driver:
    """One feature with its share (0 to 1) of what moves the scores, and the length of its bar against the first one's."""

    title: str
    share: str
    length: str


@dataclass(frozen=True)
class Work:
    """Work under way that the page waits for; `percent` is None before it has begun."""

    words: str
    percent: int | None


@dataclass(frozen=True)
class HomeView:
    """Everything on the page. `stage` is `empty` (no customers), `untrained`, `unscored` or `scored`.

    Until there are scores, either `work` is under way or `step` says what to do next; who may not do it is told whom to ask (`may_step`).
    """

    stage: str
    headline: str
    lead: str
    kpis: tuple[Kpi, ...] = ()
    business: str = ""
    rows: tuple[Row, ...] = ()
    trend: TrendChart | None = None
    chart: Chart | None = None
    drivers: tuple[Driver, ...] = ()
    drivers_note: str = ""
    stale: bool = False
    warnings: tuple[str, ...] = ()
    may_train: bool = False
    may_score: bool = False
    may_import: bool = False
    work: Work | None = None
    step: NextStep | None = None
    may_step: bool = False


def stage_of(metrics: Answer) -> str:
    """Return how far the box has come."""
    if not metrics["total_customers"]:
        return "empty"
    if metrics["model"] is None:
        return "untrained"
    return "scored" if metrics["scored_customers"] else "unscored"


def waited_for(jobs: Sequence[JobView]) -> JobView | None:
    """Return the open job that a box without scores waits for, the oldest first; None when nothing of the kind is open."""
    return next((job for job in jobs if job.kind in WAITED_FOR), None)


def work(job: JobView) -> Work:
    """Return how far a job has come."""
    if job.percent is None:
        return Work("Waiting for its turn", None)
    return Work(PHASES.get(job.phase, job.phase.capitalize()) or "Starting", job.percent)


def headline(metrics: Answer, stage: str, verdict: str) -> tuple[str, str]:
    """Return the finding as a sentence, and what stands under it."""
    if stage == "empty":
        return (
            "No customers yet.",
            "Import a table, train once, and this page says who is about to leave, why, and how much money that is.",
        )
    total = int(metrics["total_customers"])
    if stage == "untrained":
        are_in = f"{_people(total)} {'is' if total == 1 else 'are'} in"
        left = f", {whole(metrics['churned_customers'])} of them left" if metrics["labelled_customers"] else ""
        return ("No model could be put into service." if verdict else "No model yet."), f"{are_in}{left}."
    if stage == "unscored":
        return (
            "The model is trained; nobody has been scored yet.",
            f"{_people(int(metrics['active_customers']))} can be scored now.",
        )
    found = int(metrics["predicted_churners"] or 0)
    return f"{_people(found) if found else 'No customer'} {_claim(metrics, one=found < 2)}.", _lead(metrics)


def _claim(metrics: Answer, *, one: bool) -> str:
    """Return what is said of those at high risk, as the end of a sentence."""
    kind = metrics["model"]["kind"]
    if kind == "snapshot":
        return "resembles those who left" if one else "resemble those who left"
    if kind == "simple_rule":
        return f"{'has' if one else 'have'} been silent for longer than others"
    return f"{'is' if one else 'are'} at high risk of leaving {_by_when(metrics)}"


def worst_title(metrics: Answer) -> str:
    """Return the title above those at high risk, by what the model can say."""
    kind = metrics["model"]["kind"]
    said = {"snapshot": "Most like those who left", "simple_rule": "Silent for longest"}.get(kind, "Leaving soon")
    return f"{said}, worth most" if metrics["monthly_revenue"] else said


def _by_when(metrics: Answer) -> str:
    return str(metrics["wording"]).removeprefix("leaves ")


def _lead(metrics: Answer) -> str:
    scored = int(metrics["scored_customers"])
    if metrics["model"]["kind"] == "simple_rule":
        return f"Out of {whole(scored)} scored, by a simple rule: there is too little history for a model yet."
    if metrics["expected_churners"] is None:
        return f"Out of {whole(scored)} scored. The model ranks well, but its probabilities are withheld: they did not hold on rows it never saw."
    low, high = metrics["expected_churners_interval"]
    expected = f"{_people(round(metrics['expected_churners']))} ({whole(low)} to {whole(high)})"
    sentence = f"Added up over all {whole(scored)} scored, the probabilities come to about {expected}"
    risk = metrics["revenue_at_risk"]
    return f"{sentence} and {cash(risk, short=True)} a month." if risk else f"{sentence}."


def _people(count: int) -> str:
    return f"{count:,} customer{'' if count == 1 else 's'}"


def kpis(metrics: Answer, verdict: str = "", past: Sequence[Moment] = ()) -> tuple[Kpi, ...]:
    """Return the strip of key figures, each with its n or its interval, and, from past scorings, its line and its change."""
    expected, spread = metrics["expected_churners"], metrics["expected_churners_interval"]
    return (
        Kpi(
            "Active customers",
            whole(metrics["active_customers"]),
            note=f"of {whole(metrics['total_customers'])} known",
            change=_change([one.scored for one in past], past, relative=True),
            spark=sparkline([one.scored for one in past]),
            address="/customers",
        ),
        _churn_rate(metrics, past),
        Kpi(
            "Predicted churners",
            whole(metrics["predicted_churners"]),
            note="high and very high risk"
            + ("" if expected is None else f"; expected {whole(expected)}, {whole(spread[0])}–{whole(spread[1])}"),
            risk=bool(metrics["predicted_churners"]),
            change=_change([one.predicted for one in past], past),
            spark=sparkline([one.predicted for one in past]),
            address="/customers?band=high&band=very_high",
        ),
        _revenue(metrics, past),
        _quality(metrics["model"], verdict, past),
    )


def known_kpis(metrics: Answer, verdict: str) -> tuple[Kpi, ...]:
    """Return the key figures that are known before there are scores; none where the lead has said it all."""
    known = tuple(kpi for kpi in kpis(metrics, verdict) if kpi.figure != "–")
    return known if len(known) > 1 else ()


def _change(values: Sequence[float | None], past: Sequence[Moment], *, relative: bool = False) -> str:
    """Say how a figure moved since the scoring about a week before; nothing where another model made that one, as it would show the model's move."""
    now = len(past) - 1
    before = [at for at, one in enumerate(past) if past[now].as_of - one.as_of >= _WEEK_US] if past else []
    if not before or values[before[-1]] is None or values[now] is None:
        return ""
    then, newest = float(values[before[-1]] or 0), float(values[now] or 0)
    if not relative and past[before[-1]].version_id != past[now].version_id:
        return "by another model than before"
    since = f"since {day(clock.iso(past[before[-1]].as_of))}"
    if relative:
        return f"{(newest - then) / then:+.1%} {since}".replace("-", "−") if then else ""
    return f"{newest - then:+,.0f} {since}".replace("-", "−")


def _churn_rate(metrics: Answer, past: Sequence[Moment]) -> Kpi:
    """Return the share that left: within the horizon, of the last scoring whose window has closed; of all with a known outcome before there is one."""
    judged = [one for one in past if one.left_share is not None]
    if not judged or metrics["horizon_days"] is None:
        note = f"{whole(metrics['churned_customers'])} of {whole(metrics['labelled_customers'])} whose outcome is known"
        return Kpi("Churn rate", percent(metrics["churn_rate"]), note=note)
    shares = [one.left_share for one in judged]
    points = f"{100 * ((shares[-1] or 0) - (shares[-2] or 0)):+.1f} points".replace("-", "−") if len(shares) > 1 else ""
    return Kpi(
        f"Churn rate, {metrics['horizon_days']} days",
        percent(shares[-1]),
        note=f"of those scored on {day(clock.iso(judged[-1].as_of))}, the last whose window has closed",
        change=f"{points} since {day(clock.iso(judged[-2].as_of))}" if points else "",
        spark=sparkline(shares),
    )


def _revenue(metrics: Answer, past: Sequence[Moment]) -> Kpi:
    risk, monthly = metrics["revenue_at_risk"], metrics["monthly_revenue"]
    if monthly is None:
        return Kpi("Revenue at risk", "–", note="no prices were imported")
    if risk is None:
        return Kpi("Revenue at risk", "–", note=f"{cash(monthly, short=True)} a month in all")
    share = risk["amount_minor"] / monthly["amount_minor"] if monthly["amount_minor"] else None
    others = len(metrics["other_currencies"])
    beside = f"; {others} other {'currency' if others == 1 else 'currencies'} apart" if others else ""
    return Kpi(
        "Revenue at risk",
        cash(risk, short=True),
        "a month",
        f"{percent(share)} of {cash(monthly, short=True)}{beside}",
        spark=sparkline([one.revenue_at_risk_minor for one in past]),
    )


def _quality(model: Answer | None, verdict: str, past: Sequence[Moment]) -> Kpi:
    if model is None:
        return Kpi("Model quality", "–", note="the last training was refused" if verdict else "no model yet")
    note = f"AUC out of sample, version {model['version']}, trained {moment(model['trained_at'])}"
    if model["auc"] is None:
        return Kpi(
            "Model quality",
            "–",
            note="a simple rule; nothing to judge it by yet" if model["kind"] == "simple_rule" else note,
        )
    low, high = model["auc_interval"]
    between = "" if low is None or high is None else f"{low:.3f}–{high:.3f}"
    kept = [one.auc for one in past if one.auc is not None]
    change = f"{kept[-1]:.3f} when last judged" if kept else ""
    return Kpi("Model quality", f"{model['auc']:.3f}", between, note, change=change, spark=sparkline(kept))


def person_card(item: Answer, first: str = "") -> PersonCard:
    """Return the card of a list's item.

    Reasons that raise the score come first: they are what can be acted on. `first` is said before them.
    """
    probability, percentile = item["churn_probability"], item["risk_percentile"]
    ring, words = (None, "") if percentile is None else (round(100 * percentile), "riskier than {}% of customers")
    if probability is not None:
        ring, words = min(99, max(1, round(100 * probability))), "churn probability {}%"
    tenure = _months(item)
    about = [str(item["plan"])] if item["plan"] else []
    about += [] if tenure is None else [f"{round(tenure)} month{'' if round(tenure) == 1 else 's'}"]
    reasons = sorted(cast("Sequence[Answer]", item["reasons"]), key=lambda reason: reason["direction"] != "raises")
    band = str(item["risk_band"] or "low")
    return PersonCard(
        user_id=str(item["user_id"]),
        about=" · ".join(about),
        ring=ring,
        ring_words=words.format(ring),
        band=band,
        band_word=BAND_WORDS[band],
        reasons=((first,) if first else ())
        + tuple(str(reason["finding"]) for reason in reasons)[: SHOWN_REASONS - bool(first)],
        money=cash(item["revenue"]) if item["revenue"] else "",
    )


def _months(item: Answer) -> float | None:
    """Return for how long somebody is a customer, by what was imported or else by the day of signing up."""
    if item["tenure_months"] is not None or item.get("signup_at") is None:
        return cast("float | None", item["tenure_months"])
    since = clock.now() - datetime.fromisoformat(item["signup_at"])
    return max(0.0, since.days / 30.44)


def drivers(features: Answer) -> tuple[Driver, ...]:
    """Return the strongest features; lengths are per cent of the strongest one's."""
    items = [item for item in cast("Sequence[Answer]", features["items"]) if item["share"] > 0][:SHOWN_DRIVERS]
    longest = max((item["share"] for item in items), default=1.0)
    return tuple(
        Driver(str(item["title"]), percent(item["share"], 0), f"{100 * item['share'] / longest:.1f}%") for item in items
    )
