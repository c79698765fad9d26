"""What the page of one customer shows, as frozen dataclasses made from the services' answers: who, the score, its reasons, and the peers.

No database and no request here. The past is `customer_history_view` and `customer_timeline_view`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from retainstream.lib import clock
from retainstream.ml.features import FeatureSpec
from retainstream.services.peers import Standing
from retainstream.web.template_tools import cash, day, last_day, moment, percent

BAND_WORDS = {"low": "Low risk", "medium": "Medium risk", "high": "High risk", "very_high": "Very high risk"}
SHOWN_PEERS = 8
HALF = 48.0
"""Per cent of a bar's width on either side of its centre line."""
_MONTH_US = 30.44 * clock.DAY_US
_SENTENCE = re.compile(
    r"^(?P<what>.+?)(?: \((?P<beside>.+)\))?(?P<group>, together with related features)?: (?:raises|lowers) the score, (?P<share>.+) of the total\.$"
)

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One figure of the strip; `tone` is raises, lowers or nothing and colours the note."""

    label: str
    figure: str
    aside: str = ""
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class ScoreView:
    """The score in force. `ring` is 0 to 100: per cent of probability, or the percentile where probabilities are withheld."""

    ring: int
    ring_words: str
    band: str
    band_word: str
    label: str
    figure: str
    aside: str
    statement: str
    change: str
    change_tone: str
    made: str


@dataclass(frozen=True)
class ReasonView:
    """A reason in words; the bar starts at `x` and is `width` wide, both per cent, with the centre at 50."""

    what: str
    beside: str
    direction: str
    share: str
    x: str
    width: str


@dataclass(frozen=True)
class PeerView:
    """A value against those of other customers. The mark lies at `at`, or a bar from `low` to `high`, all per cent; None for what has no order."""

    title: str
    value: str
    words: str
    direction: str
    at: str | None = None
    low: str | None = None
    width: str | None = None


@dataclass(frozen=True)
class CustomerView:
    """Everything on the page that does not change with time. `state` is scored, unscored or left."""

    user_id: str
    about: str
    state: str
    name: str
    tags: tuple[str, ...]
    score: ScoreView | None
    cells: tuple[Cell, ...]
    reasons: tuple[ReasonView, ...]
    reasons_note: str
    notices: tuple[str, ...]
    stale: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def customer(
    record: Answer, explanation: Answer | None, before: Answer | None, left_at: str | None = None
) -> CustomerView:
    """Return the page's content.

    Parameters
    ----------
    record : mapping
        The customer as the API shows it.
    explanation : mapping, optional
        Its score in full; None without one, and where its model cannot be loaded.
    before : mapping, optional
        The score before, of the same sort, as the history has it.
    left_at : str, optional
        When the customer left, where that is known.
    """
    shown = score(record, explanation, before) if record["risk_band"] else None
    state = "left" if record["churned"] else "scored" if shown else "unscored"
    source = cast("Sequence[Answer]", record["reasons"])
    return CustomerView(
        user_id=str(record["user_id"]),
        about=_about(record, left_at),
        state=state,
        name=" · ".join(str(record[key]) for key in ("name", "email") if record.get(key)),
        tags=tuple(record["tags"]),
        score=shown,
        cells=_cells(record, left_at),
        reasons=reasons(source),
        reasons_note=_reasons_note(record, explanation),
        notices=tuple(str(item["sentence"]) for item in (explanation or {}).get("notices", ())),
        stale=stale_words(record),
        pairs=_pairs(record),
    )


def score(record: Answer, explanation: Answer | None, before: Answer | None) -> ScoreView:
    """Return the score's own part: figure, ring, confidence and interval, and the change since the score before."""
    probability, percentile = record["churn_probability"], float(record["risk_percentile"] or 0.0)
    band = str(record["risk_band"])
    if probability is None:
        ring, words, figure = min(99, round(100 * percentile)), "riskier than {}% of customers", _place(percentile)
    else:
        ring, figure = min(99, max(1, round(100 * probability))), percent(probability, 0 if probability >= 0.1 else 1)
        words = "churn probability {}%"
    change, tone = _change(record, before)
    return ScoreView(
        ring=ring,
        ring_words=words.format(ring),
        band=band,
        band_word=BAND_WORDS[band],
        label=claim(record),
        figure=figure,
        aside=_certainty(record),
        statement=str((explanation or {}).get("statement", "")),
        change=change,
        change_tone=tone,
        made=f"data to {last_day(record['as_of'])}, scored {moment(record['scored_at'])}, version {record['model_version']}",
    )


