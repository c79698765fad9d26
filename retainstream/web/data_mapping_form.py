"""From the mapping editor's form to a mapping: what a person chose for each column, made whole so that one choice need not be followed by three others.

A column that becomes a date is read as one, a role that only one column can have leaves the column that had it, a label gets a first guess at its
values. Whether the result fits is for the services to say. No request and no database here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.datastructures import MultiDict

from retainstream.services.events.mapping import KEPT_AS_PROPERTY, MOMENTS, NUMBERS
from retainstream.services.imports.mapping import SINGLE_ROLES
from retainstream.services.imports.names import slug
from retainstream.web import data_words as words

SHOWN_COLUMNS = 300
"""Columns that the editor shows; those after them stay as they were proposed."""
DATES = ("signup", "churn_date", "date")
NUMERIC = ("monthly_revenue", "tenure")
DEFAULT_KIND = "event"
_LEFT_OUT = "You left it out."
_LASTING: tuple[str, ...] = ("name", "attribute", "title", "kind", "decimal")
_MANY = ("property", "ignored")

Column = dict[str, Any]
Form = MultiDict[str, str]


def edited(target: str, mapping: Mapping[str, Any], facts: Sequence[Mapping[str, Any]], form: Form) -> dict[str, Any]:
    """Return the mapping that a form asks for.

    Parameters
    ----------
    target : str
        customers, events, orders or subscriptions.
    mapping : mapping
        JSON form that the editor showed.
    facts : sequence of mapping
        Of the columns, as a draft keeps them.
    form : MultiDict
        Fields `c<position>.role`, `.read`, `.unit`, `.left`; and those of the whole file.
    """
    old = [dict(column) for column in mapping["columns"]]
    known = {str(fact["name"]): fact for fact in facts}
    one = _customer_column if target == "customers" else _event_column
    columns = [
        one(column, known.get(column["name"], {}), form, f"c{at}")
        if _touched(target, column, form, f"c{at}")
        else column
        for at, column in enumerate(old)
    ]
    _make_way(old, columns, SINGLE_ROLES if target == "customers" else None)
    result = {**mapping, "columns": columns, "known_at_time": form.get("known_at_time") == "yes"}
    if (currency := form.get("currency", "").strip().upper()) or "currency" in form:
        result["currency"] = currency or None
    if target == "customers":
        result["identifier_made"] = not any(column["role"] == "identifier" for column in columns)
        result["label_confirmed"] = _confirmed(mapping, old, columns)
    else:
        _name_properties(columns)
        _whole_file(target, result, form)
    return result


def shown_role(column: Mapping[str, Any]) -> str:
    """Return the role of a column as the editor's choice names it."""
    return f"personal:{column.get('field')}" if column["role"] == "personal" else str(column["role"])


