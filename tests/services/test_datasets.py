"""The door from the database to a matrix: which customers, which columns, which labels."""

from __future__ import annotations

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import delete

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotFound, NotReady
from retainstream.lib import clock
from retainstream.models import (
    AttributeDefinition,
    AttributeVersion,
    ChurnDefinition,
    Customer,
    ImportBatch,
    JobRun,
    Label,
)
from retainstream.services import datasets
from tests.population import make_frame, populate

FEATURES = ["watch_time_hours", "last_login_days", "payment_failures", "paperless", "plan_name"]


@pytest.mark.usefixtures("minimal_app")
def test_training_set_holds_the_very_values_that_were_stored() -> None:
    frame = make_frame(300)
    frame.loc[3, "watch_time_hours"] = np.nan
    frame.loc[4, "plan_name"] = None
    with unit_of_work() as session:
        ids = populate(session, frame)
    with read_unit() as session:
        data = datasets.training_set(session)
    assert list(data.frame.columns) == FEATURES  # neither dates nor texts
    assert data.ids.tolist() == ids
    assert data.y is not None
    assert data.y.tolist() == frame["churn"].astype(int).tolist()
    for name in ("watch_time_hours", "last_login_days", "payment_failures", "paperless"):
        np.testing.assert_array_equal(data.frame[name].to_numpy(float), frame[name].to_numpy(float))
    read = data.frame["plan_name"]
    assert read.isna().tolist() == [position == 4 for position in range(300)]
    assert read.dropna().tolist() == frame["plan_name"].dropna().tolist()
    assert [spec.kind for spec in data.features] == ["number", "integer", "integer", "boolean", "category"]
    assert len(data.batch_ids) == 1


@pytest.mark.usefixtures("minimal_app")
def test_values_in_the_overflow_are_read_like_those_in_slots() -> None:
    frame = make_frame(50)
    with unit_of_work() as session:
        ids = populate(session, frame)
        for definition in session.query(AttributeDefinition).filter(AttributeDefinition.name.in_(FEATURES)):
            for version in session.query(AttributeVersion):
                version.extra = {**(version.extra or {}), definition.name: getattr(version, definition.slot)}
            definition.slot = None
    with read_unit() as session:
        data = datasets.training_set(session)
        one = datasets.customer_values(session, ids[7])
    np.testing.assert_array_equal(data.frame["watch_time_hours"], frame["watch_time_hours"])
    np.testing.assert_array_equal(data.frame["paperless"].to_numpy(float), frame["paperless"].to_numpy(float))
    assert data.frame["plan_name"].tolist() == frame["plan_name"].tolist()
    assert one["last_login_days"] == frame.loc[7, "last_login_days"]
    assert one["paperless"] is bool(frame.loc[7, "paperless"])


@pytest.mark.usefixtures("minimal_app")
def test_a_hidden_import_is_in_no_set() -> None:
    with unit_of_work() as session:
        ids = populate(session, make_frame(40))
        hidden = populate(session, make_frame(30, seed=2), state="failed")
    with read_unit() as session:
        assert datasets.training_set(session).ids.tolist() == ids
        assert datasets.scoring_set(session, hidden).ids.tolist() == []
        with pytest.raises(NotFound):
            datasets.customer_values(session, hidden[0])


@pytest.mark.usefixtures("minimal_app")
@pytest.mark.parametrize("state", ["applying", "undoing"])
def test_training_waits_for_an_import(state: str) -> None:
    with unit_of_work() as session:
        populate(session, make_frame(40))
        populate(session, make_frame(5, seed=2), state=state)
        session.add(JobRun(kind="import", state="running", dedupe_key="batch:2", created_at=1))
    with read_unit() as session, pytest.raises(NotReady, match="Import 2 is being"):
        datasets.training_set(session)


@pytest.mark.usefixtures("minimal_app")
def test_an_import_whose_job_failed_for_good_keeps_nobody_waiting() -> None:
    with unit_of_work() as session:
        populate(session, make_frame(40))
        populate(session, make_frame(5, seed=2), state="applying")
        session.add(JobRun(kind="import", state="failed", dedupe_key="batch:2", created_at=1))
    with read_unit() as session:
        assert len(datasets.training_set(session).ids) == 40