def claim(record: Answer) -> str:
    """Return what the score says, by the model's kind: only one that looks ahead names a time."""
    if record["kind"] == "snapshot":
        return "Like those who left"
    if record["kind"] == "simple_rule":
        return "Silent for longer than others"
    definition = record["definition"]
    days, lead = definition["horizon_days"], definition["lead_days"] or 0
    verb = {"cancel": "Cancels", "payment_failure": "Payment fails for good", "inactivity": "Falls silent"}.get(
        definition["kind"], "Leaves"
    )
    words = f"{verb} between {lead} and {lead + days} days on" if lead else f"{verb} within {days} days"
    return words if record["churn_probability"] is not None else f"By rank: {words[0].lower()}{words[1:]}"


def _place(percentile: float) -> str:
    side = "Top" if percentile >= 0.5 else "Lowest"
    return f"{side} {max(1, round(100 * min(percentile, 1 - percentile)))}%"


def _certainty(record: Answer) -> str:
    """Return confidence and interval; nothing where the probability is withheld, of which they speak."""
    if record["churn_probability"] is None or record["interval"] is None or record["confidence"] is None:
        return ""
    low, high = record["interval"]
    digits = 0 if high >= 0.1 else 1
    return f"{percent(low, digits)}–{percent(high, digits)}, confidence {record['confidence']:.2f}"


def _change(record: Answer, before: Answer | None) -> tuple[str, str]:
    if before is None:
        return "first score", ""
    since = f"since {day(before['as_of'])}"
    now, then = record["churn_probability"], before["churn_probability"]
    if now is None or then is None:
        moved = float(record["margin"] or 0.0) - float(before["margin"])
        if abs(moved) < 0.05:
            return f"about the same {since}", ""
        return (f"higher {since}", "raises") if moved > 0 else (f"lower {since}", "lowers")
    return points(now - then, since)


def points(change: float, since: str = "") -> tuple[str, str]:
    """Return a change of a probability in points, with its tone."""
    tail = f" {since}" if since else ""
    if abs(change) < 0.0005:
        return f"no change{tail}", ""
    size = f"{abs(100 * change):.0f}" if abs(change) >= 0.1 else f"{abs(100 * change):.1f}"
    word = "point" if size in ("1", "1.0") else "points"
    return f"{'+' if change > 0 else '−'}{size} {word}{tail}", "raises" if change > 0 else "lowers"


def _about(record: Answer, left_at: str | None) -> str:
    parts = [str(record["plan"])] if record["plan"] else []
    if record["revenue"]:
        parts.append(f"{cash(record['revenue'])} a month")
    if record["signup_at"]:
        parts.append(f"{'came on' if record['churned'] else 'with us since'} {day(record['signup_at'])}")
    if left_at and record["churned"]:
        parts.append(f"left on {day(left_at)}")
    return " · ".join(parts)


def _cells(record: Answer, left_at: str | None) -> tuple[Cell, ...]:
    probability, revenue, percentile = record["churn_probability"], record["revenue"], record["risk_percentile"]
    if not revenue:
        pays = Cell("Pays a month", "–", note="no price is known")
    elif record["churned"]:
        pays = Cell("Paid a month", cash(revenue), note="until leaving")
    elif probability is None:
        pays = Cell("Pays a month", cash(revenue), note=f"{cash(_times(revenue, 12), short=True)} a year")
    else:
        at_risk, year = cash(_times(revenue, probability)), cash(_times(revenue, 12), short=True)
        pays = Cell("Pays a month", cash(revenue), note=f"{at_risk} of it at risk · {year} a year")
    months = _months(record, left_at if record["churned"] else None)
    tenure = Cell(
        "Was with us" if record["churned"] else "With us",
        "–" if months is None else _span(months),
        note=f"since {day(record['signup_at'])}" if record["signup_at"] else "the first day is not known",
    )
    if percentile is None:
        place = Cell("Among customers", "–", note="not scored")
    else:
        place = Cell("Among customers", _place(percentile), note=f"riskier than {_share(percentile)} of customers")
    return (pays, tenure, place)


def _times(amount: Answer, factor: float) -> dict[str, Any]:
    return {**amount, "amount_minor": round(int(amount["amount_minor"]) * factor)}


def _months(record: Answer, left_at: str | None) -> float | None:
    if record["tenure_months"] is not None:
        return float(record["tenure_months"])
    if not record["signup_at"] or (record["churned"] and left_at is None):
        return None
    since = clock.to_us(datetime.fromisoformat(str(record["signup_at"])))
    until = clock.now_us() if left_at is None else clock.to_us(datetime.fromisoformat(left_at))
    return max(0.0, (until - since) / _MONTH_US)


