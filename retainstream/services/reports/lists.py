"""A list of customers as a report: any list that the customers page can show, with its filters, order and columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sqlalchemy.orm import Session

from retainstream.db import read_unit
from retainstream.lib.pagination import PageRequest
from retainstream.security.permissions import Permission
from retainstream.services import dashboard
from retainstream.services.customers import asked as lists_asked
from retainstream.services.customers import cells, counted, groups, lists, sheet
from retainstream.services.customers.asked import Asked
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.reports.documents import CUSTOMERS, PERSONAL, Asking, Document, Rows, Table, instant

_IDS = 5000
_BANDS = {"low": "low", "medium": "medium", "high": "high", "very_high": "very high"}
_RANGES = (("probability", "probability"), ("revenue", "monthly revenue in minor units"), ("tenure", "months with you"))


def make(asking: Asking) -> Document:
    """Return a list of customers as its owner sees it; the rows are read when the form asks for them, some hundred at a time."""
    session, owner = asking.session, asking.owner
    owner.require(Permission.CUSTOMERS_EXPORT)
    asked = lists_asked.read_query(asking.query)
    personal = owner.may(Permission.CUSTOMERS_PERSONAL)
    wanted = asked.filter(session, personal=personal)
    columns = sheet.chosen(sheet.available(session, owner), asked.columns)
    total = counted.total(session, wanted)
    ids = list(islice(_every_id(session, wanted, asked.sort), asking.most))

    def blocks() -> Iterator[Rows]:
        for start in range(0, len(ids), sheet.BLOCK):
            with read_unit() as own:
                rows = sheet.typed(own, owner, ids[start : start + sheet.BLOCK], columns)
            yield rows
            asking.follow(start + len(rows))

    head = f"{asking.name}: {total:,} customer{'' if total == 1 else 's'}"
    table = Table("Customers", sheet.headings(owner, columns), blocks(), total)
    as_of = instant(dashboard.metrics(session, asking.settings)["as_of"])
    return Document(head, said(session, asked), as_of, (table,), holds=PERSONAL if personal else CUSTOMERS)


def _every_id(session: Session, wanted: CustomerFilter, sort: str) -> Iterator[int]:
    cursor: str | None = None
    while True:
        ids, cursor = lists.page_of_ids(session, wanted, sort, PageRequest(limit=_IDS, cursor=cursor))
        yield from ids
        if cursor is None:
            return


def said(session: Session, asked: Asked) -> str:
    """Return which list this is, as a sentence."""
    parts = [
        {
            "active": "customers who have not left",
            "left": "customers who left",
            "all": "active and left customers alike",
        }[asked.status]
    ]
    if asked.group:
        parts.append(f"in “{groups.TITLES[asked.group]}”")
    parts += [f"in “{cells.read(session, address).title}”" for address in asked.cells]
    if asked.bands:
        parts.append(f"at {' or '.join(_BANDS[band] for band in asked.bands)} risk")
    if asked.plans:
        parts.append(f"on {' or '.join(asked.plans)}")
    if asked.tags:
        parts.append(f"tagged {' and '.join(asked.tags)}")
    for name, words in _RANGES:
        low, high = getattr(asked, f"min_{name}"), getattr(asked, f"max_{name}")
        if low is not None or high is not None:
            parts.append(f"{words}{'' if low is None else f' from {low:g}'}{'' if high is None else f' to {high:g}'}")
    if asked.q:
        parts.append(f"matching “{asked.q}”")
    sentence = ", ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."
