"""Customers as CSV or Excel: exactly the rows and the order of a list, with all attributes, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, TextIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.pagination import PageRequest
from retainstream.lib.spreadsheet import safe_cell
from retainstream.lib.workbook import Heading, Workbook
from retainstream.models import AttributeDefinition, Customer, Identity
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import attributes, audit, predictions
from retainstream.services.customers import derived, sheet
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.customers.lists import page_of_ids

BLOCK = 500
FIXED = ("user_id", "plan", "monthly_revenue", "currency", "signup_at", "tenure_months", "churned", "tags")
SCORED = ("churn_probability", "confidence", "risk_band", "risk_percentile", "model_version", "scored_at", "reasons")
DERIVED = (
    "health_score", "health_band", "rfm", "lifetime_value", "lifetime_low", "lifetime_high", "lifetime_currency",
)  # fmt: skip
"""What analyses say; empty cells before they were made."""
PERSONAL = ("name", "email", "phone")


def write(session: Session, actor: Actor, wanted: CustomerFilter, sort: str, out: TextIO) -> int:
    """Write the customers of a list as CSV with a header and return their number. Missing values are empty cells."""
    actor.require(Permission.CUSTOMERS_EXPORT)
    defined = attributes.definitions(session)
    writer = csv.writer(out)
    writer.writerow([heading.name for heading in _headings(actor, defined)])
    written = 0
    for block in _blocks(session, actor, wanted, sort, defined):
        writer.writerows([safe_cell(cell) for cell in row] for row in block)
        written += len(block)
    return written


def workbook(
    session: Session, actor: Actor, wanted: CustomerFilter, sort: str, out: BinaryIO, *, time_zone: str
) -> int:
    """Write the same table as an Excel file, its instants as dates of a time zone, and return the number of customers."""
    actor.require(Permission.CUSTOMERS_EXPORT)
    defined = attributes.definitions(session)
    headings = _headings(actor, defined)
    moments = [heading.kind == "moment" for heading in headings]
    with Workbook(out, time_zone=time_zone) as book:
        blocks = _blocks(session, actor, wanted, sort, defined)
        rows = (
            [
                datetime.fromisoformat(cell) if moment and isinstance(cell, str) else cell
                for cell, moment in zip(row, moments, strict=True)
            ]
            for block in blocks
            for row in block
        )
        return book.add("Customers", headings, rows)


def _headings(actor: Actor, defined: list[AttributeDefinition]) -> list[Heading]:
    fixed = [*FIXED, *SCORED, *DERIVED, *_personal(actor)]
    own = [
        Heading(
            item.name if item.name not in fixed else f"attribute_{item.name}", sheet.OWN_KINDS.get(item.kind, "text")
        )
        for item in defined
    ]
    return [*(Heading(name, sheet.KINDS.get(name, "text")) for name in fixed), *own]


def _personal(actor: Actor) -> tuple[str, ...]:
    return PERSONAL if actor.may(Permission.CUSTOMERS_PERSONAL) else ()


def _blocks(
    session: Session, actor: Actor, wanted: CustomerFilter, sort: str, defined: list[AttributeDefinition]
) -> Iterator[list[list[object]]]:
    """Yield the rows some hundred at a time."""
    named = [(item.name, item.kind) for item in defined]
    cursor: str | None = None
    while True:
        ids, cursor = page_of_ids(session, wanted, sort, PageRequest(limit=BLOCK, cursor=cursor))
        yield _rows(session, ids, _personal(actor), named)
        session.expunge_all()
        if cursor is None:
            return


def record(session: Session, actor: Actor, rows: int) -> None:
    """Put an export into the audit trail."""
    audit.record(session, actor, "customer.export", "customers", rows)


def _rows(
    session: Session, ids: list[int], personal: tuple[str, ...], defined: list[tuple[str, str]]
) -> list[list[object]]:
    found = {
        customer.id: (customer, identity)
        for customer, identity in session.execute(
            select(Customer, Identity).join(Identity, Identity.customer_id == Customer.id).where(Customer.id.in_(ids))
        )
    }
    values = attributes.current_values(session, ids)
    scores = predictions.scores_of(session, ids)
    made = derived.values(session, ids, (derived.HEALTH, derived.RFM, derived.LIFETIME))
    rows: list[list[object]] = []
    for one in ids:
        customer, identity = found[one]
        score = scores.get(one) or predictions.NO_SCORE
        own = values.get(one, {})
        revenue = (
            None if customer.revenue_minor is None else to_major(customer.revenue_minor, customer.currency or "USD")
        )
        fixed = [
            identity.user_id,
            customer.plan,
            revenue,
            customer.currency,
            clock.iso(customer.signup_at),
            customer.tenure_months,
            customer.churned,
            " ".join(customer.tags),
        ]
        reasons = " ".join(str(reason["sentence"]) for reason in score["reasons"])  # type: ignore[attr-defined]
        scored = [score[name] for name in SCORED[:-1]] + [reasons]
        shown = [_shown(own.get(name), kind) for name, kind in defined]
        analysed = [made[one][name] for name in DERIVED]
        rows.append([*fixed, *scored, *analysed, *(getattr(identity, name) for name in personal), *shown])
    return rows


def _shown(value: attributes.Value, kind: str) -> object:
    return clock.iso(value) if kind == "date" and isinstance(value, int) else value
