"""What the rule builder shows: the draft's brackets and conditions with what each offers to choose. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retainstream.services.segments.fields import PRESENCE, Field
from retainstream.services.segments.rules import DEEPEST
from retainstream.web.segments_draft import HOWS, ROOT, Bracket, Condition
from retainstream.web.segments_reading import DAYS
from retainstream.web.segments_words import OPERATORS, level_in_words

FEW_LEVELS = 60
"""Levels that are offered to tick; where there may be more, another one can be typed."""
_LISTS = ("in", "not_in", "has_any", "has_all", "has_none")
Levels = Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True)
class Choice:
    """One thing to choose: its value, its words, how many customers have it (None where that says nothing), and whether it is chosen."""

    value: str
    words: str
    on: bool
    count: int | None = None


@dataclass(frozen=True)
class ConditionView:
    """A condition. `shape` says which inputs it has: none, boolean, choices, text, date, days, number or range; `gone` that its field is no more."""

    path: str
    key: str
    title: str
    unit: str
    operators: tuple[Choice, ...]
    kinds: tuple[Choice, ...]
    windowed: bool
    days: str
    shape: str
    value: str
    to: str
    choices: tuple[Choice, ...]
    another: bool
    problems: tuple[str, ...]
    focus: bool
    gone: str
    bracket: bool = False

    @property
    def dom(self) -> str:
        """Return the beginning of its elements' ids."""
        return self.path.replace(".", "-")


@dataclass(frozen=True)
class BracketView:
    """A bracket; `deep` when no other bracket may stand inside it."""

    path: str
    hows: tuple[Choice, ...]
    parts: tuple[BracketView | ConditionView, ...]
    problems: tuple[str, ...]
    focus: bool
    deep: bool
    bracket: bool = True

    @property
    def dom(self) -> str:
        """Return the beginning of its elements' ids."""
        return self.path.replace(".", "-")


@dataclass(frozen=True)
class Offer:
    """Fields to add a condition about, under their heading."""

    heading: str
    fields: tuple[Choice, ...]


def offers(fields: Mapping[str, Field]) -> tuple[Offer, ...]:
    """Return what conditions can be about, as the menu lists it."""
    headings = list(dict.fromkeys(field.group for field in fields.values() if not field.missing))
    return tuple(
        Offer(
            heading,
            tuple(
                Choice(field.key, f"{field.title} ({field.unit})" if field.unit else field.title, False)
                for field in fields.values()
                if field.group == heading and not field.missing
            ),
        )
        for heading in headings
    )


def missing(fields: Mapping[str, Field]) -> tuple[tuple[str, str], ...]:
    """Return what cannot be asked for just now, and why."""
    return tuple((field.title, field.missing) for field in fields.values() if field.missing)


def mentioned(draft: Bracket, fields: Mapping[str, Field]) -> list[Field]:
    """Return the fields of a draft that have levels to choose."""
    found: dict[str, Field] = {}
    for part in draft.parts:
        if isinstance(part, Bracket):
            found |= {field.key: field for field in mentioned(part, fields)}
        elif (field := fields.get(part.field)) is not None and field.type in ("category", "tags"):
            found[field.key] = field
    return list(found.values())


def builder(
    draft: Bracket,
    fields: Mapping[str, Field],
    levels: Levels,
    currency: str,
    problems: Mapping[str, list[str]],
    focus: str = "",
) -> BracketView:
    """Return a draft with what each part offers.

    Parameters
    ----------
    levels : mapping
        What customers have in the fields that are mentioned, by their keys.
    problems : mapping of str to list of str
        Complaints by path.
    focus : str
        The path where the keyboard goes on.
    """
    return _bracket(draft, ROOT, 0, _Offered(fields, levels, currency, problems, focus))


@dataclass(frozen=True)
class _Offered:
    fields: Mapping[str, Field]
    levels: Levels
    currency: str
    problems: Mapping[str, list[str]]
    focus: str


def _bracket(draft: Bracket, path: str, depth: int, offered: _Offered) -> BracketView:
    parts: list[BracketView | ConditionView] = []
    for number, part in enumerate(draft.parts):
        inner = f"{path}.{number}"
        if isinstance(part, Bracket):
            parts.append(_bracket(part, inner, depth + 1, offered))
        else:
            parts.append(_condition(part, inner, offered))
    return BracketView(
        path,
        tuple(Choice(key, words, key == draft.how) for key, words in HOWS.items()),
        tuple(parts),
        tuple(offered.problems.get(path, ())),
        offered.focus == path,
        # A bracket that denies counts as two levels of a rule.
        depth >= DEEPEST // 2,
    )


def _condition(part: Condition, path: str, offered: _Offered) -> ConditionView:
    field = offered.fields.get(part.field)
    gone = "It is not on record any more: remove it." if field is None else ""
    if field is not None and field.missing:
        gone = f"It cannot be asked for now: {field.missing}."
    shape = _shape(field, part.op)
    chosen = tuple(value for value in part.values if value.strip())
    choices = _choices(field, part, chosen, offered.levels) if field is not None and shape == "choices" else ()
    operators = () if field is None else field.operators
    kinds = () if field is None else field.kinds
    return ConditionView(
        path=path,
        key=part.field,
        title=part.field if field is None else field.title,
        unit=_unit(field, part.op, offered.currency),
        operators=tuple(Choice(op, OPERATORS[op], op == part.op) for op in operators),
        kinds=tuple(Choice(kind, kind, kind == part.kind) for kind in kinds),
        windowed=field is not None and field.windowed,
        days=part.days,
        shape=shape,
        value=chosen[0] if chosen and shape != "choices" else "",
        to=part.to,
        choices=choices,
        another=shape == "choices" and (len(choices) >= FEW_LEVELS or not choices),
        problems=tuple(offered.problems.get(path, ())),
        focus=offered.focus == path,
        gone=gone,
    )


def _shape(field: Field | None, op: str) -> str:
    if field is None or op in PRESENCE:
        return "none"
    if op in DAYS:
        return "days"
    if field.type in ("boolean", "date"):
        return field.type
    if op in _LISTS and field.type != "text":
        return "choices"
    if field.type == "text":
        return "text"
    return "range" if op == "between" else "number"


def _choices(field: Field, part: Condition, chosen: tuple[str, ...], levels: Levels) -> tuple[Choice, ...]:
    known = levels.get(field.key, ())
    shown = {value for value, _ in known}
    kept = [Choice(value, level_in_words(value, field), True) for value in chosen if value not in shown]
    return (
        *kept,
        *(Choice(value, level_in_words(value, field), value in part.values, n) for value, n in known),
    )


def _unit(field: Field | None, op: str, currency: str) -> str:
    if field is None or op in PRESENCE:
        return ""
    if op in DAYS:
        return "days"
    if field.type == "money":
        return currency
    return "%" if field.type == "share" else field.unit or ""
