"""The form of a churn definition: what was typed, as it was typed, and the body that the services take. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import marshmallow as ma
from werkzeug.datastructures import MultiDict

from retainstream.schemas.churn_definitions import CreateDefinitionSchema

INACTIVITY = "inactivity"
KIND_WORDS = {
    INACTIVITY: "Falls silent",
    "cancel": "Cancels",
    "payment_failure": "Payment fails",
    "trial_end": "Trial ends",
    "non_renewal": "Does not renew, whatever the reason",
}
REASON_WORDS = {
    "voluntary": "cancelled by choice",
    "payment_failed": "payment failed",
    "trial_ended": "trial ended",
    "other": "another reason, or none given",
}
SILENT_WORDS = (
    ("count", "count as leaving: nobody noticed, but they are gone"),
    ("leave_out", "are left out of training"),
)
_LIMITS = {
    "horizon_days": (1, 730),
    "lead_days": (0, 365),
    "inactive_days": (1, 730),
    "grace_days": (0, 365),
    "settle_days": (0, 90),
}
_OF_INACTIVITY = ("inactive_days", "already_silent", "activity")
_OF_SUBSCRIPTIONS = ("reasons", "grace_days")
_NEEDED = ("name", "horizon_days", "inactive_days")
Problems = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Form:
    """What stands in the form. Numbers are texts, since a person may have typed anything."""

    kind: str
    name: str = ""
    horizon_days: str = "30"
    lead_days: str = "0"
    inactive_days: str = ""
    already_silent: str = "count"
    activity: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    grace_days: str = "0"
    settle_days: str = ""
    problems: Problems = field(default_factory=dict)

    @property
    def kind_word(self) -> str:
        """Return the kind as a person reads it."""
        return KIND_WORDS.get(self.kind, self.kind)

    @property
    def silent(self) -> bool:
        """Tell whether it is about inactivity, not about subscriptions."""
        return self.kind == INACTIVITY


def of_definition(body: Mapping[str, Any]) -> Form:
    """Return the form filled with a proposed definition."""
    texts: dict[str, Any] = {name: str(body[name]) for name in _LIMITS if body.get(name) is not None}
    return Form(
        kind=str(body["kind"]),
        name=str(body["name"]),
        already_silent=str(body.get("already_silent", "count")),
        activity=tuple(body.get("activity", ())),
        reasons=tuple(body.get("reasons", ())),
        **texts,
    )


def with_days(form: Form, days: int) -> Form:
    """Return the form with other days of silence; a name that was proposed goes with them."""
    return replace(form, inactive_days=str(days), name=f"Silent for {days} days")


def of_sent(sent: MultiDict[str, str]) -> Form:
    """Return the form as it was sent."""
    return Form(
        kind=sent.get("kind", ""),
        name=" ".join(sent.get("name", "").split()),
        horizon_days=sent.get("horizon_days", "").strip(),
        lead_days=sent.get("lead_days", "").strip(),
        inactive_days=sent.get("inactive_days", "").strip(),
        already_silent=sent.get("already_silent", "count"),
        activity=tuple(sent.getlist("activity")),
        reasons=tuple(sent.getlist("reasons")),
        grace_days=sent.get("grace_days", "").strip(),
        settle_days=sent.get("settle_days", "").strip(),
    )


def body_of(form: Form, *, named: bool = True) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the body for the service, and what is wrong with the form by field; the body counts only when nothing is.

    Parameters
    ----------
    named : bool
        A definition that is only weighed needs no name.
    """
    other = _OF_SUBSCRIPTIONS if form.silent else _OF_INACTIVITY
    body: dict[str, Any] = {"kind": form.kind, "name": form.name if named else "weighed"}
    problems: dict[str, list[str]] = {}
    for name, (low, high) in _LIMITS.items():
        if name in other:
            continue
        text = str(getattr(form, name))
        number = _whole(text)
        if not text and name not in _NEEDED:
            continue
        if number is None or not low <= number <= high:
            problems[name] = [f"a whole number of days from {low} to {high}"]
        else:
            body[name] = number
    if form.silent:
        body["already_silent"] = form.already_silent
    for name in ("activity", "reasons"):
        if name not in other and getattr(form, name):
            body[name] = list(getattr(form, name))
    if not body["name"]:
        problems["name"] = ["a name, such as “Silent for 45 days”"]
    try:
        CreateDefinitionSchema().load({key: value for key, value in body.items() if key not in problems})
    except ma.ValidationError as wrong:
        for name, found in cast("dict[str, Any]", wrong.messages).items():
            problems.setdefault(str(name), _flat(found))
    return body, problems


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _flat(found: Any) -> list[str]:
    """Return complaints as texts; those about an item of a list come as a mapping."""
    if isinstance(found, Mapping):
        return [text for part in found.values() for text in _flat(part)]
    return [str(text) for text in found]
