"""Reads the current attribute versions of customers, and their labels, in blocks straight into columns of numpy. Whom to read is the caller's affair.

numpy and pandas are imported on use, so that a web worker starts without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from retainstream.lib.levels import Levels
from retainstream.ml.features import FeatureSpec
from retainstream.models import AttributeVersion, Customer, Label
from retainstream.services import churn_definitions
from retainstream.services.datasets.features import Column

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_FETCH = 256  # small blocks stay in the processor's cache: a third quicker than 8,192
_IDS_PER_QUERY = 500


@dataclass(frozen=True)
class Dataset:
    """A table of customers, one row each, in the order of their ids.

    Attributes
    ----------
    frame : DataFrame of shape (n, f)
        One column per feature. Numbers, integers and booleans are float64 (integers whole, booleans 0 or 1, missing NaN);
        categories are pandas categoricals (missing: no category).
    ids, version_ids : int64 arrays of shape (n,)
        Surrogate ids of the customers, and of the attribute versions that were read.
    revenue_minor : float64 array of shape (n,)
        Monthly revenue in minor units; NaN where there is none.
    y : int8 array of shape (n,), optional
        1 for a customer that churned; only in a training set.
    features : tuple of FeatureSpec
    definition_id : int, optional
        The churn definition of the labels.
    data_as_of : int
        When the newest of these values became known, microseconds UTC; 0 without rows.
    batch_ids : tuple of int
        The imports that the values come from.
    empty : tuple of str
        Titles of features that were left out of a training set because no labelled customer has a value there.
    unlabelled : int
        Customers that were left out of a training set for want of a label.
    """

    frame: pd.DataFrame
    ids: np.ndarray
    version_ids: np.ndarray
    revenue_minor: np.ndarray
    features: tuple[FeatureSpec, ...]
    data_as_of: int
    batch_ids: tuple[int, ...]
    y: np.ndarray | None = None
    definition_id: int | None = None
    unlabelled: int = 0
    empty: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


def read(
    session: Session,
    chosen: Sequence[Column],
    conditions: Sequence[ColumnElement[bool]],
    customer_ids: Sequence[int] | None = None,
) -> Dataset:
    """Fill preallocated columns block by block: one float64 or int32 array a feature, never a list of all rows."""
    import numpy as np
    import pandas as pd

    total = (
        len(customer_ids)
        if customer_ids is not None
        else session.scalar(select(func.count()).select_from(Customer).where(*conditions)) or 0
    )
    codes = [Levels() if column.spec.kind == "category" else None for column in chosen]
    arrays: list[np.ndarray] = [np.empty(total, np.float64 if code is None else np.int32) for code in codes]
    head = [np.empty(total, np.int64), np.empty(total, np.int64)]
    revenue = np.empty(total, np.float64)
    data_as_of, batches, start = 0, set[int | None](), 0
    for rows in _blocks(session, _query(chosen, conditions), customer_ids):
        ids, versions, known_at, batch, money, *values = zip(*rows, strict=True)
        stop = start + len(rows)
        head[0][start:stop], head[1][start:stop], revenue[start:stop] = ids, versions, money
        data_as_of = max(data_as_of, *known_at)
        batches.update(batch)
        for array, code, cells in zip(arrays, codes, values, strict=True):
            array[start:stop] = cells if code is None else [code[text] for text in cells]
        start = stop
    data: dict[str, Any] = {}
    for column, code, array in zip(chosen, codes, arrays, strict=True):
        known = array[:start]
        data[column.spec.name] = (
            known if code is None else pd.Categorical.from_codes(known, categories=pd.Index(code.texts(), dtype=object))
        )
    frame = pd.DataFrame(data, index=pd.RangeIndex(start), copy=False)
    specs = tuple(column.spec for column in chosen)
    known_batches = tuple(sorted(batch for batch in batches if batch is not None))
    return Dataset(frame, head[0][:start], head[1][:start], revenue[:start], specs, data_as_of, known_batches)


def labels(session: Session, definition_id: int, ids: np.ndarray) -> np.ndarray:
    """Return each customer's newest label, int8 of shape (n,), -1 where there is none; `ids` rise."""
    import numpy as np

    y = np.full(len(ids), -1, np.int8)
    if not len(ids):
        return y
    query = select(Label.customer_id, Label.value).where(
        Label.definition_id == definition_id, churn_definitions.label_counts()
    )
    for rows in _blocks(session, query.order_by(Label.customer_id, Label.id), None):
        customers, values = (np.asarray(part) for part in zip(*rows, strict=True))
        place = np.minimum(np.searchsorted(ids, customers), len(ids) - 1)
        known = ids[place] == customers
        last = (
            np.append(customers[1:] != customers[:-1], True) & known
        )  # blocks come in order, so a later block overwrites too
        y[place[last]] = values[last]
    return y


def _blocks(
    session: Session, query: Select[*tuple[Any, ...]], customer_ids: Sequence[int] | None
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield small blocks of rows as the driver has them; turning each into a row object would take twice as long."""
    starts = (None,) if customer_ids is None else range(0, len(customer_ids), _IDS_PER_QUERY)
    for start in starts:
        part = (
            query
            if start is None or customer_ids is None
            else query.where(Customer.id.in_(customer_ids[start : start + _IDS_PER_QUERY]))
        )
        result = session.connection().execute(part)
        cursor = result.cursor
        assert cursor is not None
        while rows := cursor.fetchmany(_FETCH):
            yield cast("list[tuple[Any, ...]]", rows)
        result.close()


def _query(chosen: Sequence[Column], conditions: Sequence[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    version = AttributeVersion
    head = (Customer.id, version.id, version.known_at, version.batch_id, Customer.revenue_minor)
    sources = (column.source for column in chosen)
    return (
        select(*head, *sources)
        .join(version, version.id == Customer.version_id)
        .where(*conditions)
        .order_by(Customer.id)
    )
