"""The preferences as a form: per cent and the main unit of money in, shares and minor units out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from retainstream.lib.money import exponent, to_major, to_minor
from retainstream.services.preferences import COUNTS, Preferences

_EDGES = ("medium", "high", "very_high")
PERCENTS = ("acceptance", "high_value_share", "hold_out_share", "margin", "annual_discount")
AMOUNTS = ("value_minor", "contact_cost_minor", "incentive_minor")
_MOST = Decimal(10) ** 12


@dataclass(frozen=True)
class Answers:
    """What a form said: preferences by name where it could be read, and complaints by field where not."""

    changes: dict[str, Any]
    problems: dict[str, list[str]]


def written(chosen: Preferences, currency: str) -> dict[str, str]:
    """Return the form's fields for preferences. Percentile bands are said as the riskiest share, so they fall."""
    found = {f"risk_{edge}": _percent(value) for edge, value in zip(_EDGES, chosen.risk_bands, strict=True)}
    for edge, value in zip(_EDGES, chosen.percentile_bands, strict=True):
        found[f"riskiest_{edge}"] = _percent(1 - value)
    found |= {name: _percent(getattr(chosen, name)) for name in PERCENTS}
    for name in AMOUNTS:
        found[name] = f"{to_major(getattr(chosen, name), currency):.{exponent(currency)}f}"
    return found | {name: str(getattr(chosen, name)) for name in COUNTS}


def read(form: Mapping[str, str], currency: str) -> Answers:
    """Return what a form says. Limits of single preferences are the service's affair; only what is no number is complained of here."""
    problems: dict[str, list[str]] = {}

    def number(name: str, scale: int = 100) -> Decimal:
        text = form.get(name, "").strip().replace(",", ".").removesuffix("%").strip()
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or abs(value) > _MOST:
            problems[name] = ["a number" if scale == 1 else "a number of per cent"]
            return Decimal(0)
        return value / scale

    changes: dict[str, Any] = {
        "risk_bands": [_share(number(f"risk_{edge}")) for edge in _EDGES],
        "percentile_bands": [_share(1 - number(f"riskiest_{edge}")) for edge in _EDGES],
    }
    changes |= {name: _share(number(name)) for name in PERCENTS}
    changes |= {name: to_minor(number(name, 1), currency) for name in AMOUNTS}
    for name, (low, high) in COUNTS.items():
        count = number(name, 1)
        if count != int(count):
            problems[name] = [f"a whole number from {low} to {high:,}"]
        changes[name] = int(count)
    return Answers(changes, problems)


def placed(problems: Mapping[str, Any], currency: str) -> dict[str, list[str]]:
    """Return the service's complaints at the fields that people see, in their units."""
    words = {
        "risk_bands": ("risk_medium", "three rising numbers between 0 and 100"),
        "percentile_bands": ("riskiest_medium", "three falling numbers between 100 and 0"),
        "acceptance": ("acceptance", "a number above 0 and up to 100"),
        "high_value_share": ("high_value_share", "a number above 0 and up to 100"),
        "hold_out_share": ("hold_out_share", "a number from 0 to 50"),
        "margin": ("margin", "a number above 0 and up to 100"),
        "annual_discount": ("annual_discount", "a number from 0 to 100"),
    }
    words |= {name: (name, f"a whole number from {low} to {high:,}") for name, (low, high) in COUNTS.items()}
    found = {}
    for name in problems:
        field, expected = words.get(name, (name, f"an amount from 0 on, in {currency}"))
        found[field] = [expected]
    return found


def differing(changes: Mapping[str, Any], chosen: Preferences) -> dict[str, Any]:
    """Return those that differ from what is in force: what nobody touched goes on following the product's default."""
    return {name: value for name, value in changes.items() if value != _plain(getattr(chosen, name))}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _percent(share: float) -> str:
    return f"{round(100 * share, 4):g}"


def _share(value: Decimal) -> float:
    return round(float(value), 8)
