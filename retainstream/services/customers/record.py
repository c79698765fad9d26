"""One customer: reading everything that is known, and changing it as a new version of the attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import AttributeDefinition, Customer, Identity
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import attributes, audit, revisions
from retainstream.services.customers import lists
from retainstream.services.customers.filters import by_user_id
from retainstream.services.events import standing

LONGEST_TEXT = 1_000
PERSONAL = ("name", "email", "phone")
PROFILE = ("plan", "revenue_minor", "currency", "signup_at", "tenure_months")
SUBSCRIBED = {"plan": "plan", "revenue_minor": "revenue", "currency": "revenue"}
"""What subscriptions tell, where there are any, and how the API names it."""


@dataclass(frozen=True)
class Change:
    """What a caller wants to change; only keys that are present count, and None clears.

    `profile` takes the names in `PROFILE`, `personal` those in `PERSONAL`, `attributes` the names of attribute definitions.
    """

    profile: Mapping[str, Any]
    personal: Mapping[str, str | None]
    attributes: Mapping[str, object]
    tags: list[str] | None = None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Change:
        """Return the change that a checked body of the API (`CustomerChangeSchema`) asks for."""
        profile: dict[str, Any] = {name: body[name] for name in ("plan", "signup_at", "tenure_months") if name in body}
        if "revenue" in body:
            amount = body["revenue"] or {"amount_minor": None, "currency": None}
            profile |= {"revenue_minor": amount["amount_minor"], "currency": amount["currency"]}
        personal = {name: body[name] for name in PERSONAL if name in body}
        return cls(profile, personal, body.get("attributes", {}), body.get("tags"))

    def names(self) -> list[str]:
        """Return the names of all changed fields, for the audit."""
        named = [*self.profile, *self.personal, *(f"attributes.{name}" for name in self.attributes)]
        return named if self.tags is None else [*named, "tags"]


def require(session: Session, user_id: str) -> tuple[Customer, Identity]:
    """Return a visible customer with its identity; raises NotFound."""
    found = by_user_id(session, user_id)
    if found is None:
        raise NotFound(_missing(session, user_id))
    return found


def _missing(session: Session, user_id: str) -> str:
    """Return what is not there: the customer, or, since an identifier may hold slashes, something behind one in an address."""
    known, slash, rest = user_id.rpartition("/")
    if slash and by_user_id(session, known) is not None:
        return f"The customer {known[:80]!r} is there, but nothing called {rest[:40]!r} is kept about them."
    return f"There is no customer with the identifier {user_id[:80]!r}."


def read(session: Session, actor: Actor, user_id: str) -> dict[str, object]:
    """Return everything about a customer: the list's item plus all attributes."""
    customer, identity = require(session, user_id)
    (item,) = lists.present(session, actor, [customer.id], analysed=True)
    values = attributes.current_values(session, [customer.id]).get(customer.id, {})
    described: list[dict[str, object]] = []
    for definition in attributes.definitions(session):
        value = values.get(definition.name)
        shown = clock.iso(int(value)) if definition.kind == "date" and isinstance(value, int) else value
        described.append(
            {
                "name": definition.name,
                "title": definition.title,
                "kind": definition.kind,
                "unit": definition.unit,
                "value": shown,
                "feature": definition.feature,
            }
        )
    item["attributes"] = described
    if actor.may(Permission.CUSTOMERS_PERSONAL):
        item["other_personal"] = identity.other or {}
    return item


def change(
    session: Session, actor: Actor, user_id: str, wanted: Change, *, unchanged_since: str | None = None
) -> dict[str, object]:
    """Change a customer and return it as it is now.

    Parameters
    ----------
    unchanged_since : str, optional
        The `updated_at` that the caller read: an edit made meanwhile is not written over.

    Raises
    ------
    NotFound
        For an unknown identifier.
    InvalidInput
        Naming each attribute that does not exist or whose value does not fit its kind; then nothing is changed.
    Conflict
        When the customer's subscriptions tell another plan or revenue, or the customer was changed meanwhile; then nothing is changed either.
    """
    actor.require(Permission.CUSTOMERS_WRITE)
    if wanted.personal:
        actor.require(Permission.CUSTOMERS_PERSONAL)
    customer, identity = require(session, user_id)
    if unchanged_since is not None and lists.updated(customer, identity) != unchanged_since:
        raise Conflict("This customer was changed meanwhile: look at what it says now, and change it again if need be.")
    values = _cast(session, wanted.attributes)
    if wanted.profile or values:
        attributes.write_edit(session, customer, values=values, profile=wanted.profile)
        _let_subscriptions_speak(session, customer, wanted.profile)
    for name, value in wanted.personal.items():
        setattr(identity, name, value)
        identity.updated_at = clock.now_us()  # apart from the customer's, since no name makes a score out of date
    if wanted.tags is not None:
        customer.tags = sorted(set(wanted.tags))
    if wanted.names():
        audit.record(session, actor, "customer.change", "customer", customer.id, fields=wanted.names())
        revisions.bump(session, "customers")
    session.flush()
    return read(session, actor, user_id)


def _let_subscriptions_speak(session: Session, customer: Customer, wanted: Mapping[str, Any]) -> None:
    """Have an edited customer show what its subscriptions tell; raises Conflict where that is not what was just asked for.

    The next load or hour would put it back anyway: a person must not be told that it was changed.
    """
    if not standing.refresh(session, [customer.id], clock.now_us()):
        return
    session.refresh(customer)
    names = dict.fromkeys(
        field for name, field in SUBSCRIBED.items() if name in wanted and getattr(customer, name) != wanted[name]
    )
    if names:
        feeds = " and ".join(standing.feeds_of(session, customer.id))
        message = (
            f"The subscriptions of the feed {feeds} tell this customer's {' and '.join(names)}: "
            "send a newer statement to POST /subscriptions instead."
        )
        raise Conflict(message, fields={field: ["told by a subscription"] for field in names})


def _cast(session: Session, given: Mapping[str, object]) -> dict[str, attributes.Value]:
    if not given:
        return {}
    known = {item.name: item for item in attributes.definitions(session, given)}
    problems: dict[str, list[str]] = {}
    values: dict[str, attributes.Value] = {}
    for name, value in given.items():
        if name not in known:
            problems[f"attributes.{name}"] = ["there is no attribute of this name"]
            continue
        try:
            values[name] = cast_value(known[name], value)
        except ValueError as expected:
            problems[f"attributes.{name}"] = [f"expected {expected}"]
    if problems:
        raise InvalidInput("Some attributes are not as expected.", fields=problems)
    return values


def cast_value(definition: AttributeDefinition, value: object) -> attributes.Value:
    """Return a JSON value as the attribute's kind; None clears. Raises ValueError saying what was expected."""
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if definition.kind == "boolean":
        if isinstance(value, bool) or value in (0, 1):
            return int(value)
        raise ValueError("true or false")
    if definition.kind == "integer":
        if number and abs(value) < 2**53 and float(value).is_integer():  # type: ignore[arg-type]
            return int(value)  # type: ignore[call-overload,no-any-return]
        raise ValueError("a whole number")
    if definition.kind == "number":
        if number and abs(value) < 1e300 and math.isfinite(value):  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
        raise ValueError("a number")
    if definition.kind == "date":
        return _date(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT:
        return value
    raise ValueError(f"a text of 1 to {LONGEST_TEXT} characters")


def _date(value: object) -> int:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(str(value))
        return clock.to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError("a date such as 2026-03-31 or 2026-03-31T12:00:00Z") from None
