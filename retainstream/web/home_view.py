"""What the home page shows, as frozen dataclasses made from the services' answers. No database and no request here, so each sentence can be tested.

A model that looks forward says who leaves, and by when; one of a snapshot only who resembles those who left, never when they would leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from retainstream.web.template_tools import cash, moment, percent, whole

BAND_WORDS = {"low": "Low risk", "medium": "Medium risk", "high": "High risk", "very_high": "Very high risk"}
SHOWN_DRIVERS = 8
SHOWN_REASONS = 2
CHART_WIDTH, CHART_HEIGHT, GAP = 600.0, 160.0, 4.0
_SMALLEST_BAR = 2.0

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Kpi:
    """One key figure: the number, what stands beside it (an interval), and what it counts."""

    label: str
    figure: str
    aside: str = ""
    note: str = ""
    risk: bool = False


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
class Bar:
    """One bar of the distribution, in units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    band: str
    words: str
    count: int


@dataclass(frozen=True)
class BandCount:
    """How many customers a band holds."""

    band: str
    word: str
    count: str


@dataclass(frozen=True)
class Chart:
    """The distribution: a finding as its title, the bars, and the counts of the bands."""

    title: str
    note: str
    measure: str
    bars: tuple[Bar, ...]
    bands: tuple[BandCount, ...]
    width: float = CHART_WIDTH
    height: float = CHART_HEIGHT


@dataclass(frozen=True)
class Driver:
    """One feature with its share (0 to 1) of what moves the scores, and the length of its bar against the first one's."""

    title: str
    share: str
    length: str


@dataclass(frozen=True)
class HomeView:
    """Everything on the page. `stage` is `empty` (no customers), `untrained`, `unscored` or `scored`."""

    stage: str
    headline: str
    lead: str
    kpis: tuple[Kpi, ...] = ()
    people: tuple[PersonCard, ...] = ()
    people_title: str = ""
    people_note: str = ""
    chart: Chart | None = None
    drivers: tuple[Driver, ...] = ()
    drivers_note: str = ""
    stale: bool = False
    warnings: tuple[str, ...] = ()
    may_train: bool = False
    may_score: bool = False
    may_import: bool = False


def stage_of(metrics: Answer) -> str:
    """Return how far the box has come."""
    if not metrics["total_customers"]:
        return "empty"
    if metrics["model"] is None:
        return "untrained"
    return "scored" if metrics["scored_customers"] else "unscored"


def headline(metrics: Answer, stage: str, verdict: str) -> tuple[str, str]:
    """Return the finding as a sentence, and what stands under it."""
    if stage == "empty":
        return (
            "No customers yet.",
            "Import a table, train once, and this page says who is about to leave, why, and how much money that is.",
        )
    total = int(metrics["total_customers"])
    if stage == "untrained":
        known = (
            f"{_people(total)} {'is' if total == 1 else 'are'} in, {whole(metrics['churned_customers'])} of them left."
        )
        return ("No model could be put into service." if verdict else "No model yet."), known
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


def people_title(metrics: Answer) -> str:
    """Return the title above those at high risk."""
    kind = metrics["model"]["kind"]
    if kind == "snapshot":
        return "Most like those who left"
    return "Silent for longest" if kind == "simple_rule" else f"Most likely to leave {_by_when(metrics)}"


def _by_when(metrics: Answer) -> str:
    return str(metrics["wording"]).removeprefix("leaves ")


def _lead(metrics: Answer) -> str:
    scored = int(metrics["scored_customers"])
    if metrics["expected_churners"] is None:
        return f"Out of {whole(scored)} scored. The model ranks well, but its probabilities are withheld: they did not hold on rows it never saw."
    low, high = metrics["expected_churners_interval"]
    expected = f"{_people(round(metrics['expected_churners']))} ({whole(low)} to {whole(high)})"
    sentence = f"Added up over all {whole(scored)} scored, the probabilities come to about {expected}"
    risk = metrics["revenue_at_risk"]
    return f"{sentence} and {cash(risk, short=True)} a month." if risk else f"{sentence}."


def _people(count: int) -> str:
    return f"{count:,} customer{'' if count == 1 else 's'}"


def kpis(metrics: Answer, verdict: str = "") -> tuple[Kpi, ...]:
    """Return the strip of key figures, each with its n or its interval."""
    expected, spread = metrics["expected_churners"], metrics["expected_churners_interval"]
    return (
        Kpi(
            "Active customers", whole(metrics["active_customers"]), note=f"of {whole(metrics['total_customers'])} known"
        ),
        Kpi(
            "Churn rate",
            percent(metrics["churn_rate"]),
            note=f"{whole(metrics['churned_customers'])} of {whole(metrics['labelled_customers'])} whose outcome is known",
        ),
        Kpi(
            "Predicted churners",
            whole(metrics["predicted_churners"]),
            note="high and very high risk"
            + ("" if expected is None else f"; expected {whole(expected)}, {whole(spread[0])}–{whole(spread[1])}"),
            risk=bool(metrics["predicted_churners"]),
        ),
        _revenue(metrics),
        _quality(metrics["model"], verdict),
    )


