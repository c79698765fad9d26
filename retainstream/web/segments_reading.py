"""From a draft to a rule and back: amounts in main units become minor ones, per cent shares, and a complaint finds the condition that it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from retainstream.lib.money import exponent, to_minor
from retainstream.services.segments.fields import PRESENCE, Field
from retainstream.services.segments.rules import Group, Leaf, Node, Not
from retainstream.web.segments_draft import ROOT, Bracket, Condition, Draft

DAYS = ("last_days", "older_days", "next_days")
_LISTS = ("in", "not_in", "has_any", "has_all", "has_none")
_LEAF_KEYS = re.compile(r"\.(field|op|value|kind|days)$")
_WHOLE = re.compile(r"-?\d{1,15}")


@dataclass(frozen=True)
class _Reading:
    fields: Mapping[str, Field]
    currency: str
    only_complete: bool
    places: dict[str, str]


def rule_of(
    draft: Bracket, fields: Mapping[str, Field], currency: str, *, only_complete: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the rule that a draft says, as JSON, and the draft's path by each place of the rule.

    What does not read as a value of its field goes into the rule as it was typed, for the rule's own check to complain about.

    Parameters
    ----------
    only_complete : bool
        Leave out the parts of which nothing can be tried out yet.
    """
    reading = _Reading(fields, currency, only_complete, {})
    return _rule(draft, ROOT, "rule", reading), reading.places


def _rule(draft: Draft, path: str, place: str, reading: _Reading) -> dict[str, Any]:
    places = reading.places
    places[place] = path
    if isinstance(draft, Condition):
        return _condition(draft, reading.fields.get(draft.field), reading.currency)
    parts = [
        (f"{path}.{number}", part)
        for number, part in enumerate(draft.parts)
        if part.complete or not reading.only_complete
    ]
    negated = draft.how in ("none", "not_all")
    inside = f"{place}.not" if negated else place
    if negated and len(parts) == 1 and isinstance(parts[0][1], Condition):
        return {"not": _rule(parts[0][1], parts[0][0], inside, reading)}
    how = "all" if draft.how in ("all", "not_all") else "any"
    places[inside] = places[f"{inside}.{how}"] = path
    found = [_rule(part, inner, f"{inside}.{how}.{at}", reading) for at, (inner, part) in enumerate(parts)]
    return {"not": {how: found}} if negated else {how: found}


def problems_by_path(problems: Mapping[str, list[str]], places: Mapping[str, str]) -> dict[str, list[str]]:
    """Return complaints about places of a rule by the draft's paths."""
    found: dict[str, list[str]] = {}
    for place, told in problems.items():
        path = places.get(place) or places.get(_LEAF_KEYS.sub("", place)) or ROOT
        found.setdefault(path, []).extend(told)
    return found


def _condition(draft: Condition, field: Field | None, currency: str) -> dict[str, Any]:
    found: dict[str, Any] = {"field": draft.field, "op": draft.op}
    if draft.kind:
        found["kind"] = draft.kind
    if draft.days.strip():
        found["days"] = _whole(draft.days)
    if draft.op in PRESENCE or field is None:
        return found
    texts = [value.strip() for value in draft.values if value.strip()]
    first = texts[0] if texts else ""
    if draft.op in _LISTS:
        split = field.type == "text"  # nothing to tick: several are typed with semicolons between
        found["value"] = [
            one.strip() for text in texts for one in (text.split(";") if split else [text]) if one.strip()
        ]
    elif draft.op in DAYS:
        found["value"] = _whole(first)
    elif field.type == "boolean":
        found["value"] = {"yes": True, "no": False}.get(first, first)
    elif field.type in ("text", "date"):
        found["value"] = first
    elif draft.op == "between":
        found["value"] = [_number(first, field, currency), _number(draft.to.strip(), field, currency)]
    else:
        found["value"] = _number(first, field, currency)
    return found


def _whole(text: str) -> int | str:
    return int(text) if _WHOLE.fullmatch(text.strip()) else text


def _number(text: str, field: Field, currency: str) -> float | int | str:
    """Return a number as a rule has it; the text itself where it is none."""
    plain = text.strip("$€£¥₹₩% ").replace(" ", "")
    plain = plain.replace(",", ".") if plain.count(",") == 1 and "." not in plain else plain.replace(",", "")
    try:
        value = Decimal(plain)
        if not value.is_finite() or abs(value) > 10**12:
            return text
        if field.type == "money":
            return to_minor(value, currency)
        if field.type == "share":
            return float(value / 100)
        return int(value) if value == value.to_integral_value() else float(value)
    except (InvalidOperation, ValueError):
        return text


def draft_of(node: Node, fields: Mapping[str, Field], currency: str) -> Bracket:
    """Return a rule as somebody would have built it."""
    found = _draft(node, fields, currency)
    return found if isinstance(found, Bracket) else Bracket("all", (found,))


def _draft(node: Node, fields: Mapping[str, Field], currency: str) -> Draft:
    if isinstance(node, Leaf):
        return _typed(node, fields.get(node.field), currency)
    if isinstance(node, Group):
        return Bracket(node.how, tuple(_draft(part, fields, currency) for part in node.parts))
    inner = node.part
    if isinstance(inner, Not):
        return _draft(inner.part, fields, currency)
    if isinstance(inner, Group):
        how = "none" if inner.how == "any" else "not_all"
        return Bracket(how, tuple(_draft(part, fields, currency) for part in inner.parts))
    return Bracket("none", (_draft(inner, fields, currency),))


def _typed(leaf: Leaf, field: Field | None, currency: str) -> Condition:
    days = "" if leaf.days is None else str(leaf.days)
    values = leaf.value if isinstance(leaf.value, tuple) else () if leaf.value is None else (leaf.value,)
    texts = [_shown(value, field, currency, leaf.op) for value in values]
    if leaf.op == "between":
        return Condition(leaf.field, leaf.op, (texts[0],), texts[1], leaf.kind or "", days)
    if field is not None and field.type == "text" and leaf.op in _LISTS:
        texts = ["; ".join(texts)]
    return Condition(leaf.field, leaf.op, tuple(texts), "", leaf.kind or "", days)


def _shown(value: Any, field: Field | None, currency: str, op: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value[:10] if field is not None and field.type == "date" else value
    if field is not None and op not in DAYS:
        if field.type == "money":
            return f"{Decimal(str(value)).scaleb(-exponent(currency)).normalize():f}"
        if field.type == "share":
            return f"{100 * value:.10g}"
    return f"{value:.15g}"
