"""The form that edits a customer: what stands in its fields, and what was changed in them as a body of the API. No database here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import marshmallow as ma

from retainstream.errors import InvalidInput
from retainstream.lib.money import to_major, to_minor
from retainstream.schemas.customers import CustomerChangeSchema

ATTRIBUTE = "a."
_TEXTS = (("plan", "Plan"), ("name", "Name"), ("email", "E-mail"), ("phone", "Phone"))
_PERSONAL = ("name", "email", "phone")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")

Answer = Mapping[str, Any]
Problems = dict[str, list[str]]


@dataclass(frozen=True)
class EditField:
    """One field: its name in the form, label, kind of input, text, unit, and what was wrong with it."""

    name: str
    label: str
    type: str
    text: str
    hint: str
    problems: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class EditForm:
    """The whole form; `updated_at` is the version that it was made of."""

    own: tuple[EditField, ...]
    personal: tuple[EditField, ...]
    attributes: tuple[EditField, ...]
    updated_at: str
    message: str


def form(
    record: Answer,
    currency: str,
    typed: Mapping[str, str] | None = None,
    problems: Problems | None = None,
    message: str = "",
) -> EditForm:
    """Return the form of a customer as the API shows it, with what was typed and what was wrong with it.

    Parameters
    ----------
    currency : str
        What stands in the field of a customer without a price.
    """
    texts = {**present(record, currency), **(typed or {})}
    wrong = problems or {}

    def field(name: str, label: str, sort: str = "text", hint: str = "") -> EditField:
        return EditField(name, label, sort, texts.get(name, ""), hint, tuple(wrong.get(name, ())))

    own = (
        field("plan", "Plan"),
        field("amount", "Price a month"),
        field("currency", "Currency", hint="Three letters, such as EUR"),
        field("signup_at", "With us since", "date"),
    )
    personal = tuple(
        field(name, label, "email" if name == "email" else "text")
        for name, label in _TEXTS
        if name in record and name in _PERSONAL
    )
    own_values = tuple(
        EditField(
            ATTRIBUTE + item["name"],
            str(item["title"]),
            "date" if item["kind"] == "date" else "text",
            texts.get(ATTRIBUTE + item["name"], ""),
            str(item["unit"] or ""),
            tuple(wrong.get(ATTRIBUTE + item["name"], ())),
            (("", "blank"), ("yes", "yes"), ("no", "no")) if item["kind"] == "boolean" else (),
        )
        for item in record["attributes"]
    )
    return EditForm(own, personal, own_values, str((typed or {}).get("updated_at") or record["updated_at"]), message)


def present(record: Answer, currency: str) -> dict[str, str]:
    """Return the text of every field as things stand."""
    revenue = record["revenue"]
    texts = {name: str(record.get(name) or "") for name, _ in _TEXTS}
    texts["amount"] = "" if revenue is None else str(to_major(revenue["amount_minor"], revenue["currency"]))
    texts["currency"] = currency if revenue is None else str(revenue["currency"])
    texts["signup_at"] = str(record["signup_at"] or "")[:10]
    return texts | {ATTRIBUTE + item["name"]: _attribute_text(item) for item in record["attributes"]}


def _attribute_text(item: Answer) -> str:
    value = item["value"]
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:10] if item["kind"] == "date" else str(value)


def changes(record: Answer, currency: str, typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was changed, checked as the API checks it, and the old values in the API's form.

    Raises
    ------
    InvalidInput
        Naming each field that is not as expected, by its name in the form.
    """
    now = present(record, currency)
    touched = {name for name, text in now.items() if name in typed and typed[name].strip() != text}
    body: dict[str, Any] = {
        name: typed[name].strip() or None for name in ("signup_at", *dict(_TEXTS)) if name in touched
    }
    old: dict[str, Any] = {name: record[name] for name in body}
    problems: Problems = {}
    if touched & {"amount", "currency"} and not (touched == {"currency"} and not now["amount"]):
        old["revenue"] = record["revenue"]
        _take(body, "revenue", "amount", problems, lambda: _amount(typed))
    kinds = {item["name"]: item for item in record["attributes"]}
    given: dict[str, Any] = {}
    for name in (name.removeprefix(ATTRIBUTE) for name in touched if name.startswith(ATTRIBUTE)):
        text = typed[ATTRIBUTE + name].strip()
        _take(given, name, ATTRIBUTE + name, problems, lambda text=text, name=name: _cast(text, kinds[name]["kind"]))
    if given:
        body["attributes"] = given
        old["attributes"] = {name: kinds[name]["value"] for name in given}
    return _checked(body, problems), old


def _take(into: dict[str, Any], key: str, field: str, problems: Problems, make: Any) -> None:
    try:
        into[key] = make()
    except ValueError as expected:
        problems[field] = [str(expected)]


def _amount(typed: Mapping[str, str]) -> dict[str, Any] | None:
    text = typed.get("amount", "").strip().replace(",", "")
    if not text:
        return None
    currency = typed.get("currency", "").strip().upper()
    try:
        return {"amount_minor": to_minor(Decimal(text), currency), "currency": currency}
    except (InvalidOperation, ArithmeticError, ValueError):
        raise ValueError("an amount such as 19.90") from None


def _cast(text: str, kind: str) -> Any:
    """Return a text as JSON of the attribute's kind; the service says whether it fits."""
    if not text:
        return None
    if kind == "boolean":
        if text.lower() not in _YES + _NO:
            raise ValueError("yes or no")
        return text.lower() in _YES
    if kind in ("integer", "number"):
        try:
            number = float(text.replace(",", ""))
        except ValueError:
            raise ValueError("a number") from None
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text


def _checked(body: dict[str, Any], problems: Problems) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = CustomerChangeSchema().load(body)
    except ma.ValidationError as wrong:
        found: dict[str, Any] = wrong.normalized_messages()  # type: ignore[no-untyped-call]
        for name, complaints in found.items():
            if name == "revenue":
                problems |= {"currency" if "currency" in complaints else "amount": _flat(complaints)}
            else:
                problems[name] = _flat(complaints)
        loaded = {}
    if problems:
        raise InvalidInput("Some of that is not as expected; nothing was changed.", fields=problems)
    return loaded


def _flat(complaints: Any) -> list[str]:
    if isinstance(complaints, dict):
        return [text for inner in complaints.values() for text in _flat(inner)]
    return [str(text) for text in complaints]
