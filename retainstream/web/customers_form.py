"""What people type into the filters of the list of customers, as the parameters of the API: per cent become shares, amounts minor units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from retainstream.errors import InvalidInput
from retainstream.lib.money import exponent, to_minor
from retainstream.services.customers import asked
from retainstream.services.customers.asked import Asked

TYPED = {
    "from_percent": "min_probability",
    "to_percent": "max_probability",
    "from_amount": "min_revenue",
    "to_amount": "max_revenue",
}
"""Fields of the form, and the parameter that each stands for."""
_LARGEST = 10**12


@dataclass(frozen=True)
class Typed:
    """The list that was asked for, as far as it was understood.

    Attributes
    ----------
    problems : dict of str to list of str
        By the name of the form's field.
    values : dict of str to str
        What was typed into the ranges, for the form to show again.
    settled : bool
        Whether the address is the list's own already, with nothing in the words of the form and nothing blank.
    """

    asked: Asked
    problems: dict[str, list[str]]
    values: dict[str, str]
    settled: bool


def read(given: Mapping[str, Sequence[str]], currency: str) -> Typed:
    """Return what a form or an address asks for; what is wrong with it is told beside its field, and the rest holds."""
    parameters: dict[str, Sequence[str]] = {name: values for name, values in given.items() if name not in TYPED}
    problems: dict[str, list[str]] = {}
    for field, parameter in TYPED.items():
        text = (given.get(field) or [""])[0].strip()
        if not text:
            continue
        try:
            parameters[parameter] = [_share(text) if field.endswith("percent") else _amount(text, currency)]
        except ValueError as expected:
            problems[field] = [str(expected)]
    fields = {parameter: field for field, parameter in TYPED.items()}
    try:
        found = asked.read(parameters)
    except InvalidInput as bad:
        problems |= {fields.get(name, name): told for name, told in bad.fields.items()}
        found = asked.read({name: values for name, values in parameters.items() if name not in bad.fields})
    blank = any(not value.strip() for name, values in given.items() if name != "plan" for value in values)
    values = _shown(found, currency)
    values |= {name: given[name][0] for name in problems if given.get(name)}
    return Typed(found, problems, values, not (blank or any(name in given for name in TYPED)))


def _number(text: str, signs: str) -> Decimal:
    plain = text.strip(signs + " ").replace(" ", "")
    plain = plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain.replace(",", "")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError("a number") from None
    if not value.is_finite() or abs(value) > _LARGEST:
        raise ValueError("a number of ordinary size")
    return value


def _share(text: str) -> str:
    value = _number(text, "%")
    if not 0 <= value <= 100:
        raise ValueError("a number from 0 to 100")
    return f"{value / 100:f}"


def _amount(text: str, currency: str) -> str:
    return str(to_minor(_number(text, "$€£¥₹₩"), currency))


def _shown(found: Asked, currency: str) -> dict[str, str]:
    """Return the ranges of a list as somebody would have typed them."""
    shares = {"from_percent": found.min_probability, "to_percent": found.max_probability}
    amounts = {"from_amount": found.min_revenue, "to_amount": found.max_revenue}
    months = {"min_tenure": found.min_tenure, "max_tenure": found.max_tenure}
    values = {name: f"{100 * value:.10g}" for name, value in shares.items() if value is not None}
    digits = exponent(currency)
    values |= {
        name: f"{Decimal(value).scaleb(-digits).normalize():f}" for name, value in amounts.items() if value is not None
    }
    return values | {name: f"{value:g}" for name, value in months.items() if value is not None}
