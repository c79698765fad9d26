"""What-if on the page of one customer: other values for some features, and what the score would be. Nothing is stored.

The changes stand in the query string (`w.<feature>`), so that a link holds them and the form works without a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.ml.features import FeatureSpec
from retainstream.services import predictions, what_if
from retainstream.services.what_if import Compared
from retainstream.web import customer_view
from retainstream.web.customer_view import BAND_WORDS, ReasonView
from retainstream.web.template_tools import percent

PREFIX = "w."
MOST_CHANGES = 12
_YES_NO = (("yes", "yes"), ("no", "no"), ("", "blank"))

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A feature that is given another value; `options` are (value, word) pairs, none for a number."""

    name: str
    label: str
    text: str
    now: str
    unit: str
    options: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """A score before or after."""

    figure: str
    band: str
    band_word: str


@dataclass(frozen=True)
class WhatIf:
    """The form and, once something was changed, what became of the score."""

    fields: tuple[Field, ...]
    choices: tuple[tuple[str, str], ...]
    before: Side | None = None
    after: Side | None = None
    change: str = ""
    tone: str = ""
    reasons: tuple[ReasonView, ...] = ()


def read(session: Session, customer_id: int, explanation: Answer, arguments: Mapping[str, str]) -> WhatIf:
    """Return what the query string asks for, made of the values behind a score in full."""
    version = int(explanation["model_version"])
    specs = {spec.name: spec for spec in predictions.vocabulary(session, version).specs}
    values = {item["feature"]: item["value"] for item in explanation["contributions"]}
    typed = _typed(arguments, specs, values)
    changes: dict[str, Any] = {}
    problems: dict[str, tuple[str, ...]] = {}
    for name, text in typed.items():
        try:
            value = what_if.read_value(specs[name], text)
        except InvalidInput as wrong:
            problems[name] = tuple(wrong.fields[name])
            continue
        if text != _text(values.get(name)):
            changes[name] = value
    fields = tuple(
        Field(
            name,
            specs[name].title,
            text,
            _text(values.get(name)) or "blank",
            specs[name].unit or "",
            _options(session, version, specs[name], text, values.get(name)),
            problems.get(name, ()),
        )
        for name, text in typed.items()
    )
    choices = tuple(
        (item["feature"], specs[item["feature"]].title)
        for item in explanation["contributions"]
        if item["feature"] not in typed
    )
    if not changes:
        return WhatIf(fields, choices)
    return _outcome(fields, choices, what_if.compare(session, version, customer_id, values, changes))


def _typed(arguments: Mapping[str, str], specs: Mapping[str, FeatureSpec], values: Answer) -> dict[str, str]:
    """Return the text of each feature that is to be changed; one that was just picked has its present value."""
    names = [key.removeprefix(PREFIX) for key in arguments if key.startswith(PREFIX)]
    found = {name: arguments[PREFIX + name] for name in names if name in specs and arguments.get("without") != name}
    picked = arguments.get("feature", "")
    if picked in specs and picked not in found:
        found[picked] = _text(values.get(picked))
    return dict(list(found.items())[:MOST_CHANGES])


def _options(session: Session, version: int, spec: FeatureSpec, text: str, now: object) -> tuple[tuple[str, str], ...]:
    if spec.kind == "boolean":
        return _YES_NO
    if spec.kind != "category":
        return ()
    known = {level: level for level in what_if.levels(session, version, spec.name)}
    known |= {one: one for one in (text, _text(now)) if one}
    return (*sorted(known.items()), ("", "blank"))


def _text(value: object) -> str:
    """Return a value as it stands in a field; rounded as a person would type it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _outcome(fields: tuple[Field, ...], choices: tuple[tuple[str, str], ...], found: Compared) -> WhatIf:
    before, after = found.before, found.after
    if before.probability is None or after.probability is None:
        moved = after.margin - before.margin
        change, tone = (
            ("about the same", "") if abs(moved) < 0.005 else ("higher", "raises") if moved > 0 else ("lower", "lowers")
        )
    else:
        change, tone = customer_view.points(after.probability - before.probability)
    return WhatIf(fields, choices, _side(before), _side(after), change, tone, customer_view.reasons(after.reasons))


def _side(outcome: what_if.Outcome) -> Side:
    figure = (
        f"riskier than {percent(outcome.percentile, 0)}"
        if outcome.probability is None
        else percent(outcome.probability)
    )
    return Side(figure, outcome.band, BAND_WORDS[outcome.band])


def query(view: WhatIf) -> Sequence[tuple[str, str]]:
    """Return the query string that gives the same changes, as pairs."""
    return [(PREFIX + field.name, field.text) for field in view.fields]
