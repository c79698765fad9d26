"""The editor of a declared feature: what was typed, as it was typed, and the body that the services take. No database and no request here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import marshmallow as ma

from retainstream.ml.features import FeatureSpec
from retainstream.schemas.features import DeclareSchema

AGGREGATE_WORDS = {
    "count": "How many there were",
    "active_days": "On how many days",
    "sum": "Total of their values",
    "mean": "Average of their values",
    "max": "Greatest of their values",
    "change": "More or fewer than in the window before",
    "distinct": "How many different values of a property",
    "days_since_last": "Days since the last one",
    "days_since_first": "Days since the first one",
}
OF_ALL_TIME = ("days_since_first", "days_since_last")
_TEXTS = ("event", "property", "unit", "wording_up", "wording_down")
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")
Problems = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Form:
    """What stands in the form."""

    title: str = ""
    name: str = ""
    event: str = ""
    aggregate: str = "count"
    window_days: str = "30"
    property: str = ""
    unit: str = ""
    wording_up: str = ""
    wording_down: str = ""
    actionable: bool = False
    sensitive: bool = False
    problems: Problems = field(default_factory=dict)


def of_spec(spec: FeatureSpec) -> Form:
    """Return the form filled with a declared feature, for its next version."""
    recipe = spec.recipe
    assert recipe is not None  # a declared feature has one
    return Form(
        title=spec.title,
        name=spec.name,
        event=recipe.event or "",
        aggregate=recipe.aggregate,
        window_days="" if recipe.window_days is None else str(recipe.window_days),
        property=recipe.property or "",
        unit=spec.unit or "",
        wording_up=spec.wording_up or "",
        wording_down=spec.wording_down or "",
        actionable=spec.actionable,
        sensitive=spec.sensitive,
    )


def of_sent(sent: Mapping[str, str]) -> Form:
    """Return the form as it was sent."""
    texts: dict[str, Any] = {
        name: " ".join(sent.get(name, "").split())
        for name in (
            "title",
            "name",
            "event",
            "aggregate",
            "window_days",
            "property",
            "unit",
            "wording_up",
            "wording_down",
        )
    }
    return Form(**texts, actionable=sent.get("actionable") == "yes", sensitive=sent.get("sensitive") == "yes")


def body_of(form: Form) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the body for the service, and what is wrong with the form by field; the body counts only when nothing is.

    A feature without a name of its own is called after its title. What the aggregate does not take is left out, so that switching it back keeps it.
    """
    body: dict[str, Any] = {
        "title": form.title,
        "name": form.name or named_after(form.title),
        "aggregate": form.aggregate,
        "actionable": form.actionable,
        "sensitive": form.sensitive,
        **{name: getattr(form, name) or None for name in _TEXTS},
    }
    problems: dict[str, list[str]] = {}
    if form.aggregate in OF_ALL_TIME:
        body["window_days"] = None
    elif form.window_days.isascii() and form.window_days.isdigit() and 1 <= int(form.window_days[:9]) <= 730:
        body["window_days"] = int(form.window_days)
    else:
        problems["window_days"] = ["a whole number of days from 1 to 730"]
    if form.aggregate != "distinct":
        body["property"] = None
    elif not form.property:
        problems["property"] = ["the property whose different values are counted, such as device"]
    if not form.title:
        problems["title"] = ["a title, such as “Support tickets in the last 30 days”"]
    elif not body["name"]:
        problems["name"] = ["a name of small letters, digits and _"]
    try:
        DeclareSchema().load({name: value for name, value in body.items() if name not in problems})
    except ma.ValidationError as wrong:
        for name, found in cast("dict[str, Any]", wrong.messages).items():
            if name not in problems and not (name == "name" and "title" in problems):
                problems[str(name)] = [str(text) for text in found]
    return body, problems


def named_after(title: str) -> str:
    """Return a name for a title: plain small letters, digits and _, a letter first, 64 characters at most; nothing for one without letters."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return _NOT_PLAIN.sub("_", plain).strip("_").lstrip("0123456789_")[:64].rstrip("_")


def as_complaints(fields: Problems) -> dict[str, list[str]]:
    """Return what a service complained of, as the form's fields say it: words for what was expected, or a whole sentence."""
    return {name: [_said(text) for text in found] for name, found in fields.items()}


def _said(text: str) -> str:
    if text.startswith("expected "):
        return text.removeprefix("expected ")
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