def shown_read(target: str, column: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return how a column of its role is read, and the ways there are; both empty where there is nothing to choose."""
    role, decimal, form = column["role"], column.get("decimal", "."), column.get("format")
    kind = str(column.get("kind", "text"))
    if role in ("identifier", "customer"):
        return f"id:{form or 'as_is'}", words.IDENTIFIERS
    if role in (*NUMERIC, *NUMBERS):
        return f"number:{decimal}", words.DECIMALS
    if target != "customers":
        if role in MOMENTS:
            return f"time:{form}", words.TIMES
        return (kind, words.PROPERTY_KINDS) if role == "property" else ("", ())
    if role in DATES:
        return f"date:{form}", words.DATES
    if role == "feature":
        return f"number:{decimal}" if kind == "number" else kind, words.KINDS
    return "", ()


def _touched(target: str, column: Column, form: Form, at: str) -> bool:
    """Whether a form says anything of a column that the editor did not show."""
    if f"{at}.role" not in form:
        return False
    same = form[f"{at}.role"] == shown_role(column) and form.get(f"{at}.read", "") == shown_read(target, column)[0]
    if column["role"] == "label":
        same = same and f"{at}.shown" in form and set(form.getlist(f"{at}.left")) == set(column["churned_values"])
    return not (same and form.get(f"{at}.unit", "") in ("", column.get("unit") or "months"))


def _customer_column(old: Column, fact: Mapping[str, Any], form: Form, at: str) -> Column:
    chosen = form.get(f"{at}.role", old["role"])
    role, _, personal = chosen.partition(":")
    read = form.get(f"{at}.read", "")
    same = role == old["role"]
    kind, shape, decimal = _read_as(old, fact, read, same)
    column: Column = {"name": old["name"], "role": role, "attribute": old["attribute"], "title": old.get("title", "")}
    column |= {"kind": kind, "feature": False, "decimal": decimal}
    if role in DATES:
        column |= {"kind": "date", "format": shape or fact.get("date_format") or "iso"}
    elif role in NUMERIC:
        column |= {"kind": kind if kind in ("number", "integer") else "number", "feature": _learns(old, same)}
        column["unit"] = (
            (form.get(f"{at}.unit") or old.get("unit") or "months") if role == "tenure" else old.get("unit")
        )
    elif role == "plan":
        column |= {"kind": "category", "feature": _learns(old, same)}
    elif role == "identifier":
        column |= {"kind": "text", "format": _identifier_format(old, fact, read, same)}
    elif role == "personal":
        column |= {"kind": "text", "field": personal or old.get("field") or "other"}
    elif role == "label":
        column |= {"kind": "category", **_label_values(old, fact, form, at)}
    elif role == "ignored":
        column |= {"format": old.get("format"), "kind": old["kind"], "reason": old.get("reason") if same else _LEFT_OUT}
    else:
        column |= _trait(kind, shape, fact)
        column["unit"] = old.get("unit")
    return {name: value for name, value in column.items() if value is not None}


def _learns(old: Column, same: bool) -> bool:
    return bool(old.get("feature")) if same else True


def _trait(kind: str, shape: str | None, fact: Mapping[str, Any]) -> Column:
    """A trait to learn from; a date is kept, but nothing is learnt from it, and neither from free text."""
    if kind == "date":
        return {"role": "date", "kind": kind, "format": shape or fact.get("date_format") or "iso"}
    return {"role": "feature", "kind": kind, "feature": kind != "text"}


def _read_as(old: Column, fact: Mapping[str, Any], read: str, same: bool) -> tuple[str, str | None, str]:
    """Return kind, date format and decimal sign: as chosen, or as the values suggest where the choice was made for another role."""
    kind, _, detail = read.partition(":")
    decimal = str(old.get("decimal", "."))
    if kind in ("integer", "number"):
        return kind, None, detail or decimal
    if kind == "date":
        return kind, detail or None, decimal
    if kind in ("boolean", "category", "text"):
        return kind, None, decimal
    if same:
        return str(old["kind"]), old.get("format"), decimal
    return str(fact.get("kind", "text")), fact.get("date_format"), decimal


def _identifier_format(old: Column, fact: Mapping[str, Any], read: str, same: bool) -> str | None:
    kind, _, detail = read.partition(":")
    if kind == "id":
        return "drop_point_zero" if detail == "drop_point_zero" else None
    if same:
        return old.get("format")
    return "drop_point_zero" if fact.get("point_zeros") else None


def _label_values(old: Column, fact: Mapping[str, Any], form: Form, at: str) -> Column:
    """Return which values mean left: as ticked, as before, or for a new label as its words or the rarer value suggest."""
    values = [str(value) for value, _ in fact.get("values", [])]
    values += [value for value in _label_words(old) if value not in values]
    ticked = [value for value in form.getlist(f"{at}.left") if value in values]
    if not ticked and old["role"] == "label" and f"{at}.shown" not in form:
        ticked = list(old.get("churned_values", []))
    if not ticked and old["role"] != "label":
        ticked = list(fact.get("left", [])) or values[-1:]
    return {"churned_values": ticked, "kept_values": [value for value in values if value not in ticked]}


def _label_words(column: Column) -> list[str]:
    return [*column.get("churned_values", []), *column.get("kept_values", [])]


def _confirmed(mapping: Mapping[str, Any], old: Sequence[Column], columns: Sequence[Column]) -> bool:
    """Whether a person has said which way round the label is: they did before, or they have just ticked other values."""
    before = next((column for column in old if column["role"] == "label"), None)
    now = next((column for column in columns if column["role"] == "label"), None)
    if before is None or now is None or before["name"] != now["name"]:
        return False
    told = set(before.get("churned_values", [])) != set(now.get("churned_values", []))
    return bool(mapping.get("label_confirmed")) or told


def _event_column(old: Column, fact: Mapping[str, Any], form: Form, at: str) -> Column:
    role, read = form.get(f"{at}.role", old["role"]), form.get(f"{at}.read", "")
    same = role == old["role"]
    sort, _, detail = read.partition(":")
    column: Column = {"name": old["name"], "role": role, "decimal": old.get("decimal") or fact.get("decimal") or "."}
    if role in MOMENTS:
        kept = old.get("format") if same else None
        column["format"] = (detail if sort == "time" else None) or kept or fact.get("time_format") or "iso"
    elif role == "customer":
        kept = old.get("format") if same else "drop_point_zero" if fact.get("point_zeros") else None
        column["format"] = (None if detail == "as_is" else detail) if sort == "id" else kept
    elif role == "property":
        guess = {"integer": "number", "number": "number", "boolean": "boolean"}.get(str(fact.get("kind")), "text")
        column["kind"] = sort if sort in ("text", "number", "boolean") else (old.get("kind", "text") if same else guess)
        column["property"] = old.get("property")
    elif role in NUMBERS:
        column["decimal"] = detail if sort == "number" and detail in (".", ",") else column["decimal"]
    elif role == "ignored":
        column["reason"] = old.get("reason") if same else _LEFT_OUT
    return {name: value for name, value in column.items() if value is not None}


def _name_properties(columns: Sequence[Column]) -> None:
    """Give every new property a name of its own."""
    taken = {*KEPT_AS_PROPERTY, *(str(column["property"]) for column in columns if column.get("property"))}
    for at, column in enumerate(columns):
        if column["role"] == "property" and not column.get("property"):
            column["property"] = slug(column["name"], at, taken)


def _make_way(old: Sequence[Column], columns: list[Column], single: Sequence[str] | None) -> None:
    """Where a column newly took a role that only one can have, leave out the untouched column that had it."""
    fresh = {column["role"] for before, column in zip(old, columns, strict=True) if before["role"] != column["role"]}
    for at, (before, column) in enumerate(zip(old, columns, strict=True)):
        role = column["role"]
        alone = role in single if single is not None else role not in _MANY
        if alone and role in fresh and before["role"] == role:
            kept: Column = {name: column[name] for name in _LASTING if name in column}
            columns[at] = {**kept, "role": "ignored", "reason": "Another column took its place."}


def _whole_file(target: str, result: dict[str, Any], form: Form) -> None:
    """Put what a form says about all rows of a file of events, orders or subscriptions into the mapping."""
    if target == "events":
        told = any(column["role"] == "kind" for column in result["columns"])
        result["kind"] = None if told else form.get("kind", "").strip() or result.get("kind") or DEFAULT_KIND
    if target == "subscriptions":
        reasons = {word: form.get(f"reason.{at}", reason) for at, (word, reason) in enumerate(sorted_reasons(result))}
        result["reasons"] = reasons
        if "no_reason" in form:
            result["no_reason"] = form.get("no_reason") or None


def sorted_reasons(mapping: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the words for why a subscription ended with what they count as, in the order in which the editor shows them."""
    return sorted(dict(mapping.get("reasons", {})).items())
