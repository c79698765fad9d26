"""Values of features as a reader would write them: with a unit, and with no more digits than somebody wants to read."""

from __future__ import annotations

from retainstream.ml.features import FeatureSpec

Scalar = bool | int | float | str | None
_DURATIONS = frozenset({"days", "hours", "weeks", "months", "minutes"})
_LONGEST_TEXT = 60
_CURRENCIES = frozenset("$€£¥₹")


def say(value: Scalar, spec: FeatureSpec) -> str:
    """Write a value for a reader, with its unit unless the title says it."""
    if value is None:
        return "blank"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        text = " ".join(value.split())
        return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
    unit = (spec.unit or "").strip()
    if unit in _CURRENCIES:
        amount = f"{abs(value):,.2f}" if abs(value) < 1000 and value != round(value) else f"{abs(value):,.0f}"
        return f"{'-' if value < 0 else ''}{unit}{amount}"
    number = _duration(value) if unit.lower() in _DURATIONS else _number(value)
    if unit == "%":
        return f"{number}%"
    if not unit or unit.lower() in spec.title.lower().split():
        return number
    return f"{number} {unit[:-1] if number == '1' and unit.endswith('s') else unit}"


def _number(value: float) -> str:
    """Round as a reader would: no decimals from 1,000, one from 100, two from 1, three significant digits below."""
    size = abs(value)
    if size < 1:
        return "0" if size == 0 else f"{value:.3g}"
    decimals = 0 if size >= 1000 else 1 if size >= 100 else 2
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _duration(value: float) -> str:
    """Round a length of time: nobody reads the hundredths of a day."""
    size = abs(value)
    decimals = 0 if size >= 10 else 1 if size >= 1 else 2
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
