"""The only door from the database to a matrix: what a model is trained on, what is scored, and one customer's values.

Reads the current attribute versions of visible customers in blocks, straight into numpy columns. Nothing here trains, scores or writes.
numpy and pandas are imported on use, so that a web worker starts without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Select, String, func, literal, select
from sqlalchemy import cast as cast_sql
from sqlalchemy.orm import InstrumentedAttribute, Session

from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.ml.features import FeatureSpec, Kind
from retainstream.models import AttributeDefinition, AttributeVersion, Customer, ImportBatch, JobRun, Label
from retainstream.services import churn_definitions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FEATURE_KINDS = ("number", "integer", "boolean", "category")
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


@dataclass(frozen=True)
class Column:
    """Where one feature's values are read from."""

    spec: FeatureSpec
    source: ColumnElement[Any] | InstrumentedAttribute[Any]


def training_set(session: Session, *, exclude: Iterable[str] = ()) -> Dataset:
    """Return every visible customer with a label, whether it left or stayed.

    Parameters
    ----------
    exclude : iterable of str
        Features to leave out, by name or title.

    Raises
    ------
    NotReady
        While an import is being applied or undone, and when there are no customers, no features or no labels.
    InvalidInput
        When `exclude` names something that is no feature.
    """
    features, definition_id = ready_to_train(session, exclude)
    everybody = _read(session, features, [Customer.visible()])
    y = _labels(session, definition_id, everybody.ids)
    return _labelled(everybody, y, definition_id)


def scoring_set(
    session: Session, customer_ids: Sequence[int] | None = None, *, names: Sequence[str] | None = None
) -> Dataset:
    """Return visible customers to score: all that have not left, or those with the given ids, left or not.

    Parameters
    ----------
    customer_ids : sequence of int, optional
        Unknown and hidden ids are passed over.
    names : sequence of str, optional
        Only these features, in this order; one that is no longer known is a column of missing values.
    """
    known = {column.spec.name: column for column in columns(session, all_kinds=names is not None)}
    chosen = list(known.values()) if names is None else [known[name] for name in names if name in known]
    if customer_ids is None:
        data = _read(session, chosen, [Customer.visible(), Customer.churned.is_not(True)])
    else:
        data = _read(session, chosen, [Customer.visible()], sorted(set(customer_ids)))
    for name in names or ():
        if name not in known:
            data.frame[name] = float("nan")
    return data


def customer_values(session: Session, customer_id: int, version_id: int | None = None) -> dict[str, Any]:
    """Return one customer's features by name, now or at an earlier version; raises NotFound for an unknown customer."""
    row = session.execute(select(Customer.version_id).where(Customer.id == customer_id, Customer.visible())).first()
    if row is None:
        raise NotFound("There is no such customer.")
    version = row[0] if version_id is None else version_id
    return {} if version is None else values_of(session, [version]).get(version, {})