@pytest.mark.usefixtures("minimal_app")
def test_the_newest_label_counts_and_customers_without_one_stay_out() -> None:
    with unit_of_work() as session:
        ids = populate(session, make_frame(40))
        first = session.query(Label).filter_by(customer_id=ids[0]).one()
        session.add(
            Label(
                customer_id=ids[0],
                definition_id=first.definition_id,
                batch_id=first.batch_id,
                value=not first.value,
                known_at=clock.now_us(),
            )
        )
        undone = populate(session, make_frame(1, seed=3), state="undone")
        batch = session.get_one(Customer, undone[0]).batch_id
        session.add(
            Label(
                customer_id=ids[1],
                definition_id=first.definition_id,
                batch_id=batch,
                value=True,
                known_at=clock.now_us(),
            )
        )
        session.execute(delete(Label).where(Label.customer_id == ids[2]))
        before = {one: session.query(Label).filter_by(customer_id=one).first() for one in ids[:2]}
        expected = [not before[ids[0]].value, before[ids[1]].value]
    with read_unit() as session:
        data = datasets.training_set(session)
    assert data.y is not None
    assert data.y[:2].astype(bool).tolist() == expected
    assert data.ids.tolist() == [ids[0], ids[1], *ids[3:]]
    assert data.unlabelled == 1
    assert len(data.frame) == len(data.y) == len(data.revenue_minor) == 39


@pytest.mark.usefixtures("minimal_app")
def test_a_label_of_an_older_definition_does_not_count() -> None:
    with unit_of_work() as session:
        ids = populate(session, make_frame(20))
        newer = ChurnDefinition(
            name="churn", version=2, kind="labelled_column", parameters={}, created_at=clock.now_us()
        )
        session.add(newer)
        session.flush()
        session.add_all(
            Label(customer_id=one, definition_id=newer.id, value=True, known_at=clock.now_us()) for one in ids[:5]
        )
    with read_unit() as session:
        data = datasets.training_set(session)
    assert data.ids.tolist() == ids[:5]
    assert data.definition_id == newer.id


@pytest.mark.usefixtures("minimal_app")
def test_features_are_left_out_by_name_or_title_and_strangers_are_named() -> None:
    with unit_of_work() as session:
        populate(session, make_frame(20))
    with read_unit() as session:
        data = datasets.training_set(session, exclude=["PAPERLESS", "watch time (hours)"])
        with pytest.raises(InvalidInput, match="shoe size"):
            datasets.training_set(session, exclude=["shoe size"])
    assert list(data.frame.columns) == ["last_login_days", "payment_failures", "plan_name"]


@pytest.mark.usefixtures("minimal_app")
def test_scoring_set_leaves_out_who_has_left_unless_asked_for() -> None:
    frame = make_frame(60)
    with unit_of_work() as session:
        ids = populate(session, frame)
    staying = [one for one, gone in zip(ids, frame["churn"], strict=True) if not gone]
    gone = next(one for one, left in zip(ids, frame["churn"], strict=True) if left)
    with read_unit() as session:
        assert datasets.scoring_set(session).ids.tolist() == staying
        assert datasets.scoring_set(session, [gone, staying[0], 10**9, gone]).ids.tolist() == sorted([gone, staying[0]])


@pytest.mark.usefixtures("minimal_app")
def test_scoring_set_by_names_keeps_their_order_and_fills_what_is_gone_with_missing() -> None:
    with unit_of_work() as session:
        populate(session, make_frame(20))
        session.query(AttributeDefinition).filter_by(name="paperless").one().feature = False
    with read_unit() as session:
        data = datasets.scoring_set(session, names=["plan_name", "paperless", "long_gone"])
    assert list(data.frame.columns) == ["plan_name", "paperless", "long_gone"]
    assert data.frame["long_gone"].isna().all()
    assert data.frame["paperless"].notna().all()


@pytest.mark.usefixtures("minimal_app")
def test_an_edit_is_read_at_once_and_the_older_version_on_request() -> None:
    from retainstream.services import attributes

    frame = make_frame(10)
    with unit_of_work() as session:
        ids = populate(session, frame)
        customer = session.get_one(Customer, ids[0])
        old = customer.version_id
        attributes.write_edit(session, customer, values={"last_login_days": 99}, profile={})
    with read_unit() as session:
        assert datasets.customer_values(session, ids[0])["last_login_days"] == 99
        assert datasets.customer_values(session, ids[0], old)["last_login_days"] == frame.loc[0, "last_login_days"]
        data = datasets.scoring_set(session, ids)
    assert data.frame["last_login_days"].iloc[0] == 99


def test_an_empty_box_says_what_is_missing(minimal_app: Flask) -> None:
    assert minimal_app
    with read_unit() as session:
        with pytest.raises(NotReady, match="nothing to learn from"):
            datasets.training_set(session)
        assert len(datasets.scoring_set(session)) == 0
    with unit_of_work() as session:
        populate(session, make_frame(10), labelled=False)
        session.query(ImportBatch).update({"definition_id": None})
    with read_unit() as session, pytest.raises(NotReady, match="no label yet"):
        datasets.training_set(session)
