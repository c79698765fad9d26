"""The tree of a rule: `{"all": [...]}`, `{"any": [...]}`, `{"not": ...}` and conditions `{"field", "op", "value"}`, read from JSON and checked.

A complaint names its place in the tree, such as `rule.all.2.value`. Which fields there are is `fields`, whom a rule means `matching`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.services.segments.fields import EVENTS, OPERATORS, PRESENCE, Field

DEEPEST, MOST_LEAVES, MOST_VALUES, LONGEST_TEXT = 6, 50, 100, 200
LONGEST_WINDOW = 3650
"""Days that a condition about events or dates may look back."""
_LARGEST = 1e15
_GROUPS = ("all", "any")
_LISTS = ("in", "not_in", "has_any", "has_all", "has_none")
_DAYS = ("last_days", "older_days", "next_days")
_LEAF_KEYS = ("field", "op", "value", "kind", "days")


@dataclass(frozen=True)
class Leaf:
    """One condition.

    Attributes
    ----------
    field, op : str
        Keys of `fields`.
    value : bool, int, float, str, tuple or None
        A tuple of texts for operators over lists, of two numbers for `between`; None for `known` and `unknown`. Dates are ISO 8601 texts.
    kind : str or None
        Kind of event, for conditions about events.
    days : int or None
        How many days before the as-of are looked at; None where the whole past is.
    """

    field: str
    op: str
    value: Any = None
    kind: str | None = None
    days: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the condition as JSON."""
        found: dict[str, Any] = {"field": self.field}
        found |= {name: value for name in ("kind", "days") if (value := getattr(self, name)) is not None}
        found["op"] = self.op
        if self.value is not None:
            found["value"] = list(self.value) if isinstance(self.value, tuple) else self.value
        return found


