"""The health of the business in one figure whose five parts and formulas are shown.

Ends of the scales are ours and stated in each formula: they order one's own months, and compare with no other business.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

TITLES = {
    "retention": "Retention",
    "growth": "Growth",
    "risk": "Risk",
    "engagement": "Engagement",
    "trust": "Trust in the model",
}
WEIGHTS = {"retention": 30.0, "growth": 20.0, "risk": 20.0, "engagement": 20.0, "trust": 10.0}
_RETAINED = (0.90, 0.99)  # share kept in 30 days that gives 0 and 100 points
_GROWTH = (-0.05, 0.05)  # change of recurring revenue in 30 days
_TOP = (0.50, 0.05)  # share of revenue that the ten largest customers bring
_EXPECTED_LOSS = (0.20, 0.01)  # share of revenue expected to be lost in 30 days
_ACTIVE = (0.20, 0.90)  # share of customers seen in 30 days
_AUC = (0.50, 0.85)  # lower end of the interval of the model's AUC
_NOT_CALIBRATED = 0.5  # what points of the model are worth whose probabilities failed their gate


@dataclass(frozen=True)
class BusinessFigures:
    """What the parts are made of; None where a figure is not known.

    Parameters
    ----------
    customers_before, customers_lost : int, 0 or more
        Customers 30 days ago, and those of them who have left since.
    revenue_before, revenue_now : int, 0 or more
        Monthly recurring revenue 30 days ago and now, minor units.
    revenue_of_ten : int, 0 or more
        Of ``revenue_now``, what the ten largest customers bring.
    revenue_at_risk : float, 0 or more
        Sum over customers of the probability of leaving within 30 days x monthly revenue, minor units.
    customers_now, customers_active : int, 0 or more
        Customers now, and those of them with a sign of life in the last 30 days.
    auc_low : float, 0 to 1
        Lower end of the interval of the serving model's AUC.
    calibrated : bool
        Whether its probabilities passed their gate.

    Raises
    ------
    ValueError
        For a negative figure, a part larger than its whole, or an AUC outside 0 to 1.
    """

    customers_before: int | None = None
    customers_lost: int | None = None
    revenue_before: int | None = None
    revenue_now: int | None = None
    revenue_of_ten: int | None = None
    revenue_at_risk: float | None = None
    customers_now: int | None = None
    customers_active: int | None = None
    auc_low: float | None = None
    calibrated: bool | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value >= 0:
                raise ValueError(f"{field.name} cannot be negative.")
        for part, whole in (
            ("customers_lost", "customers_before"),
            ("customers_active", "customers_now"),
            ("revenue_of_ten", "revenue_now"),
            ("revenue_at_risk", "revenue_now"),
        ):
            a, b = getattr(self, part), getattr(self, whole)
            if a is not None and b is not None and a > b:
                raise ValueError(f"{part} cannot be more than {whole}.")
        if self.auc_low is not None and self.auc_low > 1:
            raise ValueError("auc_low lies between 0 and 1.")


@dataclass(frozen=True)
class BusinessPart:
    """One part.

    Attributes
    ----------
    name, title : str
    weight : float
        As set; the weight of a part that is not known is spread over the others.
    points : float or None
        0 to 100; None when not known.
    contribution : float
        What it brings to the score; 0 when not known.
    formula : str
        How the points came about, with the figures in it, or what is missing.
    """

    name: str
    title: str
    weight: float
    points: float | None
    contribution: float
    formula: str


@dataclass(frozen=True)
class BusinessHealth:
    """Score of 0 to 100, None when no part is known; ``confidence`` is the share of the weight whose parts are known."""

    score: float | None
    confidence: float
    parts: tuple[BusinessPart, ...]


_Rated = tuple[float | None, str]


def business_health(figures: BusinessFigures, weights: dict[str, float] | None = None) -> BusinessHealth:
    """Rate a business from its own figures.

    Parameters
    ----------
    figures : BusinessFigures
    weights : dict, optional
        By name of part, 0 or more; parts that are not named keep theirs of ``WEIGHTS``.

    Returns
    -------
    BusinessHealth
        Contributions add up to the score.

    Raises
    ------
    ValueError
        For a name that is no part, a negative weight, or no weight at all.
    """
    own = WEIGHTS | (weights or {})
    if set(own) != set(WEIGHTS) or not all(weight >= 0 for weight in own.values()) or not sum(own.values()) > 0:
        raise ValueError(f"Weights are 0 or more, not all 0, and are of: {', '.join(WEIGHTS)}.")
    rated: dict[str, _Rated] = {
        "retention": _retention(figures),
        "growth": _growth(figures),
        "risk": _risk(figures),
        "engagement": _engagement(figures),
        "trust": _trust(figures),
    }
    known = sum(own[name] for name, (points, _) in rated.items() if points is not None)
    parts = tuple(
        BusinessPart(name, TITLES[name], own[name], points, own[name] * (points or 0.0) / (known or 1.0), formula)
        for name, (points, formula) in rated.items()
    )
    score = sum(part.contribution for part in parts) if known else None
    return BusinessHealth(score, known / sum(own.values()), parts)


def _line(value: float, ends: tuple[float, float]) -> float:
    """Points on the straight line from 0 at the first end to 100 at the second, within both."""
    worst, best = ends
    return min(max(100 * (value - worst) / (best - worst), 0.0), 100.0)


def _sentence(what: str, value: float, ends: tuple[float, float], points: float) -> str:
    return f"{what} = {value:.1%}; {ends[0]:.0%} gives 0 points and {ends[1]:.0%} gives 100: {points:.0f}."


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _rate(what: str, value: float | None, ends: tuple[float, float]) -> _Rated:
    if value is None:
        return None, f"{what}: not known."
    points = _line(value, ends)
    return points, _sentence(what, value, ends, points)


def _retention(f: BusinessFigures) -> _Rated:
    lost = _share(f.customers_lost, f.customers_before)
    kept = None if lost is None else 1 - lost
    return _rate("Customers of 30 days ago who are still there", kept, _RETAINED)


def _growth(f: BusinessFigures) -> _Rated:
    now = _share(f.revenue_now, f.revenue_before)
    change = None if now is None else now - 1
    return _rate("Change of monthly recurring revenue in 30 days", change, _GROWTH)


def _risk(f: BusinessFigures) -> _Rated:
    """Concentration and expected loss, half each; one alone when the other is not known."""
    halves = (
        _rate("Revenue of the ten largest customers", _share(f.revenue_of_ten, f.revenue_now), _TOP),
        _rate(
            "Revenue expected to be lost in 30 days (sum of probability x revenue)",
            _share(f.revenue_at_risk, f.revenue_now),
            _EXPECTED_LOSS,
        ),
    )
    known = [points for points, _ in halves if points is not None]
    words = " ".join(words for _, words in halves)
    if not known:
        return None, words
    return sum(known) / len(known), f"{words} Their mean: {sum(known) / len(known):.0f}."


def _engagement(f: BusinessFigures) -> _Rated:
    active = _share(f.customers_active, f.customers_now)
    return _rate("Customers with a sign of life in the last 30 days", active, _ACTIVE)


def _trust(f: BusinessFigures) -> _Rated:
    if f.auc_low is None:
        return None, "Lower end of the interval of the model's AUC: not known."
    points = _line(f.auc_low, _AUC)
    words = (
        f"Lower end of the interval of the model's AUC = {f.auc_low:.2f}; {_AUC[0]:.2f} gives 0 points and {_AUC[1]:.2f} gives 100: "
        f"{points:.0f}."
    )
    if f.calibrated is False:
        points *= _NOT_CALIBRATED
        words += f" Halved, for its probabilities failed their check: {points:.0f}."
    return points, words
