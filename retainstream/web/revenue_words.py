"""Words, amounts and addresses that the pages about revenue share."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode

from retainstream.lib.money import exponent, money, to_major
from retainstream.web.template_tools import cash

WORDS = {
    "opening": "At the beginning",
    "new": "New",
    "reactivation": "Came back",
    "expansion": "Pay more",
    "contraction": "Pay less",
    "churn": "Stopped paying",
    "closing": "At the end",
}
TONES = {"opening": "level", "closing": "level", "contraction": "contraction", "churn": "churn"}
"""How a figure is drawn; whatever came has its own name."""


def tone(figure: str) -> str:
    """Return the class with which a figure is drawn."""
    return TONES.get(figure, figure)


def amount(minor: int | None, currency: str, *, signed: bool = False, exact: bool = False) -> str:
    """Return an amount in minor units for people, in whole units unless `exact`; `signed` puts a plus before what came."""
    if minor is None:
        return "–"
    if not exact:
        unit = 10 ** exponent(currency)
        minor = round(minor / unit) * unit
    text = cash(money(minor, currency))
    text = text if exact or not exponent(currency) else text.rpartition(".")[0]
    return f"+{text}" if signed and minor > 0 else text


def major(minor: object, currency: str) -> Decimal | None:
    """Return an amount in minor units for a file: in the main unit of its currency, exactly; None stays None."""
    return to_major(minor, currency) if isinstance(minor, int) else None


def tick(minor: float, currency: str) -> str:
    """Return an amount for an axis: 12k, 1.5M."""
    value = float(to_major(round(minor), currency))
    sign, size = ("−" if value < 0 else ""), abs(value)
    for length, word in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= length:
            return f"{sign}{size / length:g}{word}"
    return f"{sign}{size:g}"


def customers(n: int) -> str:
    """Return a count of customers in words."""
    return f"{n:,} customer{'' if n == 1 else 's'}"


def listed(cell: str) -> str:
    """Return the address of the list of those whom a figure counts."""
    return f"/customers?{urlencode({'cell': cell, 'status': 'all'})}"
