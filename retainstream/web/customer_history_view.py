"""The scores of one customer over time: the chart, and the ledger of what moved them. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retainstream.web.charts import Axes, Point, Tick, round_ticks
from retainstream.web.customer_view import BAND_WORDS, points
from retainstream.web.template_tools import day, percent

PARTS = (
    ("features", "What changed about the customer"),
    ("model", "Another model"),
    ("calibration", "Its calibration"),
    ("unexplained", "Not to be rebuilt: the past was changed since"),
)
OUTCOMES = {"stayed": "stayed", "left": "left", "left_within_lead": "left before the window"}
WIDTH, HEIGHT = 480.0, 190.0
_TICKS = 4
_NOTICEABLE = 0.0005

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Dot:
    """One score in the drawing; a `quiet` one is a replay with hindsight, which nobody could have seen then."""

    x: float
    y: float
    words: str
    quiet: bool


@dataclass(frozen=True)
class Row:
    """One score of the table."""

    when: str
    value: str
    band: str
    band_word: str
    model: int
    role: str
    outcome: str


@dataclass(frozen=True)
class HistoryChart:
    """Scores over time: a finding as its title, the drawing, and the table behind it, newest first."""

    title: str
    note: str
    label: str
    measure: str
    axes: Axes
    line: str
    dots: tuple[Dot, ...]
    changes: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Part:
    """A part of a move, in words, with its direction."""

    name: str
    words: str
    direction: str


@dataclass(frozen=True)
class Move:
    """Why a score is another one than the one before."""

    when: str
    since: str
    words: str
    total: str
    direction: str
    parts: tuple[Part, ...]
    sentences: tuple[tuple[str, str], ...]


def before(items: Sequence[Answer], run_as_of: str | None) -> Answer | None:
    """Return the score before the newest one: of the same definition, and like it without hindsight; None without one.

    Parameters
    ----------
    run_as_of : str, optional
        The day that the score in force looks at.
    """
    seen = [item for item in items if not item["hindsight"] and (run_as_of is None or item["as_of"] <= run_as_of)]
    newest = seen[0] if seen else None
    if newest is None:
        return None
    same = (item for item in seen[1:] if item["definition"]["id"] == newest["definition"]["id"])
    return next((item for item in same if item["as_of"] < newest["as_of"]), None)


def chart(items: Sequence[Answer]) -> HistoryChart | None:
    """Return the drawing of a history (newest first); None for fewer than two scores."""
    if len(items) < 2:
        return None
    withheld = any(item["churn_probability"] is None for item in items)
    values = [float(item["margin"] if withheld else item["churn_probability"]) for item in items]
    times = [_instant(item["as_of"]) for item in items]
    low, high = min(values), max(values)
    y_ends = (low - 0.2, high + 0.2) if withheld else (0.0, min(1.0, max(0.05, high * 1.2)))
    axes = Axes((min(times), max(times)), y_ends, WIDTH, HEIGHT)
    seen = [(when, value) for item, when, value in zip(items, times, values, strict=True) if not item["hindsight"]]
    seen.reverse()
    return HistoryChart(
        title=_finding(items, withheld=withheld),
        note=f"{len(items)} scores",
        label=_label(items, values, withheld=withheld),
        measure="Score, log-odds" if withheld else "Churn probability",
        axes=axes,
        line=axes.line(seen) if len(seen) > 1 else "",
        dots=_dots(items, times, values, axes, withheld=withheld),
        changes=_changes(items, times, axes),
        x_ticks=_days(items, times),
        y_ticks=tuple(Tick(at, _tick(at, y_ends[1], withheld=withheld)) for at in round_ticks(*y_ends, 3)),
        rows=tuple(_row(item, withheld=withheld) for item in items),
    )


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _value(value: float, *, withheld: bool) -> str:
    return f"{value:.2f}".replace("-", "−") if withheld else percent(value, 0 if value >= 0.1 or value == 0 else 1)


def _tick(value: float, top: float, *, withheld: bool) -> str:
    return _value(value, withheld=True) if withheld else percent(value, 0 if top >= 0.05 else 1)


def _dots(
    items: Sequence[Answer], times: Sequence[float], values: Sequence[float], axes: Axes, *, withheld: bool
) -> tuple[Dot, ...]:
    return tuple(
        Dot(
            axes.across(when),
            axes.up(value),
            f"{day(item['as_of'])}: {_value(value, withheld=withheld)}",
            bool(item["hindsight"]),
        )
        for item, when, value in zip(items, times, values, strict=True)
    )


def _changes(items: Sequence[Answer], times: Sequence[float], axes: Axes) -> tuple[float, ...]:
    """Return where another model takes over, half-way between two scores."""
    pairs = zip(items, items[1:], times, times[1:], strict=False)
    return tuple(
        axes.across((newer_at + older_at) / 2)
        for newer, older, newer_at, older_at in pairs
        if newer["model_version"] != older["model_version"]
    )


def _days(items: Sequence[Answer], times: Sequence[float]) -> tuple[Tick, ...]:
    """Return some days of the axis: the first, the last, and between them those of scores that lie far enough apart."""
    gap = (max(times) - min(times)) / _TICKS
    kept: list[Point] = []
    ticks: list[Tick] = []
    for item, when in zip(items, times, strict=True):
        far = not kept or kept[-1][0] - when >= gap
        if far:
            kept.append((when, 0.0))
            ticks.append(Tick(when, day(item["as_of"])))
    return tuple(ticks)


def _finding(items: Sequence[Answer], *, withheld: bool) -> str:
    seen = [item for item in items if not item["hindsight"]] or list(items)
    newest, oldest = seen[0], seen[-1]
    if withheld or newest is oldest:
        moved = float(newest["margin"]) - float(oldest["margin"])
        word = "Higher" if moved > 0.05 else "Lower" if moved < -0.05 else "About the same"
        return f"{word} than on {day(oldest['as_of'])}" if word != "About the same" else "Little change over time"
    change = newest["churn_probability"] - oldest["churn_probability"]
    if abs(change) < 0.005:
        return f"Little change since {day(oldest['as_of'])}"
    words, _ = points(abs(change))
    return f"{'Up' if change > 0 else 'Down'} {words[1:]} since {day(oldest['as_of'])}"


def _label(items: Sequence[Answer], values: Sequence[float], *, withheld: bool) -> str:
    ends = [(day(items[place]["as_of"]), _value(values[place], withheld=withheld)) for place in (-1, 0)]
    told = " to ".join(f"{value} on {when}" for when, value in ends)
    peak = max(range(len(values)), key=values.__getitem__)
    return f"Score over time, {len(items)} scores: {told}; highest {_value(values[peak], withheld=withheld)} on {day(items[peak]['as_of'])}"


def _row(item: Answer, *, withheld: bool) -> Row:
    probability = item["churn_probability"]
    value = _value(item["margin"], withheld=True) if withheld or probability is None else percent(probability)
    role = "with hindsight" if item["hindsight"] else "replayed" if item["role"] == "replay" else "in service"
    band = str(item["risk_band"] or "")
    outcome = item["outcome"]
    return Row(
        day(item["as_of"]),
        value,
        band,
        BAND_WORDS.get(band, ""),
        int(item["model_version"]),
        role,
        OUTCOMES[outcome["state"]] if outcome else "",
    )


def moves(items: Sequence[Answer]) -> tuple[Move, ...]:
    """Return the moves that could be split, newest first."""
    return tuple(_move(item, item["move"]) for item in items if item["move"] is not None)


def main_reasons(move: Answer, most: int = 1) -> tuple[str, ...]:
    """Return what made most of a move, as sentences: that it was another model, where it was, and the features that spoke loudest."""
    figures = move["probability"] or move["margin"]
    by_model = abs(figures["total"] - figures["features"]) > abs(figures["features"])
    loudest = sorted(move["features"], key=lambda one: -abs(one["margin"]))
    told = ["Most of it is another model, not the customer"] if by_model else []
    told += [f"{_sentence(str(one['sentence']))}: {'raises' if one['margin'] > 0 else 'lowers'} it" for one in loudest]
    return tuple(told[:most])


def _move(item: Answer, move: Answer) -> Move:
    on_probability = move["probability"]
    figures = on_probability or move["margin"]
    total, direction = _said(figures["total"], on_probability is not None)
    parts = tuple(
        Part(name, *_said(figures[key], on_probability is not None))
        for key, name in PARTS
        if key == "features" or abs(figures[key]) >= _NOTICEABLE
    )
    now = item["churn_probability"]
    words = ""
    if on_probability is not None and now is not None:
        words = f"{percent(now - figures['total'])} to {percent(now)}"
    sentences = tuple(
        (_sentence(str(one["sentence"])), "raises" if one["margin"] > 0 else "lowers") for one in move["features"]
    )
    return Move(day(item["as_of"]), day(move["from_as_of"]), words, total, direction, parts, sentences)


def _said(amount: float, as_points: bool) -> tuple[str, str]:
    if as_points:
        return points(amount)
    if abs(amount) < _NOTICEABLE:
        return "no change", ""
    return f"{'+' if amount > 0 else '−'}{abs(amount):.2f} log-odds", "raises" if amount > 0 else "lowers"


def _sentence(text: str) -> str:
    """Return a move's sentence without its end, which the words beside it say."""
    for way in ("raises", "lowers"):
        text = text.removesuffix(f": {way} the score.")
        text = text.replace(f"; beside what else changed this {way} the score.", ", beside what else changed")
    return text
