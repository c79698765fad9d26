"""What was bought, as arrays: events of the kinds `purchase` and `refund` in the currency of most of them. What follows from them is each analysis's affair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Text, cast, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.errors import NotReady
from retainstream.lib.money import exponent
from retainstream.models import Customer, Event, EventKind
from retainstream.services.analyses import material
from retainstream.services.as_of import facts
from retainstream.services.as_of.reading import gathered

BOUGHT, REFUNDED = "purchase", "refund"


@dataclass(frozen=True)
class Purchases:
    """Lines of purchases and refunds of visible customers; int64 arrays of shape (m,), in no order.

    Attributes
    ----------
    customer : array
    occurred, received : arrays
        Microseconds UTC.
    amount : array
        Minor units of `currency`, below 0 for a refund; 0 where a purchase came without an amount.
    order : array
        Lines of a customer with the same number are one purchase: those of one order number, or without one those of the same instant.
    refund : bool array of shape (m,)
    currency : str
    other_currency : int
        Lines in other currencies, which are left out.
    priced : bool
        Whether any purchase came with an amount.
    """

    customer: np.ndarray
    occurred: np.ndarray
    received: np.ndarray
    amount: np.ndarray
    order: np.ndarray
    refund: np.ndarray
    currency: str
    other_currency: int
    priced: bool

    def __len__(self) -> int:
        return len(self.customer)

    def buyers(self) -> int:
        """Return how many customers ever bought."""
        return len(np.unique(self.customer[~self.refund]))


class _Numbers(dict[str | None, int]):
    """Texts to numbers in the order in which they appear; a missing or empty text is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1, "": -1})

    def __missing__(self, text: str | None) -> int:
        number = self[text] = len(self) - 2
        return number


def read(session: Session, settings: Settings) -> Purchases:
    """Return every visible purchase and refund; none in a box that has no such events."""
    kinds = {name: one for one, name in session.execute(select(EventKind.id, EventKind.name))}
    wanted = [kinds[name] for name in (BOUGHT, REFUNDED) if name in kinds]
    orders, currencies = _Numbers(), _Numbers()
    query = select(
        Event.customer_id,
        Event.kind_id,
        Event.occurred_at,
        Event.received_at,
        Event.value,
        cast(func.json_extract(Event.properties, '$."order"'), Text),
        func.json_extract(Event.properties, '$."currency"'),
    ).where(Event.kind_id.in_(wanted), facts.applied(Event.batch_id))
    types = (np.int64, np.int64, np.int64, np.int64, np.float64, np.int64, np.int64)
    codings: list[Any] = [None, None, None, None, None, orders, currencies]
    columns = gathered(session, query, Event.customer_id, None, types, codings)
    there = np.fromiter(session.scalars(select(Customer.id).where(Customer.visible())), np.int64)
    columns = [column[np.isin(columns[0], there)] for column in columns]
    names = [text for text, code in currencies.items() if text and code >= 0]
    held, most = _in_one_currency(columns[6], [name.upper() for name in names], settings.currency)
    customer, kind, occurred, received, value, order, _ = (column[held] for column in columns)
    refund = kind == kinds.get(REFUNDED, -1)
    minor = np.rint(np.nan_to_num(value) * 10.0 ** exponent(most)).astype(np.int64)
    return Purchases(
        customer=customer,
        occurred=occurred,
        received=received,
        amount=np.where(refund, -np.abs(minor), np.maximum(minor, 0)),
        order=_numbered(order, occurred),
        refund=refund,
        currency=most,
        other_currency=int((~held).sum()),
        priced=bool((minor[~refund] > 0).any()),
    )


def of_shop(session: Session, settings: Settings) -> Purchases | None:
    """Return the purchases of a box that lives by them; None where more than twice as many customers pay for a subscription, or nobody bought."""
    found = read(session, settings)
    try:
        subscribers = len(np.unique(material.read(session, settings).span_customer))
    except NotReady:
        subscribers = 0
    return found if len(found) and 2 * found.buyers() >= max(subscribers, 1) else None


def _in_one_currency(code: np.ndarray, names: list[str], usual: str) -> tuple[np.ndarray, str]:
    """Return which rows are in the currency of most of them, and that; a row that names none is in the box's own."""
    own = names.index(usual) if usual in names else len(names)
    all_names = names if usual in names else [*names, usual]
    held = np.where(code < 0, own, code)
    if not len(held):
        return np.zeros(0, np.bool_), usual
    most = int(np.bincount(held, minlength=len(all_names)).argmax())
    return held == most, all_names[most]


def _numbered(order: np.ndarray, occurred: np.ndarray) -> np.ndarray:
    without = order < 0
    found = order.copy()
    found[without] = order.max(initial=-1) + 1 + np.unique(occurred[without], return_inverse=True)[1]
    return found
