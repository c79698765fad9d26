"""A list of customers as a table: which columns there are, what stands in them, and the same table as CSV.

Which customers, and in what order, is `asked` and `window`; how a cell looks on a page is `web.customers_view`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.lib.money import to_major
from retainstream.lib.pagination import PageRequest
from retainstream.lib.spreadsheet import safe_cell
from retainstream.lib.workbook import Heading, Workbook
from retainstream.models import Customer, Event
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import attributes
from retainstream.services.customers import counted, derived, lists
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.events.listing import visible

BLOCK = 500
ATTRIBUTE = "attribute."
KINDS = {
    "user_id": "id",
    "churn_probability": "share",
    "risk_percentile": "share",
    "top_reason": "long",
    "reasons": "long",
    "monthly_revenue": "money",
    **dict.fromkeys(("lifetime_value", "lifetime_low", "lifetime_high"), "money"),
    "tenure_months": "number",
    "health_score": "number",
    "confidence": "share",
    "churned": "flag",
    "phone": "id",
    **dict.fromkeys(("last_activity_at", "signup_at", "created_at", "scored_at"), "moment"),
}
"""Header -> its kind as `lib.workbook` has it; the others are text."""
OWN_KINDS = {"integer": "whole", "number": "number", "boolean": "flag", "date": "moment"}
"""Kind of an attribute -> the kind of its column; the others are text."""
_TITLES = {
    "user_id": "Customer",
    "risk_band": "Risk",
    "churn_probability": "Probability",
    "risk_percentile": "Rank",
    "monthly_revenue": "Revenue / month",
    "tenure_months": "Months with you",
    "model_version": "Model",
    "churned": "Left",
}
Item = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    key : str
        Its name in a query string; that of an attribute is `attribute.` and the attribute's name.
    headers : tuple of str
        The columns of the CSV that it becomes.
    sort : str
        The order that it stands for, empty where a list cannot be sorted by it.
    usual : bool
        Whether it is shown unless somebody chooses.
    kind : str
        Kind of an attribute; empty for the others.
    """

    key: str
    title: str
    headers: tuple[str, ...]
    sort: str = ""
    usual: bool = False
    kind: str = ""
    unit: str | None = None

    @property
    def attribute(self) -> str:
        """Return the attribute's name; empty for a column that is none."""
        return self.key.removeprefix(ATTRIBUTE) if self.key.startswith(ATTRIBUTE) else ""


_DERIVED = {
    derived.LIFETIME: Column(
        derived.LIFETIME,
        "Lifetime value",
        ("lifetime_value", "lifetime_low", "lifetime_high", "lifetime_currency"),
    ),
    derived.RFM: Column(derived.RFM, "RFM group", ("rfm",)),
    derived.HEALTH: Column(derived.HEALTH, "Health", ("health_score", "health_band")),
}


def available(session: Session, actor: Actor) -> tuple[Column, ...]:
    """Return the columns that a person may see, in the order in which they are shown. What nothing is on record for is not shown unless chosen."""
    known = counted.choices(session)
    fixed = [
        Column("risk", "Risk", ("risk_band", "churn_probability", "risk_percentile"), "risk", usual=True),
        Column("reason", "Top reason", ("top_reason",), usual=True),
        Column("plan", "Plan", ("plan",), "plan", usual=bool(known.plans)),
        Column("revenue", "Revenue / month", ("monthly_revenue", "currency"), "revenue", usual=known.priced),
        Column("tenure", "Tenure", ("tenure_months",), "tenure", usual=known.tenured),
        Column("activity", "Last activity", ("last_activity_at",), usual=known.active_ever),
        Column("tags", "Tags", ("tags",), usual=bool(known.tags)),
        Column("confidence", "Confidence", ("confidence",)),
        Column("status", "Status", ("churned",)),
        Column("signup", "Signed up", ("signup_at",), "signup"),
        Column("created", "First on record", ("created_at",), "created"),
        Column("scored", "Scored", ("scored_at", "model_version")),
    ]
    fixed += [_DERIVED[key] for key in derived.there(session)]
    if actor.may(Permission.CUSTOMERS_PERSONAL):
        fixed += [
            Column(key, key.replace("email", "e-mail").capitalize(), (key,)) for key in ("name", "email", "phone")
        ]
    taken = {"user_id"} | {header for column in fixed for header in column.headers}
    own = [
        Column(
            f"{ATTRIBUTE}{item.name}",
            item.title,
            (item.name if item.name not in taken else f"attribute_{item.name}",),
            kind=item.kind,
            unit=item.unit,
        )
        for item in attributes.definitions(session)
    ]
    return (*fixed, *own)


