"""The customers behind one figure of an analysis: a cell of a grid, a bar, a step of a curve.

A cell has an address of its own, `kind:key`, which lists, exports and the API take as a filter, so that every figure opens exactly those whom it
counts. Each analysis makes its own cells; this page only knows where. Groups of Home are `groups`, rules that people write are segments.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast

from sqlalchemy import ColumnElement, Integer, String, bindparam, column, func, select
from sqlalchemy.orm import Session

from retainstream.db import db
from retainstream.errors import InvalidInput
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import Customer
from retainstream.services import revisions
from retainstream.services.customers.filters import CustomerFilter

MAKERS: dict[str, str] = {
    "desk": "retainstream.services.desk.cells:make",
    "health": "retainstream.services.health.cells:make",
    "revenue": "retainstream.services.revenue.cells:make",
    "lifetime": "retainstream.services.lifetime.cells:make",
    "rfm": "retainstream.services.rfm.cells:make",
    "segment": "retainstream.services.segments.cells:make",
    "cohort": "retainstream.services.cohorts.cells:make",
    "survival": "retainstream.services.survival.cells:make",
}
"""Kind -> `module:function`. The function takes a session and the key, and returns a Cell; it raises InvalidInput for a key that it does not know.

Named, not imported: the analyses build on this package.
"""
_LIVE = ("desk",)
"""Kinds whose customers change with the hour and with what people do: asked anew each time."""
_ADDRESS = re.compile(r"([a-z_]{1,20}):([^\x00-\x1f;]{1,160})")
_KEPT = 16


@dataclass(frozen=True)
class Cell:
    """Whom a figure counts.

    Attributes
    ----------
    title : str
        What they have in common, as a list's chip says it.
    ids : tuple of int
        Customers, each once.
    as_of : int or None
        Microseconds UTC; what was known then. None for what holds now.
    """

    title: str
    ids: tuple[int, ...]
    as_of: int | None = None


_kept: Kept[tuple[Cell, str]] = Kept(_KEPT)


def read(session: Session, address: str) -> Cell:
    """Return the customers of a cell; raises InvalidInput for an address that leads nowhere."""
    return _found(session, address)[0]


def checked(address: str) -> str:
    """Return an address that is written as one, or raise InvalidInput; whether somebody stands behind it is `read`."""
    match = _ADDRESS.fullmatch(address)
    if match is None or match[1] not in MAKERS:
        raise InvalidInput(
            f"There is no figure {address[:60]!r}.", fields={"cell": ["the address of a figure, as its link has it"]}
        )
    return address


def conditions(session: Session, addresses: Iterable[str]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on Customer that every one of some cells counts somebody; raises InvalidInput as `read`."""
    return tuple(_condition(session, address) for address in addresses)


def narrowed(session: Session, wanted: CustomerFilter, addresses: Iterable[str]) -> CustomerFilter:
    """Return a filter that picks those whom every one of some cells counts; the same filter where there is none. Raises InvalidInput as `read`."""
    asked = tuple(addresses)
    extra = (*wanted.extra, *conditions(session, asked))
    # What moves by the hour or with the desk goes without a name: the state that lengths of lists are kept by knows nothing of it.
    named = tuple(address for address in asked if address.partition(":")[0] not in _LIVE)
    return replace(wanted, extra=extra, named=(*wanted.named, *named))


def _condition(session: Session, address: str) -> ColumnElement[bool]:
    listed = func.json_each(bindparam(None, _found(session, address)[1], String)).table_valued(column("value", Integer))
    return Customer.id.in_(select(listed.c.value))


def _found(session: Session, address: str) -> tuple[Cell, str]:
    kind, _, key = checked(address).partition(":")
    if kind in _LIVE:
        return _made(session, kind, key)
    counters = (*revisions.read(session).values(), revisions.one(session, "analyses"))
    # A rule may ask for days since something: midnight moves it, though nothing on record has changed.
    state = (db.engine.url.database, clock.now_us() // clock.DAY_US, *counters, address)
    return _kept.of(state, lambda: _made(session, kind, key))


def _made(session: Session, kind: str, key: str) -> tuple[Cell, str]:
    module, _, function = MAKERS[kind].partition(":")
    make = cast(Callable[[Session, str], Cell], getattr(importlib.import_module(module), function))
    cell = make(session, key)
    return cell, json.dumps(cell.ids)
