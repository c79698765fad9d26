"""A rule while somebody builds it: a tree of brackets and conditions as a form holds it, with what was typed kept as it was typed.

A path names a place: `r` is the outermost bracket, `r.0` its first part, `r.0.2` the third part of that. Fields of the form are `<path>.how` of a
bracket, and `<path>.field`, `.op`, `.kind`, `.days`, `.value` and `.to` of a condition. What a draft means as a rule is `segments_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from retainstream.lib.identifiers import row_id
from retainstream.services.segments.fields import EVENTS, PRESENCE, Field
from retainstream.services.segments.rules import DEEPEST, MOST_LEAVES

ROOT = "r"
HOWS = {
    "all": "All of these hold",
    "any": "Any of these holds",
    "none": "None of these holds",
    "not_all": "Not all of these hold",
}
"""How the parts of a bracket are joined, in words."""
_USUAL_DAYS = "30"
_LONGEST = 2_000


@dataclass(frozen=True)
class Condition:
    """One condition as it stands in the form; `values` are the texts of all its inputs called `value`, `to` the upper end of a range."""

    field: str
    op: str
    values: tuple[str, ...] = ()
    to: str = ""
    kind: str = ""
    days: str = ""

    @property
    def complete(self) -> bool:
        """Whether enough was typed for it to be tried out."""
        return self.op in PRESENCE or any(value.strip() for value in self.values)


@dataclass(frozen=True)
class Bracket:
    """Parts that are joined; `how` is a key of `HOWS`."""

    how: str
    parts: tuple[Draft, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether anything in it can be tried out."""
        return any(part.complete for part in self.parts)


Draft = Condition | Bracket
EMPTY = Bracket("all")


def read(form: Mapping[str, Sequence[str]]) -> Bracket:
    """Return the draft that a form holds; what is no part of one is passed over."""
    found = _read(form, ROOT, 0, [MOST_LEAVES + 1])
    return found if isinstance(found, Bracket) else EMPTY


def _read(form: Mapping[str, Sequence[str]], path: str, depth: int, left: list[int]) -> Draft | None:
    def first(name: str) -> str:
        return (form.get(f"{path}.{name}") or [""])[0][:_LONGEST]

    if f"{path}.field" in form:
        left[0] -= 1
        values = tuple(value[:_LONGEST] for value in form.get(f"{path}.value", ()))[:200]
        return Condition(first("field"), first("op"), values, first("to"), first("kind"), first("days"))
    if f"{path}.how" not in form or depth > DEEPEST:
        return None
    parts: list[Draft] = []
    while left[0] > 0 and (part := _read(form, f"{path}.{len(parts)}", depth + 1, left)) is not None:
        parts.append(part)
    how = first("how")
    return Bracket(how if how in HOWS else "all", tuple(parts))


def fresh(field: Field) -> Condition:
    """Return a new condition about a field, with what is usual."""
    kind = field.kinds[0] if field.kinds else ""
    value = ("yes",) if field.type == "boolean" else ()
    return Condition(field.key, field.operators[0], value, kind=kind, days=_USUAL_DAYS if field.windowed else "")


def settled(draft: Bracket, fields: Mapping[str, Field]) -> Bracket:
    """Return the draft with an operator that fits where a condition has none that does, as after a field lost its kind of values."""
    return Bracket(
        draft.how,
        tuple(settled(part, fields) if isinstance(part, Bracket) else _settled(part, fields) for part in draft.parts),
    )


def _settled(part: Condition, fields: Mapping[str, Field]) -> Condition:
    field = fields.get(part.field)
    if field is None:
        return part
    op = part.op if part.op in field.operators else field.operators[0]
    kind = part.kind or (field.kinds[0] if field.group == EVENTS and field.kinds else "")
    return replace(part, op=op, kind=kind)


def acted(
    draft: Bracket, act: str, form: Mapping[str, Sequence[str]], fields: Mapping[str, Field]
) -> tuple[Bracket, str]:
    """Return the draft after a button of the builder, and the path where the keyboard goes on.

    `act` is `add:<path>` (a condition about the field that `<path>.add` names), `group:<path>` or `remove:<path>`; anything else changes nothing.
    """
    verb, _, path = act.partition(":")
    if verb == "remove" and path != ROOT:
        return _changed(draft, path, None), path.rpartition(".")[0]
    if verb not in ("add", "group"):
        return draft, ""
    bracket = at(draft, path)
    if not isinstance(bracket, Bracket):
        return draft, ""
    part: Draft = Bracket("any")
    if verb == "add":
        field = fields.get((form.get(f"{path}.add") or [""])[0])
        if field is None or field.missing:
            return draft, path
        part = fresh(field)
    return _changed(draft, path, replace(bracket, parts=(*bracket.parts, part))), f"{path}.{len(bracket.parts)}"


def at(draft: Draft, path: str) -> Draft | None:
    """Return what stands at a path; None where nothing does."""
    for step in path.split(".")[1:]:
        place = row_id(step)
        if not isinstance(draft, Bracket) or place is None or place >= len(draft.parts):
            return None
        draft = draft.parts[place]
    return draft


def _changed(draft: Bracket, path: str, part: Draft | None) -> Bracket:
    """Return the draft with another part at a path; without it for None."""
    steps = path.split(".")[1:]
    if at(draft, path) is None:
        return draft
    if not steps:
        return part if isinstance(part, Bracket) else draft
    place, rest = int(steps[0]), steps[1:]
    parts = list(draft.parts)
    inner = parts[place]
    if rest:
        assert isinstance(inner, Bracket)
        parts[place] = _changed(inner, ".".join([ROOT, *rest]), part)
    elif part is None:
        del parts[place]
    else:
        parts[place] = part
    return replace(draft, parts=tuple(parts))


def incomplete(draft: Bracket) -> int:
    """Return how many conditions are not complete yet."""
    return sum(incomplete(part) if isinstance(part, Bracket) else not part.complete for part in draft.parts)