def chosen(columns: Sequence[Column], keys: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns with these keys, the usual ones without any. A key that no longer exists is passed over."""
    found = tuple(column for column in columns if column.key in keys)
    return found or tuple(column for column in columns if column.usual)


def items(session: Session, actor: Actor, ids: Sequence[int], columns: Sequence[Column]) -> list[Item]:
    """Return what stands in the rows of some customers, in the order of `ids`.

    Each is an item of the API's list with, where a column asks for them, `last_activity_at` (ISO 8601 or None) and `attributes` by name.
    """
    keys = {column.key for column in columns}
    found: list[Item] = [dict(item) for item in lists.present(session, actor, ids)]
    if "activity" in keys:
        newest = last_activity(session, ids)
        for one, item in zip(ids, found, strict=True):
            item["last_activity_at"] = clock.iso(newest.get(one))
    if keys & _DERIVED.keys():
        made = derived.values(session, ids, keys)
        for one, item in zip(ids, found, strict=True):
            item.update(made[one])
    if any(column.attribute for column in columns):
        values = attributes.current_values(session, ids)
        for one, item in zip(ids, found, strict=True):
            item["attributes"] = values.get(one, {})
    return found


def last_activity(session: Session, ids: Sequence[int]) -> dict[int, int | None]:
    """Return when each customer's newest event happened, microseconds UTC; events that are still to come do not count."""
    newest = (
        select(Event.occurred_at)
        .where(Event.customer_id == Customer.id, Event.occurred_at <= clock.now_us(), visible(Event))
        .order_by(Event.occurred_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    return {row[0]: row[1] for row in session.execute(select(Customer.id, newest).where(Customer.id.in_(ids)))}


def lines(
    session: Session, actor: Actor, wanted: CustomerFilter, sort: str, columns: Sequence[Column]
) -> Iterator[str]:
    """Yield a list as CSV, some hundred customers at a time: the identifier, with the name where the person may see it, then the columns.

    Missing values are empty cells; what a spreadsheet would run as a formula gets an apostrophe in front.
    """
    actor.require(Permission.CUSTOMERS_EXPORT)
    header = [heading.name for heading in headings(actor, columns)]
    for ids in _ids(session, wanted, sort):
        out = io.StringIO()
        writer = csv.writer(out)
        if header:
            writer.writerow(safe_cell(cell) for cell in header)
            header = []
        writer.writerows([safe_cell(cell) for cell in row] for row in _rows(session, actor, ids, columns))
        yield out.getvalue()


def headings(actor: Actor, columns: Sequence[Column]) -> tuple[Heading, ...]:
    """Return the columns of the table that `typed` fills: the headers of the CSV, each with its kind."""
    found = [
        Heading(name, KINDS.get(name, "text"), _TITLES.get(name, name.capitalize())) for name in _first(actor, columns)
    ]
    for column in columns:
        for name in column.headers:
            kind = OWN_KINDS.get(column.kind, "text") if column.attribute else KINDS.get(name, "text")
            alone = column.title if len(column.headers) == 1 else name.replace("_", " ").capitalize()
            found.append(Heading(name, kind, alone if column.attribute else _TITLES.get(name, alone)))
    return tuple(found)


def typed(session: Session, actor: Actor, ids: Sequence[int], columns: Sequence[Column]) -> list[list[object]]:
    """Return the rows of some customers for `headings`: instants as datetimes, amounts in the main unit, None for what is not known."""
    kinds = [heading.kind for heading in headings(actor, columns)]
    rows = _rows(session, actor, ids, columns)
    return [[_typed(cell, kind) for cell, kind in zip(row, kinds, strict=True)] for row in rows]


def workbook(
    session: Session,
    actor: Actor,
    wanted: CustomerFilter,
    sort: str,
    columns: Sequence[Column],
    out: BinaryIO,
    *,
    time_zone: str,
) -> int:
    """Write a list as an Excel file, the same table as `lines` yields, and return how many customers are in it."""
    actor.require(Permission.CUSTOMERS_EXPORT)
    with Workbook(out, time_zone=time_zone) as book:
        blocks = (typed(session, actor, ids, columns) for ids in _ids(session, wanted, sort))
        return book.add("Customers", headings(actor, columns), (row for block in blocks for row in block))


def top_reason(item: Item) -> str:
    """Return the sentence of the strongest reason that raises the score, or else of the strongest one; empty without any."""
    reasons: Sequence[Item] = item["reasons"]
    raising = [reason for reason in reasons if reason["direction"] == "raises"]
    return str((raising or reasons)[0]["sentence"]) if reasons else ""


def _first(actor: Actor, columns: Sequence[Column]) -> list[str]:
    named = actor.may(Permission.CUSTOMERS_PERSONAL) and all(column.key != "name" for column in columns)
    return ["user_id", "name"] if named else ["user_id"]


def _ids(session: Session, wanted: CustomerFilter, sort: str) -> Iterator[list[int]]:
    """Yield a list some hundred customers at a time; at least once."""
    cursor: str | None = None
    while True:
        ids, cursor = lists.page_of_ids(session, wanted, sort, PageRequest(limit=BLOCK, cursor=cursor))
        yield ids
        session.expunge_all()
        if cursor is None:
            return


def _rows(session: Session, actor: Actor, ids: Sequence[int], columns: Sequence[Column]) -> list[list[object]]:
    first = _first(actor, columns)
    return [
        [*(item[key] for key in first), *(cell for column in columns for cell in _cells(item, column))]
        for item in items(session, actor, ids, columns)
    ]


def _typed(cell: object, kind: str) -> object:
    if kind == "moment" and isinstance(cell, str):
        return datetime.fromisoformat(cell)
    return cell


def _cells(item: Item, column: Column) -> list[object]:
    """Return the cells of a column, as many as it has headers."""
    if column.attribute:
        value = item["attributes"].get(column.attribute)
        return [clock.iso(value) if column.kind == "date" and isinstance(value, int) else value]
    if column.key == "reason":
        return [top_reason(item)]
    if column.key == "revenue":
        revenue = item["revenue"]
        if revenue is None:
            return [None, None]
        return [to_major(revenue["amount_minor"], revenue["currency"]), revenue["currency"]]
    if column.key == "tags":
        return [", ".join(item["tags"])]
    return [item[header] for header in column.headers]
