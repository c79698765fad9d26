"""Drawings of the model pages: calibration with intervals, and how the model did date by date. The gain curve is `model_reach`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from retainstream.web.charts import Axes, Tick, round_ticks
from retainstream.web.template_tools import percent, whole

Answer = Mapping[str, Any]
_PARTS = {"inner": "while tuning", "calibrate": "calibration window", "test": "test window", "judged": "judged"}


@dataclass(frozen=True)
class Dot:
    """A figure with its interval, in the drawing's units; `words` say it to whoever points at it."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class Plot:
    """A drawing with axes: dots with intervals, and lines through them; its title is the finding."""

    title: str
    note: str
    label: str
    axes: Axes
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    dots: tuple[Dot, ...]
    ideal: str
    line: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def calibration(report: Answer) -> Plot | None:
    """Return predicted against observed, bin by bin, with the line on which both agree; None where there are no bins."""
    bins = [one for one in report.get("calibration_curve") or () if one.get("observed") is not None]
    if not bins:
        return None
    most = max(max(one["mean_probability"], one["high"]) for one in bins)
    top = min(1.0, 1.05 * most)
    axes = Axes((0.0, top), (0.0, top), width=560.0, height=400.0)
    ticks = tuple(Tick(at, percent(at, 0 if top > 0.1 else 1)) for at in round_ticks(0.0, top, 5))
    inside = sum(one["low"] <= one["mean_probability"] <= one["high"] for one in bins)
    return Plot(
        title=_calibration_title(report.get("calibration") or {}, inside, len(bins)),
        note=f"{whole(sum(one['n'] for one in bins))} rows in {len(bins)} groups of equal size",
        label=f"Calibration: predicted against observed in {len(bins)} groups; in {inside} the prediction lies inside the 95% interval"
        " of what was observed.",
        axes=axes,
        x_ticks=ticks,
        y_ticks=ticks,
        dots=tuple(
            Dot(
                axes.across(one["mean_probability"]),
                axes.up(one["observed"]),
                axes.up(one["low"]),
                axes.up(min(one["high"], top)),
                f"predicted {percent(one['mean_probability'])}, observed {percent(one['observed'])}"
                f" ({percent(one['low'])} to {percent(one['high'])}), {whole(one['n'])} rows",
            )
            for one in bins
        ),
        ideal=axes.line([(0.0, 0.0), (top, top)]),
        line=axes.line([(one["mean_probability"], one["observed"]) for one in bins]),
        header=("Predicted", "Observed", "95% interval", "Rows"),
        rows=tuple(
            (
                percent(one["mean_probability"]),
                percent(one["observed"]),
                f"{percent(one['low'])} to {percent(one['high'])}",
                whole(one["n"]),
            )
            for one in bins
        ),
    )


def _calibration_title(verdict: Answer, inside: int, count: int) -> str:
    if verdict.get("passed"):
        return "The percentages mean what they say"
    if inside >= 0.8 * count:
        return "Close to the line, yet not proven: percentages are withheld"
    return "Predicted and observed differ: percentages are withheld"


def stability(report: Answer) -> Plot | None:
    """Return the AUC date by date with intervals; None for a model that was not judged by dates."""
    points = [
        one
        for one in (report.get("forward") or {}).get("stability") or ()
        if (one.get("auc") or {}).get("value") is not None
    ]
    if not points:
        return None
    least = min((one["auc"]["low"] if one["auc"].get("low") is not None else one["auc"]["value"]) for one in points)
    axes = Axes((-0.5, len(points) - 0.5), (max(0.0, min(0.45, least - 0.03)), 1.0), width=560.0, height=260.0)
    every = -(-len(points) // 6)
    return Plot(
        title=_stability_title(points),
        note=f"{len(points)} observation {'date' if len(points) == 1 else 'dates'}",
        label="AUC by observation date: " + "; ".join(f"{one['day']} {one['auc']['value']:.2f}" for one in points),
        axes=axes,
        x_ticks=tuple(Tick(i, _day(one["day"])) for i, one in enumerate(points) if i % every == 0),
        y_ticks=tuple(Tick(at, f"{at:g}") for at in round_ticks(*axes.y, 5)),
        dots=tuple(_date_dot(axes, i, one) for i, one in enumerate(points)),
        ideal=axes.line([(-0.5, 0.5), (len(points) - 0.5, 0.5)]),
        line=axes.line([(i, one["auc"]["value"]) for i, one in enumerate(points)]),
        header=("Date", "Part", "Customers", "Left", "Predicted", "AUC", "95% interval"),
        rows=tuple(_date_row(one) for one in points),
    )


def _day(iso: str) -> str:
    told = date.fromisoformat(iso)
    return f"{told.day} {told:%b}"


def _stability_title(points: Sequence[Answer]) -> str:
    values = [one["auc"]["value"] for one in points]
    if len(values) == 1:
        return "Judged on one date so far"
    least, most = min(values), max(values)
    steady = all(
        one["auc"].get("low") is None or one["auc"]["low"] <= sum(values) / len(values) <= one["auc"]["high"]
        for one in points
    )
    return f"{'Steady' if steady else 'Unsteady'} from date to date: AUC {least:.2f} to {most:.2f}"


def _date_dot(axes: Axes, place: int, one: Answer) -> Dot:
    figure = one["auc"]
    low = figure["value"] if figure.get("low") is None else figure["low"]
    high = figure["value"] if figure.get("high") is None else figure["high"]
    words = f"{one['day']}: AUC {figure['value']:.3f} ({low:.3f} to {high:.3f}), {whole(one['n'])} customers, {whole(one['n_churned'])} left"
    return Dot(axes.across(place), axes.up(figure["value"]), axes.up(low), axes.up(min(high, 1.0)), words)


def _date_row(one: Answer) -> tuple[str, ...]:
    figure = one["auc"]
    between = "–" if figure.get("low") is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    predicted = one.get("mean_probability")
    return (
        str(one["day"]),
        _PARTS.get(str(one["part"]), str(one["part"])),
        whole(one["n"]),
        f"{whole(one['n_churned'])} ({percent(one['observed']['value'])})",
        "–" if predicted is None else percent(predicted),
        f"{figure['value']:.3f}",
        between,
    )
