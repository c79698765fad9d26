"""A list of customers in words: the head's sentence, and the chips that take a filter away again. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retainstream.lib.money import money
from retainstream.services.customers.asked import Asked, without
from retainstream.services.customers.groups import ORDERS, TITLES
from retainstream.services.customers.lists import GROUP_ORDER
from retainstream.web.template_tools import cash, percent

BANDS = {"low": "Low", "medium": "Medium", "high": "High", "very_high": "Very high"}
STATUSES = (("active", "Active: have not left"), ("left", "Left"), ("all", "Everybody, left or not"))
_SORTED_BY = {"user_id": "identifier", "signup": "sign-up", "created": "first on record"}
_LONGEST = 60


@dataclass(frozen=True)
class Chip:
    """One filter in words, and the address of the same list without it; `band` is a band's key, for its shape."""

    words: str
    address: str
    band: str = ""


def address(asked: Asked, **places: str) -> str:
    """Return the page's address of a list."""
    query = asked.query(**places)
    return f"/customers?{query}" if query else "/customers"


def title(total: int, asked: Asked) -> str:
    """Return the head: how many customers the list holds."""
    if total:
        return f"{total:,} customer{'' if total == 1 else 's'}"
    return "No customer matches" if asked.narrows or asked.q else "No customers"


def lead(asked: Asked, currency: str, titles: Mapping[str, str], *, priced: bool = True) -> str:
    """Return the filter as a sentence; `titles` says what each of its cells is called. Without any price no loss can order a group."""
    parts = {"active": [], "left": ["left"], "all": ["active and left alike"]}[asked.status]
    if asked.group:
        parts.append(f"in “{TITLES[asked.group]}”")
    parts += [f"in “{titles[cell]}”" for cell in asked.cells]
    if asked.bands:
        parts.append(f"at {_either([BANDS[word].lower() for word in asked.bands])} risk")
    if asked.plans:
        parts.append(f"on {_either(asked.plans)}")
    if asked.tags:
        parts.append(f"tagged {_either(asked.tags, 'and')}")
    parts += [words for words, _ in _ranges(asked, currency)]
    if asked.q:
        parts.append(f"matching “{_short(asked.q)}”")
    if not parts:
        return "Everybody who has not left" + (", the riskiest first." if asked.sort == "-risk" else ".")
    if asked.sort == GROUP_ORDER:
        order = ORDERS[asked.group]
        parts.append(order if priced else order.replace("most expected loss", "the riskiest"))
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def chips(asked: Asked, currency: str, titles: Mapping[str, str]) -> tuple[Chip, ...]:
    """Return a chip for each filter; `titles` says what each of its cells is called."""
    found = []
    if asked.q:
        found.append(Chip(f"“{_short(asked.q)}”", address(replace(asked, q=""))))
    if asked.group:
        found.append(Chip(TITLES[asked.group], address(asked.ungrouped())))
    found += [Chip(titles[cell], address(without(asked, "cells", cell))) for cell in asked.cells]
    if asked.status != "active":
        found.append(Chip(dict(STATUSES)[asked.status], address(replace(asked, status="active"))))
    found += [Chip(f"{BANDS[word]} risk", address(without(asked, "bands", word)), word) for word in asked.bands]
    found += [Chip(f"Plan: {_short(plan)}", address(without(asked, "plans", plan))) for plan in asked.plans]
    found += [Chip(f"Tag: {_short(tag)}", address(without(asked, "tags", tag))) for tag in asked.tags]
    for words, fields in _ranges(asked, currency):
        nothing: dict[str, Any] = dict.fromkeys(fields)
        found.append(Chip(words[0].upper() + words[1:], address(replace(asked, **nothing))))
    return tuple(found)


def other_order(asked: Asked) -> Chip | None:
    """Return what takes a list of a group back to the group's own order; None where it stands in it."""
    if not asked.group or asked.sort == GROUP_ORDER:
        return None
    name = asked.sort.removeprefix("-")
    return Chip(f"Sorted by {_SORTED_BY.get(name, name)}", address(replace(asked, sort=GROUP_ORDER)))


def _ranges(asked: Asked, currency: str) -> list[tuple[str, tuple[str, str]]]:
    """Return the ranges in words, each with its two fields."""

    def amount(minor: float) -> str:
        return cash(money(int(minor), currency))

    def share(value: float) -> str:
        return percent(value, 0 if abs(100 * value - round(100 * value)) < 1e-9 else 1)

    shown = [
        ("probability {}", share, asked.min_probability, asked.max_probability, "probability"),
        ("paying {} a month", amount, asked.min_revenue, asked.max_revenue, "revenue"),
        ("{} months with you", lambda value: f"{value:g}", asked.min_tenure, asked.max_tenure, "tenure"),
    ]
    return [
        (words.format(_between(low, high, say)), (f"min_{name}", f"max_{name}"))
        for words, say, low, high, name in shown
        if low is not None or high is not None
    ]


def _between(low: float | None, high: float | None, say: Any) -> str:
    if low is None:
        return f"up to {say(high)}"
    return f"from {say(low)}" if high is None else f"{say(low)} to {say(high)}"


def _either(words: Sequence[str], joint: str = "or") -> str:
    short = [_short(word) for word in words]
    return short[0] if len(short) == 1 else f"{', '.join(short[:-1])} {joint} {short[-1]}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
