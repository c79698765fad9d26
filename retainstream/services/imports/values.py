"""Reading single values: blanks, numbers in the notations people use, yes and no, dates, and patterns of personal details.

Pure functions of one text. Which reading applies to a column is decided in ``proposal``; whole columns are read in ``casting``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

Decimal = Literal[".", ","]

DEFAULT_BLANKS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?")
DATE_FORMATS = ("iso", "ymd", "dmy", "mdy", "yyyymmdd", "d_month_y", "unix_s", "unix_ms")

_LONGEST_NUMBER = 48
_CURRENCIES = {
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "USD": "USD",
    "EUR": "EUR",
    "GBP": "GBP",
    "CHF": "CHF",
}
_MARK = r"[$€£¥₹]|USD|EUR|GBP|CHF"
_AROUND = re.compile(rf"([-+]?)\s*(?:({_MARK})\s*)?([-+]?[0-9.,'’\s]*[0-9][.,]?(?:[eE][-+]?[0-9]+)?)\s*({_MARK}|%)?")
_BODIES: dict[str, re.Pattern[str]] = {
    ".": re.compile(
        r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?:[\s'’][0-9]{3})+|[0-9]+|(?=\.[0-9]))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?"
    ),
    ",": re.compile(
        r"[-+]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,3}(?:[\s'’][0-9]{3})+|[0-9]+|(?=,[0-9]))(?:,[0-9]*)?(?:[eE][-+]?[0-9]+)?"
    ),
}
_TRUE = frozenset({"yes", "true", "t", "y", "1", "on", "ja", "oui", "si", "sí", "da", "s", "j", "o"})
_FALSE = frozenset({"no", "false", "f", "n", "0", "off", "nein", "non", "nee", "-1"})
_PAIRS = (
    ("yes", "no"), ("true", "false"), ("t", "f"), ("y", "n"), ("1", "0"), ("on", "off"), ("ja", "nein"), ("oui", "non"),
    ("si", "no"), ("sí", "no"), ("s", "n"), ("j", "n"), ("o", "n"), ("1", "-1"), ("ja", "nee"),
)  # fmt: skip
EMAIL = re.compile(r"[^@\s,;]{1,64}@[^@\s,;]+\.[A-Za-z]{2,24}")
PHONE = re.compile(r"\+?(?:\(\d{1,5}\)|\d)[\d\s().\-/]{6,18}\d")
UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
CODE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_.:\-]{2,63}")
_PARTS = re.compile(
    r"(\d{1,4})([/.\-])(\d{1,2})\2(\d{1,4})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([AaPp][Mm])?\s*(Z|UTC)?)?"
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)?")
_MONTH = re.compile(r"(?:(\d{1,2})[\s\-]([A-Za-z]{3,9})\.?,?[\s\-](\d{2,4})|([A-Za-z]{3,9})\.?\s(\d{1,2}),?\s(\d{4}))")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: index for index, name in enumerate(_MONTH_NAMES, start=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class Blanks:
    """The texts that mean "no value here"; compared without case and surrounding white space."""

    def __init__(self, texts: Iterable[str] = DEFAULT_BLANKS) -> None:
        self.texts = frozenset(text.strip().casefold() for text in texts) | {""}
        self.longest = max(map(len, self.texts))

    def __call__(self, text: str | None) -> bool:
        """Whether a text means that there is no value."""
        return text is None or text.strip().casefold() in self.texts


def parse_number(text: str, decimal: Decimal = ".") -> float | None:
    """Read a number with thousands separators, a currency sign, a percent sign, or accountant's brackets.

    Parameters
    ----------
    text : str
    decimal : "." or ","
        The sign before the fraction; the other one, a space or an apostrophe may group thousands by three.

    Returns
    -------
    float or None
        None when the text is no finite number in this notation. ``12%`` is 12.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST_NUMBER or not text.isprintable():
        return None
    negative = text[0] == "(" and text[-1] == ")"
    match = _AROUND.fullmatch(text[1:-1].strip() if negative else text)
    if match is None:
        return None
    body = match[3].strip()
    if not _BODIES[decimal].fullmatch(body) or (match[1] and body[0] in "+-"):
        return None
    for sign in ("." if decimal == "," else ",", " ", "\u00a0", "\u202f", "'", "’"):
        body = body.replace(sign, "")
    try:
        value = float(body.replace(",", "."))
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return -value if negative or match[1] == "-" else value


