"""Whom a model is trained on and whom it scores, and what keeps a training from beginning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import String, literal, select
from sqlalchemy import cast as cast_sql
from sqlalchemy.orm import Session

from retainstream.errors import NotReady
from retainstream.models import Customer, ImportBatch, JobRun
from retainstream.services import churn_definitions
from retainstream.services.datasets.features import Column, columns, features_without
from retainstream.services.datasets.table import Dataset, labels, read

if TYPE_CHECKING:
    import numpy as np


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
    everybody = read(session, features, [Customer.visible()])
    y = labels(session, definition_id, everybody.ids)
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
        data = read(session, chosen, [Customer.visible(), Customer.churned.is_not(True)])
    else:
        data = read(session, chosen, [Customer.visible()], sorted(set(customer_ids)))
    for name in names or ():
        if name not in known:
            data.frame[name] = float("nan")
    return data


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