def _revenue(metrics: Answer) -> Kpi:
    risk, monthly = metrics["revenue_at_risk"], metrics["monthly_revenue"]
    if monthly is None:
        return Kpi("Revenue at risk", "–", note="no prices were imported")
    if risk is None:
        return Kpi("Revenue at risk", "–", note=f"{cash(monthly, short=True)} a month in all")
    share = risk["amount_minor"] / monthly["amount_minor"] if monthly["amount_minor"] else None
    others = len(metrics["other_currencies"])
    beside = f"; {others} other {'currency' if others == 1 else 'currencies'} apart" if others else ""
    return Kpi(
        "Revenue at risk", cash(risk, short=True), "a month", f"{percent(share)} of {cash(monthly, short=True)}{beside}"
    )


def _quality(model: Answer | None, verdict: str) -> Kpi:
    if model is None:
        return Kpi("Model quality", "–", note="the last training was refused" if verdict else "no model yet")
    note = f"AUC out of sample, version {model['version']}, trained {moment(model['trained_at'])}"
    if model["auc"] is None:
        return Kpi("Model quality", "–", note=note)
    low, high = model["auc_interval"]
    between = "" if low is None or high is None else f"{low:.3f}–{high:.3f}"
    return Kpi("Model quality", f"{model['auc']:.3f}", between, note)


def person_card(item: Answer) -> PersonCard:
    """Return the card of a list's item. Reasons that raise the score come first: they are what can be acted on."""
    probability, percentile = item["churn_probability"], item["risk_percentile"]
    ring, words = (None, "") if percentile is None else (round(100 * percentile), "riskier than {}% of customers")
    if probability is not None:
        ring, words = min(99, max(1, round(100 * probability))), "churn probability {}%"
    tenure = item["tenure_months"]
    about = [str(item["plan"] or "No plan")] + (
        [] if tenure is None else [f"{round(tenure)} month{'' if round(tenure) == 1 else 's'}"]
    )
    reasons = sorted(cast("Sequence[Answer]", item["reasons"]), key=lambda reason: reason["direction"] != "raises")
    band = str(item["risk_band"] or "low")
    return PersonCard(
        user_id=str(item["user_id"]),
        about=" · ".join(about),
        ring=ring,
        ring_words=words.format(ring),
        band=band,
        band_word=BAND_WORDS[band],
        reasons=tuple(str(reason["sentence"]) for reason in reasons[:SHOWN_REASONS]),
        money=cash(item["revenue"]) if item["revenue"] else "",
    )


def chart(distribution: Answer) -> Chart | None:
    """Return the drawing of the score distribution; None when nobody is scored. A bar has the colour of the band that its middle lies in."""
    n, bins, bands = int(distribution["n"]), distribution["bins"], distribution["bands"]
    if not n:
        return None
    tallest = max(int(item["count"]) for item in bins) or 1
    step = CHART_WIDTH / len(bins)
    bars = []
    for index, item in enumerate(bins):
        count = int(item["count"])
        height = max(_SMALLEST_BAR, CHART_HEIGHT * count / tallest) if count else 0.0
        middle = (item["low"] + item["high"]) / 2
        band = [entry["band"] for entry in bands if entry["from"] <= middle][-1]
        words = f"{percent(item['low'], 0)} to {percent(item['high'], 0)}"
        bars.append(
            Bar(
                round(index * step + GAP / 2, 1),
                round(CHART_HEIGHT - height, 1),
                round(step - GAP, 1),
                round(height, 1),
                band,
                words,
                count,
            )
        )
    risky = sum(int(entry["count"]) for entry in bands if entry["band"] in ("high", "very_high"))
    measure = "Churn probability" if distribution["measure"] == "churn_probability" else "Percentile of risk"
    return Chart(
        title=_spread(n, int(bands[0]["count"]), risky),
        note=f"{whole(n)} scored",
        measure=measure,
        bars=tuple(bars),
        bands=tuple(BandCount(entry["band"], BAND_WORDS[entry["band"]], whole(entry["count"])) for entry in bands),
    )


def _spread(n: int, low: int, risky: int) -> str:
    if risky == 0:
        return "Nobody is at high risk"
    tail = f"{whole(risky)} {'is' if risky == 1 else 'are'} at high risk"
    if low > n / 2:
        return f"Most customers are at low risk; {tail}"
    return f"{percent(risky / n, 0)} of customers, {whole(risky)}, {'is' if risky == 1 else 'are'} at high risk"


def drivers(features: Answer) -> tuple[Driver, ...]:
    """Return the strongest features; lengths are per cent of the strongest one's."""
    items = [item for item in cast("Sequence[Answer]", features["items"]) if item["share"] > 0][:SHOWN_DRIVERS]
    longest = max((item["share"] for item in items), default=1.0)
    return tuple(
        Driver(str(item["title"]), percent(item["share"], 0), f"{100 * item['share'] / longest:.1f}%") for item in items
    )