def currency_of(text: str) -> str | None:
    """Return the ISO 4217 code that a money text names by sign or code, None without one."""
    match = _AROUND.fullmatch(text.strip().strip("()")) if len(text) <= _LONGEST_NUMBER else None
    mark = (match[2] or match[4]) if match else None
    return _CURRENCIES.get(mark) if mark else None


def boolean_pair(values: Iterable[str]) -> tuple[str, str] | None:
    """Return the (true, false) texts, as they are in the file, when the values are a usual pair for yes and no."""
    plain = {plain_word(value): value for value in values}
    if len(plain) != 2:
        return None
    for yes, no in _PAIRS:
        if plain.keys() == {yes, no}:
            return plain[yes], plain[no]
    return None


def parse_boolean(text: str) -> bool | None:
    """Read yes or no in its usual spellings, a trailing dot included; None for anything else."""
    word = plain_word(text)
    if word in _TRUE:
        return True
    return False if word in _FALSE else None


def plain_word(text: str) -> str:
    """Lower the case and drop white space, a trailing dot, and the ``.0`` that number columns leave on 0 and 1."""
    word = text.strip().casefold()
    return word[:-2] if word in ("0.0", "1.0", "-1.0") else word.rstrip(".")


def parse_date(text: str, form: str) -> int | None:
    """Read a date or time.

    Parameters
    ----------
    text : str
    form : str
        One of ``DATE_FORMATS``. A time without zone is taken as UTC; a two-digit year as 1970 to 2069.

    Returns
    -------
    int or None
        Microseconds since 1970-01-01 UTC; None when the text is no such date or lies outside 1900 to 2100.
    """
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not text.isascii():
        return None
    try:
        moment = _read_date(text, form)
    except (ValueError, OverflowError):
        return None
    if moment is None or not _EARLIEST <= moment < _LATEST:
        return None
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def date_formats(text: str) -> set[str]:
    """Return all formats except unix time in which the text is a date (``03/04/2024`` is dmy as well as mdy)."""
    if not 6 <= len(text) <= _LONGEST_NUMBER or not any(sign.isdigit() for sign in text):
        return set()
    return {form for form in DATE_FORMATS[:6] if parse_date(text, form) is not None}


def _read_date(text: str, form: str) -> datetime | None:
    if form == "iso":
        if not _ISO.fullmatch(text):
            return None
        moment = datetime.fromisoformat(text.replace("UTC", "Z").replace(" Z", "Z").replace(" +", "+"))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if form in ("unix_s", "unix_ms"):
        digits = text.removesuffix(".0")
        if not digits.isdigit():
            return None
        return datetime.fromtimestamp(int(digits) / (1 if form == "unix_s" else 1000), tz=UTC)
    if form == "yyyymmdd":
        digits = text.removesuffix(".0")
        if len(digits) != 8 or not digits.isdigit():
            return None
        return datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:]), tzinfo=UTC)
    if form == "d_month_y":
        return _read_month(text)
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    first, second, third = match[1], match[3], match[4]
    year, month, day = {"ymd": (first, second, third), "dmy": (third, second, first), "mdy": (third, first, second)}[
        form
    ]
    if len(year) == 3 or len(year) == 1 or len(day) > 2 or len(month) > 2 or (form == "ymd" and len(year) != 4):
        return None
    hour = int(match[5] or 0)
    if match[8]:
        hour = hour % 12 + (12 if match[8].lower() == "pm" else 0)
    return datetime(_year(year), int(month), int(day), hour, int(match[6] or 0), int(match[7] or 0), tzinfo=UTC)


def _read_month(text: str) -> datetime | None:
    match = _MONTH.fullmatch(text)
    if match is None:
        return None
    day, name, year = (match[1], match[2], match[3]) if match[1] else (match[5], match[4], match[6])
    month = _MONTHS.get(name[:3].lower())
    return datetime(_year(year), month, int(day), tzinfo=UTC) if month else None


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 70 else 2000)