@dataclass(frozen=True)
class Group:
    """Conditions of which all, or any, must hold. `how` is `all` or `any`; an empty `all` holds for everybody, an empty `any` for nobody."""

    how: str
    parts: tuple[Node, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the group as JSON."""
        return {self.how: [part.to_json() for part in self.parts]}


@dataclass(frozen=True)
class Not:
    """The opposite of a condition or group."""

    part: Node

    def to_json(self) -> dict[str, Any]:
        """Return the opposite as JSON."""
        return {"not": self.part.to_json()}


Node = Leaf | Group | Not


def parse(raw: object, fields: Mapping[str, Field], *, time_zone: str = "UTC", place: str = "rule") -> Node:
    """Return the rule that JSON says.

    Parameters
    ----------
    fields : mapping of str to Field
        What can be asked for: `fields.catalogue`.
    time_zone : str
        In which a day begins that a condition names.
    place : str
        What the tree is called in complaints.

    Raises
    ------
    InvalidInput
        Naming every place that is not as expected.
    """
    reader = _Reader(fields, ZoneInfo(time_zone))
    found = reader.node(raw, place, 0)
    if reader.leaves > MOST_LEAVES:
        reader.problems.setdefault(place, []).append(f"at most {MOST_LEAVES} conditions")
    elif not reader.leaves and not reader.problems:
        reader.problems[place] = ["at least one condition"]
    if reader.problems or found is None:
        raise InvalidInput("The rule is not as expected.", fields=reader.problems)
    return found


def stored(raw: Mapping[str, Any]) -> Node:
    """Return a rule that was checked when it was stored; what its fields mean may have changed since, which `matching` tells."""
    for how in _GROUPS:
        if how in raw:
            return Group(how, tuple(stored(part) for part in raw[how]))
    if "not" in raw:
        return Not(stored(raw["not"]))
    value = raw.get("value")
    return Leaf(
        str(raw["field"]),
        str(raw["op"]),
        tuple(value) if isinstance(value, list) else value,
        raw.get("kind"),
        raw.get("days"),
    )


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the conditions of a rule, from left to right."""
    if isinstance(node, Leaf):
        yield node
    else:
        for part in node.parts if isinstance(node, Group) else (node.part,):
            yield from leaves(part)


def signature(node: Node) -> str:
    """Return a text that two rules share only when they are the same."""
    return json.dumps(node.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


class _Reader:
    """Reads a tree and collects what is wrong with it by place."""

    def __init__(self, fields: Mapping[str, Field], zone: ZoneInfo) -> None:
        self.fields, self.zone = fields, zone
        self.problems: dict[str, list[str]] = {}
        self.leaves = 0

    def wrong(self, place: str, expected: str) -> None:
        self.problems.setdefault(place, []).append(expected)

    def node(self, raw: object, place: str, depth: int) -> Node | None:
        if not isinstance(raw, Mapping):
            self.wrong(place, 'an object: {"all": [...]}, {"any": [...]}, {"not": ...} or a condition')
            return None
        if depth > DEEPEST:
            self.wrong(place, f"at most {DEEPEST} levels inside one another")
            return None
        keys = [key for key in (*_GROUPS, "not") if key in raw]
        if not keys:
            return self.leaf(raw, place)
        if len(raw) != 1:
            self.wrong(place, f"nothing beside {keys[0]!r}")
            return None
        if keys[0] == "not":
            part = self.node(raw["not"], f"{place}.not", depth + 1)
            return None if part is None else Not(part)
        return self.group(keys[0], raw[keys[0]], f"{place}.{keys[0]}", depth)

    def group(self, how: str, raw: object, place: str, depth: int) -> Node | None:
        if not isinstance(raw, list) or not raw:
            self.wrong(place, "a list with at least one condition")
            return None
        if len(raw) > MOST_LEAVES:
            self.wrong(place, f"at most {MOST_LEAVES} conditions")
            return None
        parts = [self.node(part, f"{place}.{number}", depth + 1) for number, part in enumerate(raw)]
        return Group(how, tuple(part for part in parts if part is not None))

    def leaf(self, raw: Mapping[str, Any], place: str) -> Node | None:
        self.leaves += 1
        for key in raw:
            if key not in _LEAF_KEYS:
                self.wrong(f"{place}.{str(key)[:40]}", "no such key in a condition")
        name = raw.get("field")
        field = self.fields.get(name) if isinstance(name, str) else None
        if field is None:
            self.wrong(f"{place}.field", "a field that GET /segments/fields lists")
            return None
        if field.missing:
            self.wrong(f"{place}.field", f"“{field.title}” cannot be asked for: {field.missing}.")
            return None
        known = OPERATORS[field.type]
        op = raw.get("op")
        if op not in known:
            self.wrong(f"{place}.op", f"one of {', '.join(known)}")
            return None
        kind, days = self.window(field, raw, place)
        try:
            value = self.value(field, str(op), raw.get("value"))
        except ValueError as expected:
            self.wrong(f"{place}.value", str(expected))
            return None
        return Leaf(field.key, str(op), value, kind, days)

    def window(self, field: Field, raw: Mapping[str, Any], place: str) -> tuple[str | None, int | None]:
        """Return kind and days of a condition about events; other conditions have neither."""
        kind, days = raw.get("kind"), raw.get("days")
        if field.group != EVENTS:
            for name, value in (("kind", kind), ("days", days)):
                if value is not None:
                    self.wrong(f"{place}.{name}", "only in a condition about events")
            return None, None
        if kind not in field.kinds:
            self.wrong(f"{place}.kind", "a kind of event that is on record")
        if not field.windowed:
            if days is not None:
                self.wrong(f"{place}.days", "none: the whole past is looked at")
            return kind, None
        if not _is_days(days, 1):
            self.wrong(f"{place}.days", f"a whole number from 1 to {LONGEST_WINDOW}")
            return kind, None
        return kind, days

    def value(self, field: Field, op: str, value: Any) -> Any:
        """Return a condition's value as it is stored; raises ValueError with the words for what was expected."""
        if op in PRESENCE:
            if value is not None:
                raise ValueError(f"nothing: {op!r} takes no value")
            return None
        if op in _DAYS:
            if not _is_days(value, 0):
                raise ValueError(f"a whole number of days from 0 to {LONGEST_WINDOW}")
            return value
        if op in _LISTS:
            return _texts(value)
        if field.type == "text":
            return _text(value)
        if field.type == "boolean":
            if not isinstance(value, bool):
                raise ValueError("true or false")
            return value
        if field.type == "date":
            return _date(value, self.zone if field.instant else UTC)
        return _range(value, field) if op == "between" else _number(value, field)


def _is_days(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LONGEST_WINDOW


def _number(value: object, field: Field) -> float | int:
    # Compared as it came: a whole number of hundreds of digits has no float, and neither infinity nor NaN passes.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        raise ValueError("a number")
    if field.type == "money" and not float(value).is_integer():
        raise ValueError("a whole number of minor units")
    if field.type == "share" and not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1")
    return value


def _range(value: object, field: Field) -> tuple[float | int, float | int]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("two numbers, the smaller one first")
    low, high = _number(value[0], field), _number(value[1], field)
    if low > high:
        raise ValueError("two numbers, the smaller one first")
    return low, high


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TEXT or "\x00" in value:
        raise ValueError(f"a text of 1 to {LONGEST_TEXT} characters")
    return value.strip()


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_VALUES:
        raise ValueError(f"a list of 1 to {MOST_VALUES} texts")
    return tuple(dict.fromkeys(_text(one) for one in value))


def _date(value: object, zone: Any) -> str:
    """Return the instant at which a day begins, or the instant itself, as ISO 8601."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None:
            raise ValueError
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        clock.to_us(moment)
    except (ValueError, OverflowError):
        raise ValueError("a day such as 2026-01-31") from None
    return moment.isoformat()


def in_words(node: Node, say: Callable[[Leaf], str]) -> str:
    """Return a rule as a sentence; `say` gives the words of a condition. Groups inside others stand in brackets."""
    return _words(node, say, outermost=True)


def _words(node: Node, say: Callable[[Leaf], str], *, outermost: bool) -> str:
    if isinstance(node, Leaf):
        return say(node)
    if isinstance(node, Not):
        inner = node.part
        if isinstance(inner, Group) and inner.how == "any":
            return f"none of ({_words(inner, say, outermost=True)})"
        return f"not ({_words(inner, say, outermost=True)})"
    joint = " and " if node.how == "all" else " or "
    text = joint.join(_words(part, say, outermost=False) for part in node.parts)
    return text if outermost or len(node.parts) == 1 else f"({text})"