def values_of_customers(session: Session, customer_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the present features of visible customers by name, read once for all: {customer id: {name: value}}."""
    unique = sorted(set(customer_ids))
    versions: dict[int, int | None] = {}
    for start in range(0, len(unique), _IDS_PER_QUERY):
        part = Customer.id.in_(unique[start : start + _IDS_PER_QUERY])
        rows = session.execute(select(Customer.id, Customer.version_id).where(part, Customer.visible()))
        versions.update((row.id, row.version_id) for row in rows)
    found = values_of(session, [version for version in versions.values() if version is not None])
    return {one: {} if version is None else found.get(version, {}) for one, version in versions.items()}


def values_of(
    session: Session, version_ids: Sequence[int], names: Iterable[str] | None = None
) -> dict[int, dict[str, Any]]:
    """Return features of attribute versions as JSON scalars: {version id: {name: value}}; one query for a page."""
    wanted = None if names is None else set(names)
    chosen = [column for column in columns(session, all_kinds=True) if wanted is None or column.spec.name in wanted]
    found: dict[int, dict[str, Any]] = {}
    unique = sorted(set(version_ids))
    for start in range(0, len(unique), _IDS_PER_QUERY):
        part = unique[start : start + _IDS_PER_QUERY]
        query = select(AttributeVersion.id, *(column.source for column in chosen)).where(AttributeVersion.id.in_(part))
        for version_id, *values in session.execute(query):
            found[version_id] = {
                column.spec.name: scalar(value, column.spec.kind) for column, value in zip(chosen, values, strict=True)
            }
    return found


def scalar(value: Any, kind: str) -> float | int | bool | str | None:
    """Return a stored value as a person gave it: whole numbers without a point, yes or no as a boolean."""
    if value is None:
        return None
    if kind == "category":
        return str(value)
    if kind == "boolean":
        return bool(value)
    return int(value) if kind == "integer" or float(value).is_integer() else float(value)


def columns(session: Session, *, all_kinds: bool = False) -> list[Column]:
    """Return the features in the order of their definition; with `all_kinds`, also columns that are no longer features."""
    query = (
        select(AttributeDefinition).where(AttributeDefinition.kind.in_(FEATURE_KINDS)).order_by(AttributeDefinition.id)
    )
    if not all_kinds:
        query = query.where(AttributeDefinition.feature)
    return [Column(_spec(row), _source(row)) for row in session.scalars(query)]


def feature_specs(session: Session) -> list[FeatureSpec]:
    """Return what a model would be trained on today."""
    return [column.spec for column in columns(session)]


def ready_to_train(session: Session, exclude: Iterable[str] = ()) -> tuple[list[Column], int]:
    """Return the features and the churn definition that a training would use; raises as `training_set` does, and reads no customer."""
    refuse_unfinished_import(session)
    features = features_without(session, exclude)
    if not features:
        raise NotReady(
            "There is nothing to learn from: no churn definition that looks ahead is in force, and no column of the data is marked as a feature. "
            "Import a table with a churn column, or, with events or subscriptions, ask POST /churn-definitions/propose for a definition."
        )
    definition_id = active_definition(session)
    if definition_id is None:
        raise NotReady(
            "There is no label yet: import a table with a column that says who has left, and map it as the label."
        )
    return features, definition_id


def active_definition(session: Session) -> int | None:
    """Return the churn definition of the newest label of an applied import; None without labels."""
    return churn_definitions.newest_labelled(session)


def refuse_unfinished_import(session: Session) -> None:
    """Raise NotReady while an import is being applied or undone. One whose job failed for good keeps nobody waiting."""
    working = select(JobRun.id).where(
        JobRun.dedupe_key == literal("batch:").concat(cast_sql(ImportBatch.id, String)),
        JobRun.state.in_(("queued", "running")),
    )
    batch = session.execute(
        select(ImportBatch.id, ImportBatch.state)
        .where(ImportBatch.state.in_(("applying", "undoing")), working.exists())
        .limit(1)
    ).first()
    if batch is not None:
        doing = "applied" if batch.state == "applying" else "undone"
        raise NotReady(
            f"Import {batch.id} is being {doing}; train again once it is done.", detail={"import_id": batch.id}
        )


def _spec(row: AttributeDefinition) -> FeatureSpec:
    return FeatureSpec(
        name=row.name,
        kind=cast(Kind, row.kind),
        title=row.title,
        unit=row.unit,
        actionable=row.actionable,
        sensitive=row.sensitive,
    )


def _source(row: AttributeDefinition) -> ColumnElement[Any] | InstrumentedAttribute[Any]:
    if row.slot is not None:
        return cast("InstrumentedAttribute[Any]", getattr(AttributeVersion, row.slot))
    overflow = AttributeVersion.extra[row.name]
    return cast("ColumnElement[Any]", overflow.as_string() if row.kind == "category" else overflow.as_float())


def features_without(session: Session, exclude: Iterable[str]) -> list[Column]:
    """Return the features but for those with these names or titles; raises InvalidInput for a name that is no feature."""
    found = columns(session)
    left_out = {str(name).strip().lower() for name in exclude}
    known = {word for column in found for word in (column.spec.name.lower(), column.spec.title.lower())}
    if strangers := sorted(left_out - known):
        raise InvalidInput(
            f"There is no feature called {strangers[0]!r} to leave out.",
            fields={"exclude": [f"unknown: {name}" for name in strangers]},
        )
    return [column for column in found if not {column.spec.name.lower(), column.spec.title.lower()} & left_out]


class _Codes(dict[str | None, int]):
    """Texts to codes in order of appearance; missing is -1."""

    def __init__(self) -> None:
        super().__init__({None: -1, "": -1})

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self) - 2
        return code

    def levels(self) -> list[str]:
        return [text for text, code in self.items() if text is not None and code >= 0]


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


def _read(
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
    codes = [_Codes() if column.spec.kind == "category" else None for column in chosen]
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
            known
            if code is None
            else pd.Categorical.from_codes(known, categories=pd.Index(code.levels(), dtype=object))
        )
    frame = pd.DataFrame(data, index=pd.RangeIndex(start), copy=False)
    specs = tuple(column.spec for column in chosen)
    known_batches = tuple(sorted(batch for batch in batches if batch is not None))
    return Dataset(frame, head[0][:start], head[1][:start], revenue[:start], specs, data_as_of, known_batches)


def _labels(session: Session, definition_id: int, ids: np.ndarray) -> np.ndarray:
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


def _labelled(everybody: Dataset, y: np.ndarray, definition_id: int) -> Dataset:
    """Return the rows that have a label."""
    import numpy as np

    keep = np.flatnonzero(y >= 0)
    unlabelled = len(y) - len(keep)
    frame, ids, versions, revenue = everybody.frame, everybody.ids, everybody.version_ids, everybody.revenue_minor
    if not len(keep):
        raise NotReady("None of the customers has a label yet: import a table with a column that says who has left.")
    if unlabelled:
        frame = frame.iloc[keep].reset_index(drop=True)
        y, ids, versions, revenue = y[keep], ids[keep], versions[keep], revenue[keep]
    # What an import that was undone brought, or only customers without a label have, teaches nothing.
    empty = [spec for spec in everybody.features if frame[spec.name].isna().all()]
    if empty:
        frame = frame.drop(columns=[spec.name for spec in empty])
    return replace(
        everybody,
        frame=frame,
        features=tuple(spec for spec in everybody.features if spec not in empty),
        empty=tuple(spec.title for spec in empty),
        ids=ids,
        version_ids=versions,
        revenue_minor=revenue,
        y=y,
        definition_id=definition_id,
        unlabelled=unlabelled,
    )