def _span(months: float) -> str:
    whole = round(months)
    if whole < 1:
        return "under a month"
    if whole < 24:
        return f"{whole} month{'' if whole == 1 else 's'}"
    return f"{whole / 12:.1f} years".replace(".0 ", " ")


def reasons(items: Sequence[Answer]) -> tuple[ReasonView, ...]:
    """Return reasons with bars; those that raise the score first, each side strongest first."""
    longest = max((abs(float(item["contribution"])) for item in items), default=0.0) or 1.0
    ordered = sorted(items, key=lambda item: (item["direction"] != "raises", -abs(float(item["contribution"]))))
    return tuple(_reason(item, HALF * abs(float(item["contribution"])) / longest) for item in ordered)


def _reason(item: Answer, width: float) -> ReasonView:
    raises = item["direction"] == "raises"
    found = _SENTENCE.match(str(item["sentence"]))
    what, beside, share = str(item["sentence"]), "", percent(item["share"], 0)
    if found:
        related = "with related features" if found["group"] else ""
        what, beside = found["what"], " · ".join(part for part in (found["beside"], related) if part)
        share = found["share"]
    width = max(width, 1.0)
    return ReasonView(what, beside, item["direction"], share, f"{50 if raises else 50 - width:.1f}%", f"{width:.1f}%")


def _reasons_note(record: Answer, explanation: Answer | None) -> str:
    version = record["model_version"]
    if version is None:
        return ""
    if explanation is None:
        return f"version {version}"
    return (
        f"version {version} · {'exact contributions' if explanation['exact'] else 'rebuilt, close to what was stored'}"
    )


def stale_words(record: Answer) -> tuple[str, ...]:
    """Return why the score may be out of date, each as a sentence."""
    words = {
        "model_replaced": f"Another model is in service by now; this score was made by version {record['model_version']}.",
        "values_changed": "What is on record about this customer was changed after the score was made.",
        "as_of_old": f"The data reach further than this score, which looks at {day(record['as_of'])}.",
        "feed_silent": "A feed went silent: what looks like inactivity may be missing data.",
    }
    return tuple(words[reason] for reason in record["stale_reasons"])


def _pairs(record: Answer) -> tuple[tuple[str, str], ...]:
    personal = [
        (word, str(record[key]))
        for key, word in (("name", "Name"), ("email", "E-mail"), ("phone", "Phone"))
        if record.get(key)
    ]
    other = [(str(name), str(value)) for name, value in (record.get("other_personal") or {}).items()]
    own = [(str(item["title"]), attribute(item)) for item in record["attributes"] if item["value"] is not None]
    return (*personal, *other, *own)


def attribute(item: Answer) -> str:
    """Return an attribute's value for a reader."""
    value, unit = item["value"], item["unit"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if item["kind"] == "date":
        return day(str(value))
    if isinstance(value, int | float):
        number = f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value:,}"
        return f"{number} {unit}" if unit else number
    return str(value)


def peers(
    contributions: Sequence[Answer], specs: Mapping[str, FeatureSpec], found: Mapping[str, Standing]
) -> tuple[PeerView, ...]:
    """Return the customer's values against those of others, those that moved the score most first."""
    return tuple(
        _peer(item, specs[item["feature"]], found[item["feature"]])
        for item in contributions
        if item["feature"] in found and item["feature"] in specs
    )


def _peer(item: Answer, spec: FeatureSpec, place: Standing) -> PeerView:
    from retainstream.ml.values import say

    amount = float(item["contribution"])
    direction = "raises" if amount > 0.0005 else "lowers" if amount < -0.0005 else ""
    value, same = say(item["value"], spec), _share(place.same)
    if item["value"] is None:
        return PeerView(spec.title, value, f"as for {same} of customers", direction)
    if place.below is None:
        return PeerView(spec.title, value, f"like {same} of customers", direction)
    if place.same >= 0.25:
        low = max(0.0, place.below - place.same / 2)
        return PeerView(
            spec.title, value, f"like {same} of customers", direction, None, _percent(low), _percent(place.same)
        )
    words = (
        f"higher than for {_share(place.below)}" if place.below >= 0.5 else f"lower than for {_share(1 - place.below)}"
    )
    return PeerView(spec.title, value, f"{words} of customers", direction, at=_percent(place.below))


def _share(value: float) -> str:
    """Return a share of customers, never all or none of them: a standing is only so fine."""
    if value < 0.01:
        return "fewer than 1%"
    return f"{min(99, round(100 * value))}%"


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"
