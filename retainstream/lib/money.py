"""Money as integer minor units with the currency's exponent (ISO 4217)."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency: 2 unless ISO 4217 says otherwise."""
    return _EXPONENTS.get(currency.upper(), 2)


def to_minor(amount: Decimal | float | str, currency: str) -> int:
    """Return an amount in minor units, rounded half to even; raises ArithmeticError for what is no finite number."""
    scaled = Decimal(str(amount)).scaleb(exponent(currency))
    return int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def to_major(minor: int, currency: str) -> Decimal:
    """Return minor units as a decimal of the main unit."""
    return Decimal(minor).scaleb(-exponent(currency))


def money(minor: int | None, currency: str) -> dict[str, int | str] | None:
    """Return the API's form of an amount, or None when there is none."""
    return None if minor is None else {"amount_minor": int(minor), "currency": currency}
