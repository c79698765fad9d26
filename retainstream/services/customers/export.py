"""Customers as CSV: exactly the rows and the order of a list, with all attributes, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from typing import TextIO

from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.pagination import PageRequest
from retainstream.lib.spreadsheet import safe_cell
from retainstream.models import Customer, Identity
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import attributes, audit, predictions
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.customers.lists import page_of_ids

BLOCK = 500
FIXED = ("user_id", "plan", "monthly_revenue", "currency", "signup_at", "tenure_months", "churned", "tags")
SCORED = ("churn_probability", "confidence", "risk_band", "risk_percentile", "model_version", "scored_at", "reasons")
PERSONAL = ("name", "email", "phone")


def write(session: Session, actor: Actor, wanted: CustomerFilter, sort: str, out: TextIO) -> int:
    """Write the customers of a list as CSV with a header and return their number. Missing values are empty cells."""
    actor.require(Permission.CUSTOMERS_EXPORT)
    personal = PERSONAL if actor.may(Permission.CUSTOMERS_PERSONAL) else ()
    taken = {*FIXED, *SCORED, *PERSONAL}
    defined = attributes.definitions(session)
    headers = [item.name if item.name not in taken else f"attribute_{item.name}" for item in defined]
    writer = csv.writer(out)
    writer.writerow([*FIXED, *SCORED, *personal, *headers])
    cursor: str | None = None
    written = 0
    while True:
        ids, cursor = page_of_ids(session, wanted, sort, PageRequest(limit=BLOCK, cursor=cursor))
        for row in _rows(session, ids, personal, [(item.name, item.kind) for item in defined]):
            writer.writerow([safe_cell(cell) for cell in row])
        written += len(ids)
        session.expunge_all()
        if cursor is None:
            return written


def record(session: Session, actor: Actor, rows: int) -> None:
    """Put an export into the audit trail."""
    audit.record(session, actor, "customer.export", "customers", rows)


def _rows(
    session: Session, ids: list[int], personal: tuple[str, ...], defined: list[tuple[str, str]]
) -> list[list[object]]:
    from sqlalchemy import select

    found = {
        customer.id: (customer, identity)
        for customer, identity in session.execute(
            select(Customer, Identity).join(Identity, Identity.customer_id == Customer.id).where(Customer.id.in_(ids))
        )
    }
    values = attributes.current_values(session, ids)
    scores = predictions.scores_of(session, ids)
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
        rows.append([*fixed, *scored, *(getattr(identity, name) for name in personal), *shown])
    return rows


def _shown(value: attributes.Value, kind: str) -> object:
    return clock.iso(value) if kind == "date" and isinstance(value, int) else value
