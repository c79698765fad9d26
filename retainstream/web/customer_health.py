"""The health of one customer, for the customer's page: the score with its parts, how sure it is, its trend and its past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.services.health import reading, schemes
from retainstream.services.health.reading import PastScore
from retainstream.services.health.schemes import SchemePart, SchemeView
from retainstream.web.charts import Spark, sparkline
from retainstream.web.customers_view import HEALTH_LOOK
from retainstream.web.health_schemes_form import plain
from retainstream.web.template_tools import last_day, percent

_STEADY = 2.0
"""Points within which a score is said to stand where it stood."""


@dataclass(frozen=True)
class PartLine:
    """One part: the value, its points as text and as a bar, and what its weight brings of what it could bring."""

    title: str
    value: str
    points: str
    width: float
    brings: str


@dataclass(frozen=True)
class HealthView:
    """The panel; `past` are date, score and band in words, newest first."""

    title: str
    note: str
    figure: str
    look: str
    word: str
    confidence: str
    trend: str
    spark: Spark | None
    parts: tuple[PartLine, ...]
    scheme: str
    past: tuple[tuple[str, str, str], ...]


def read(session: Session, customer_id: int) -> HealthView | None:
    """Return the panel; None for somebody without a row in the scores in force."""
    run = reading.newest_run(session)
    past = reading.history(session, customer_id) if run is not None else ()
    if run is None or not past or past[-1].as_of != run.as_of:
        return None
    return view(past, schemes.read(session, past[-1].scheme_id))


def view(past: Sequence[PastScore], scheme: SchemeView) -> HealthView:
    """Return the panel of somebody with scores, oldest first; `scheme` is that of the last one."""
    now = past[-1]
    worst = _costliest(now, scheme)
    word = "" if now.band is None else now.band.capitalize()
    title = "Health is not known" if now.score is None else f"Health: {now.score:.0f} of 100, {word.lower()}"
    if worst and now.score is not None and now.score < 99.5:
        title += f"; {worst.title[:1].lower()}{worst.title[1:]} costs most"
    comparable = [one for one in past if one.scheme_id == now.scheme_id]
    return HealthView(
        title=title,
        note=f"data to {last_day(clock.iso(now.as_of))}",
        figure="–" if now.score is None else f"{now.score:.0f}",
        look="" if now.band is None else HEALTH_LOOK[now.band],
        word=word,
        confidence=_sure(now),
        trend=_trend(comparable),
        spark=sparkline([one.score for one in comparable]),
        parts=tuple(_line(part, now) for part in scheme.parts),
        scheme=scheme.name,
        past=tuple(
            (
                last_day(clock.iso(one.as_of)),
                "–" if one.score is None else f"{one.score:.0f}",
                (one.band or "not known").capitalize()
                + ("" if one.scheme_id == now.scheme_id else ", by another scheme"),
            )
            for one in reversed(past)
        ),
    )


def _cell(part: SchemePart, score: PastScore) -> tuple[float | None, float | None]:
    points, value = score.parts.get(part.key, (None, None))
    return points, value


def _costliest(score: PastScore, scheme: SchemeView) -> SchemePart | None:
    lost = [
        ((100 - points) * part.weight, part)
        for part in scheme.parts
        if (points := _cell(part, score)[0]) is not None and points < 100 and part.weight
    ]
    return max(lost, key=lambda one: one[0])[1] if lost else None


def _line(part: SchemePart, score: PastScore) -> PartLine:
    points, value = _cell(part, score)
    unit = part.unit if part.unit.startswith("%") else f" {part.unit}".rstrip()
    return PartLine(
        title=part.title,
        value="not known" if value is None else f"{plain(round(value, 1))}{unit}",
        points="–" if points is None else f"{points:.0f}",
        width=0.0 if points is None else round(points, 1),
        brings=f"weight {part.weight}",
    )


def _sure(score: PastScore) -> str:
    if score.confidence >= 0.999:
        return "Every part is known."
    return f"{percent(score.confidence, 0)} of the weight is known; the score is that of the parts that are."


def _trend(past: Sequence[PastScore]) -> str:
    """Return how the score stands against the date nearest to 30 days before, in words; empty without one."""
    now = past[-1]
    wanted = now.as_of - 30 * clock.DAY_US
    earlier = [one for one in past[:-1] if one.score is not None and abs(one.as_of - wanted) <= 16 * clock.DAY_US]
    if now.score is None or not earlier:
        return ""
    then = min(earlier, key=lambda one: abs(one.as_of - wanted))
    change = now.score - (then.score or 0.0)
    since = f"since {last_day(clock.iso(then.as_of))}"
    if abs(change) < _STEADY:
        return f"About where it stood, {since}."
    return f"{'Up' if change > 0 else 'Down'} {abs(change):.0f} points {since}."
