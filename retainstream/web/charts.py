"""Drawings as plain geometry, for `_charts.html` to set as SVG: no script, no inline style, so that they print and read without either.

Every function takes figures and returns frozen dataclasses in the units of its view box; nothing here knows where the figures come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 26.0
"""Margins of a plot with axes, in its units."""
Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A place on an axis, with its words."""

    at: float
    words: str


@dataclass(frozen=True)
class Bar:
    """One bar, in units of the drawing, and its words."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True)
class Axes:
    """A plot's size and scales: maps figures to places.

    Attributes
    ----------
    x, y : pair of floats
        The least and the greatest figure on each axis; a pair of equals is widened.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = 640.0
    height: float = 280.0

    def across(self, value: float) -> float:
        """Return the place of a figure on the horizontal axis."""
        return round(LEFT + _share(value, self.x) * (self.width - LEFT - RIGHT), 1)

    def up(self, value: float) -> float:
        """Return the place of a figure on the vertical axis; larger figures lie higher."""
        return round(TOP + (1 - _share(value, self.y)) * (self.height - TOP - BOTTOM), 1)

    @property
    def floor(self) -> float:
        """Return the place of the horizontal axis."""
        return self.height - BOTTOM

    @property
    def right(self) -> float:
        """Return where the plot ends on the right."""
        return self.width - RIGHT

    def line(self, points: Sequence[Point]) -> str:
        """Return the path through points, in their order."""
        return _path([(self.across(x), self.up(y)) for x, y in points])

    def area(self, points: Sequence[Point]) -> str:
        """Return the path of the area between points and the least figure of the vertical axis."""
        if not points:
            return ""
        first, last = self.across(points[0][0]), self.across(points[-1][0])
        return f"{self.line(points)}L{last} {self.floor}L{first} {self.floor}Z"

    def band(self, low: Sequence[Point], high: Sequence[Point]) -> str:
        """Return the path of the area between a lower and an upper line."""
        back = [(self.across(x), self.up(y)) for x, y in reversed(low)]
        return f"{self.line(high)}{_path(back, begin='L')}Z" if low and high else ""


@dataclass(frozen=True)
class Spark:
    """A line without axes in a box of 100 x 32 that is stretched to its place."""

    line: str
    area: str


def sparkline(values: Sequence[float | None]) -> Spark | None:
    """Return a sparkline; None for fewer than two figures. Gaps are passed over."""
    known = [(index, value) for index, value in enumerate(values) if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return None
    low, high = min(value for _, value in known), max(value for _, value in known)
    span, last = (high - low) or 1.0, len(values) - 1
    points = [(round(100 * index / last, 2), round(29 - 26 * (value - low) / span, 2)) for index, value in known]
    line = _path(points)
    return Spark(line, f"{line}L{points[-1][0]} 32L{points[0][0]} 32Z")


def round_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return about as many round figures between two figures, both ends included where they are round."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    rough = (high - low) / max(wanted, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * part for part in (1, 2, 2.5, 5, 10) if size * part >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _share(value: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return (value - low) / (high - low) if high > low else 0.5


def _path(points: Sequence[Point], begin: str = "M") -> str:
    return "".join(f"{'L' if index else begin}{x:g} {y:g}" for index, (x, y) in enumerate(points))
