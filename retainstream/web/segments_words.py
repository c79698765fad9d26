"""Conditions and rules in words. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retainstream.lib.money import money
from retainstream.services.segments.fields import Field
from retainstream.services.segments.rules import Leaf, Node, in_words
from retainstream.web.customers_words import BANDS
from retainstream.web.template_tools import cash

OPERATORS = {
    "eq": "is exactly",
    "lt": "is less than",
    "le": "is at most",
    "gt": "is more than",
    "ge": "is at least",
    "between": "is between",
    "is": "is",
    "in": "is any of",
    "not_in": "is none of",
    "contains": "contains",
    "since": "is on or after",
    "before": "is before",
    "last_days": "is in the last days",
    "older_days": "is longer ago than",
    "next_days": "is in the next days",
    "has_any": "include any of",
    "has_all": "include all of",
    "has_none": "include none of",
    "known": "is known",
    "unknown": "is not known",
}
"""Operators as the builder offers them."""
_DAYS = {
    "last_days": "is in the last {} days",
    "older_days": "is longer ago than {} days",
    "next_days": "is in the next {} days",
}
_LONGEST = 240


def rule_in_words(node: Node, fields: Mapping[str, Field], currency: str, longest: int = _LONGEST) -> str:
    """Return a rule as a sentence, cut where it is very long."""
    text = in_words(node, lambda leaf: leaf_in_words(leaf, fields.get(leaf.field), currency))
    text = text[:1].upper() + text[1:]
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def leaf_in_words(leaf: Leaf, field: Field | None, currency: str) -> str:
    """Return a condition in words; `field` is None for one that is not on record any more."""
    title = leaf.field if field is None else _inside(field.title)
    if leaf.kind:
        title += f" “{leaf.kind}”"
        title += f" in the last {leaf.days} days" if leaf.days else ""
    if leaf.op in ("known", "unknown"):
        return f"{title} {OPERATORS[leaf.op]}"
    if leaf.op in _DAYS:
        return f"{title} {_DAYS[leaf.op].format(leaf.value)}"
    words = OPERATORS[leaf.op]
    if leaf.op == "between":
        low, high = (value_in_words(one, field, currency) for one in leaf.value)
        return f"{title} {words} {low} and {high}"
    if isinstance(leaf.value, tuple):
        values = [value_in_words(one, field, currency) for one in leaf.value]
        if len(values) == 1 and leaf.op in ("in", "not_in"):
            return f"{title} {'is' if leaf.op == 'in' else 'is not'} {values[0]}"
        joint = "and" if leaf.op == "has_all" else "or"
        return f"{title} {words} {joined(values, joint)}"
    return f"{title} {words} {value_in_words(leaf.value, field, currency)}"


def _inside(title: str) -> str:
    """Return a title as it stands inside a sentence: an abbreviation keeps its capitals."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def value_in_words(value: Any, field: Field | None, currency: str) -> str:
    """Return one value of a condition in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    kind = "" if field is None else field.type
    if isinstance(value, str):
        return value[:10] if kind == "date" else level_in_words(value, field)
    if kind == "money":
        return cash(money(int(value), currency))
    if kind == "share":
        return f"{100 * value:.6g}%"
    return f"{value:,.6g}"


def level_in_words(value: str, field: Field | None) -> str:
    """Return what customers have in a field in words; those of our own names are translated."""
    if field is not None and field.key == "risk_band":
        return BANDS.get(value, value)
    if field is not None and field.key in ("rfm.name", "health.band"):
        return value.replace("_", " ").capitalize()
    return value


def joined(words: list[str], joint: str) -> str:
    """Return words in a row, the last one after a joint; very many are counted."""
    if len(words) > 6:
        words = [*words[:5], f"{len(words) - 5} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {joint} {words[-1]}"
