"""Importing through the job: what ends up where, what a second load does, all or nothing, and that readers never see half."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib.identifiers import keyed_hash
from retainstream.models import (
    AttributeDefinition,
    AttributeVersion,
    Customer,
    ErasureEntry,
    Identity,
    ImportBatch,
    ImportRowError,
    JobRun,
    Label,
)
from retainstream.services import attributes
from retainstream.services.imports import apply, batches, pointers, turns, writing
from retainstream.services.jobs import JobCancelled, JobContext, JobLost
from tests.services.imports.loading import DATA, Loader, csv_of, rows_in, seen, table

HEADER = "customer_id,name,email,plan,monthly_charge,signup_date,tenure,usage,region,churn"


def row(
    number: int, *, usage: str = "12.5", region: str = "north", churn: str | None = None, email: str | None = None
) -> str:
    left = churn if churn is not None else ("Yes" if number % 4 == 0 else "No")
    address = email if email is not None else f"p{number}@example.com"
    return f"U{number:05d},Person {number},{address},{'gold' if number % 3 else 'basic'},{19 + number % 2}.99,2023-01-{number % 28 + 1:02d},{number * 7 % 60},{usage},{region},{left}"


ROWS = [row(number, usage=f"{number % 17}.25", region="north" if number % 2 else "south") for number in range(120)]
FILE = table(HEADER, ROWS)


@pytest.fixture
def loader(minimal_app: Flask, settings: Settings) -> Loader:
    return Loader(settings)


def test_values_land_where_they_belong(loader: Loader) -> None:
    _, job = loader.load(FILE)
    assert loader.counts(job) == (120, 0, 0)
    one = seen()["U00004"]
    assert one["attributes"]["usage"] == 4.25 and one["attributes"]["region"] == "south"
    assert (one["plan"], one["revenue"], one["currency"], one["tenure"]) == ("gold", 1999, "USD", 28.0)
    assert one["label"] is True and one["churned"] is True
    assert one["personal"][:2] == ("Person 4", "p4@example.com")
    assert not {"name", "email"} & set(one["attributes"])
    with read_unit() as session:
        stored = session.execute(text("SELECT group_concat(coalesce(extra, '')) FROM attribute_versions")).scalar_one()
        assert "Person" not in (stored or "")


def test_the_search_index_follows_imports_and_undos(loader: Loader) -> None:
    def found(words: str) -> int:
        with read_unit() as session:
            query = text("SELECT count(*) FROM customer_search WHERE customer_search MATCH :words")
            return int(session.execute(query, {"words": f'"{words}"'}).scalar_one())

    first, _ = loader.load(FILE)
    assert (found("U00004"), found("p4@example.com"), found("new@example.com")) == (1, 1, 0)
    second, _ = loader.load(
        table(HEADER, [*ROWS[:4], row(4, usage="4.25", region="south", email="new@example.com"), row(700)])
    )
    assert (found("p4@example.com"), found("new@example.com"), found("U00700")) == (0, 1, 1)
    loader.undo(second)
    assert (found("p4@example.com"), found("new@example.com"), found("U00700")) == (1, 0, 0)
    loader.undo(first)
    assert found("U00004") == 0
    with unit_of_work() as session:
        session.execute(text("INSERT INTO customer_search (customer_search, rank) VALUES ('integrity-check', 1)"))


def test_the_same_file_again_writes_nothing_but_the_batch(loader: Loader) -> None:
    loader.load(FILE)
    before, state = rows_in(*DATA), seen()
    _, job = loader.load(FILE)
    assert loader.counts(job) == (0, 0, 120)
    assert rows_in(*DATA) == before and seen() == state


def test_only_rows_that_differ_get_a_version_a_label_or_details(loader: Loader) -> None:
    loader.load(FILE)
    before = rows_in(*DATA)
    rows = list(ROWS)
    rows[1] = row(1, usage="99.5", region="north")
    rows[2] = row(2, usage="2.25", region="south", churn="Yes")
    rows[3] = row(3, usage="3.25", region="north", email="new@example.com")
    _, job = loader.load(table(HEADER, [*rows, row(500)]))
    assert loader.counts(job) == (1, 3, 117)
    after = rows_in(*DATA)
    assert {name: after[name] - before[name] for name in DATA} == {
        "customers": 1,
        "identities": 1,
        "attribute_versions": 2,
        "labels": 2,
        "identity_changes": 1,
    }
    now = seen()
    assert now["U00001"]["attributes"]["usage"] == 99.5
    assert now["U00002"]["churned"] is True and now["U00002"]["label"] is True
    assert now["U00003"]["personal"][1] == "new@example.com"


def test_a_file_with_fewer_columns_leaves_the_rest_as_it_was(loader: Loader) -> None:
    loader.load(FILE)
    before = seen()["U00005"]
    _, job = loader.load(table("customer_id,usage", [f"U{number:05d},{number + 0.5}" for number in range(30)]))
    assert loader.counts(job) == (0, 30, 0)
    after = seen()["U00005"]
    assert after["attributes"] == {**before["attributes"], "usage": 5.5}
    assert {name: after[name] for name in ("plan", "revenue", "label", "personal")} == {
        name: before[name] for name in ("plan", "revenue", "label", "personal")
    }


def test_a_blank_is_missing_and_never_an_error(loader: Loader) -> None:
    _, job = loader.load(
        table(
            "customer_id,usage,churn",
            [f"K{n},{'' if n == 3 else n},{'Yes' if n % 4 == 0 else 'No'}" for n in range(40)],
        )
    )
    assert loader.counts(job) == (40, 0, 0)
    assert seen()["K3"]["attributes"]["usage"] is None


def test_reject_keeps_the_bad_rows_and_nothing_else(loader: Loader) -> None:
    mapping = loader.preview(FILE).mapping.to_dict()
    before = rows_in(*DATA)
    number, job = loader.load(table(HEADER, [*ROWS[:50], row(50, usage="lots"), *ROWS[51:]]), mapping)
    assert job["state"] == "failed" and job["error"]["code"] == "rows_rejected"
    assert rows_in(*DATA) == before
    with read_unit() as session:
        (error,) = session.scalars(select(ImportRowError))
        assert (error.line, error.column, error.value, error.user_id) == (52, "usage", "lots", "U00050")
        assert error.cells is not None and error.cells[0] == "U00050"
        batch = session.get_one(ImportBatch, number)
        assert batch.state == "failed" and batch.upload_name is None and batch.counts["bad"] == 1


def test_erased_people_do_not_come_back(loader: Loader, settings: Settings) -> None:
    with unit_of_work() as session:
        key = settings.resolved_secret_key().encode()
        session.add(ErasureEntry(keyed_hash=keyed_hash(key, "U00007"), erased_at=1))
        session.add(ErasureEntry(keyed_hash=keyed_hash(key, "U00008"), erased_at=1))
    mapping = loader.preview(FILE).mapping.to_dict()
    rows = list(ROWS)
    rows[8] = row(8, usage="lots")
    _, job = loader.load(table(HEADER, rows), mapping, on_error="skip")
    assert job["result"]["counts"]["erased"] == 1 and "U00007" not in seen()
    with read_unit() as session:
        (error,) = session.scalars(select(ImportRowError))
        assert (error.user_id, error.value, error.cells) == (None, None, None)


def test_attributes_beyond_the_slots_live_in_the_overflow(loader: Loader) -> None:
    columns = ["customer_id", *[f"figure{n}" for n in range(45)], *[f"word{n}" for n in range(33)]]
    rows = [
        (f"W{i:03d}", *[i + n + 0.5 for n in range(45)], *[f"w{(i + n) % 3}" for n in range(33)]) for i in range(30)
    ]
    content = csv_of(columns, rows)
    _, job = loader.load(content)
    assert loader.counts(job) == (30, 0, 0)
    with read_unit() as session:
        assert len(list(session.scalars(select(AttributeDefinition).where(AttributeDefinition.slot.is_(None))))) == 8
    values = seen()["W007"]["attributes"]
    assert sorted(values.values(), key=str) == sorted(rows[7][1:], key=str)
    assert loader.counts(loader.load(content)[1]) == (0, 0, 30)
    rows[3] = (*rows[3][:45], 999.5, *rows[3][46:])
    assert loader.counts(loader.load(csv_of(columns, rows))[1]) == (0, 1, 29)
    assert 999.5 in seen()["W003"]["attributes"].values()


def test_a_kind_widens_and_an_unused_definition_may_change(loader: Loader) -> None:
    number, _ = loader.load(table("customer_id,level", [f"A{n},{n % 9}" for n in range(30)]))
    loader.load(table("customer_id,level", [f"A{n},{n % 9 + 0.5}" for n in range(30)]))
    with read_unit() as session:
        assert session.scalar(select(AttributeDefinition.kind).where(AttributeDefinition.name == "level")) == "number"
    assert loader.preview(table("customer_id,level", [f"A{n},w{n % 3}" for n in range(30)])).conflict is not None
    with unit_of_work() as session:
        session.execute(delete(Customer))
    assert number == 1
    loader.load(table("customer_id,level", [f"A{n},w{n % 3}" for n in range(30)]))
    assert seen()["A4"]["attributes"]["level"] == "w1"


def test_readers_see_all_of_a_change_or_nothing(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks between all units of the second import: until its last one, everything is as it was before."""
    monkeypatch.setattr(apply, "CHUNK_ROWS", 25)
    loader.load(FILE)
    before = seen()
    looks: list[bool] = []
    progress = JobContext.progress

    def look(self: JobContext, phase: str, fraction: float) -> None:
        looks.append(seen() == before)
        progress(self, phase, fraction)

    monkeypatch.setattr(JobContext, "progress", look)
    changed = table(
        HEADER,
        [row(n, usage=f"{n}.75", churn="No" if n % 4 == 0 else "Yes", email=f"q{n}@example.com") for n in range(150)],
    )
    loader.load(changed, label="confirm")
    assert len(looks) >= 6 and all(looks)
    for user_id, one in (after := seen()).items():
        number = int(user_id[1:])
        assert (one["attributes"]["usage"], one["churned"], one["personal"][1]) == (
            number + 0.75,
            number % 4 != 0,
            f"q{number}@example.com",
        )
    assert len(after) == 150


def test_an_edit_during_the_import_is_not_lost(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.load(FILE)
    activate = pointers.activate

    def edited_first(session: Any, batch_id: int, tally: Any, written: set[str]) -> None:
        customer = session.scalar(select(Customer).join(Identity).where(Identity.user_id == "U00001"))
        attributes.write_edit(session, customer, values={"region": "west"}, profile={"plan": "edited"})
        activate(session, batch_id, tally, written)

    monkeypatch.setattr(pointers, "activate", edited_first)
    loader.load(table("customer_id,usage", [f"U{n:05d},{n + 0.5}" for n in range(5)]))
    one = seen()["U00001"]
    assert (one["attributes"]["region"], one["attributes"]["usage"], one["plan"]) == ("west", 1.5, "edited")


def test_a_cancelled_import_leaves_no_row(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    loader.load(table(HEADER, ROWS[:60]))
    before, state = rows_in(*DATA), seen()
    monkeypatch.setattr(apply, "CHUNK_ROWS", 25)
    progress = JobContext.progress

    def cancel_late(self: JobContext, phase: str, fraction: float) -> None:
        if fraction > 0.5:
            raise JobCancelled("asked to stop")
        progress(self, phase, fraction)

    monkeypatch.setattr(JobContext, "progress", cancel_late)
    number, job = loader.load(table(HEADER, [row(n, usage=f"{n}.75") for n in range(120)]))
    assert job["state"] == "cancelled"
    assert rows_in(*DATA) == before and seen() == state
    with read_unit() as session:
        assert session.get_one(ImportBatch, number).state == "cancelled"


def test_what_a_dead_import_left_is_cleared_by_the_next_one(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "CHUNK_ROWS", 25)
    first = loader.queue(FILE)
    write = writing.Writer.write
    calls: list[int] = []

    def die_third(self: Any, session: Any, rows: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise JobLost("killed here")
        write(self, session, rows)

    monkeypatch.setattr(writing.Writer, "write", die_third)
    loader.run()
    assert rows_in("customers")["customers"] == 50 and seen() == {}
    with unit_of_work() as session:
        session.execute(update(JobRun).values(state="failed"))
    monkeypatch.setattr(writing.Writer, "write", write)
    _, job = loader.load(FILE)
    assert loader.counts(job) == (120, 0, 0)
    assert rows_in("customers")["customers"] == 120
    with read_unit() as session:
        assert session.get_one(ImportBatch, first).state == "failed"
    assert turns.settle_others(unit_of_work) == []


def test_a_label_whose_header_changed_its_case_is_the_same_definition(loader: Loader) -> None:
    loader.load(table(HEADER, ROWS[:60]))
    loader.load(table(HEADER.replace("churn", "Churn "), ROWS[60:]))
    with read_unit() as session:
        assert len(set(session.scalars(select(Label.definition_id)))) == 1
        assert len(session.scalars(select(Label.id)).all()) == 120


def test_a_cancelled_import_that_was_ended_while_it_cleaned_up_reads_as_cancelled(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "CHUNK_ROWS", 25)
    number = loader.queue(FILE)

    def ended(*_: object) -> None:
        raise JobLost("ended by signal")

    monkeypatch.setattr(writing.Writer, "write", ended)
    loader.run()
    with unit_of_work() as session:
        session.execute(update(JobRun).values(state="cancelled"))
        assert session.get_one(ImportBatch, number).state == "applying"
    with read_unit() as session:
        assert batches.list_batches(session).items[0]["state"] == "cancelled"
    assert turns.settle_others(unit_of_work) == [number]
    with read_unit() as session:
        batch = session.get_one(ImportBatch, number)
        assert (batch.state, batch.error) == ("cancelled", None)
    assert rows_in("customers")["customers"] == 0


def test_half_a_character_is_refused_in_words(loader: Loader) -> None:
    lines = [f'{{"id": "a{n}", "word": "\\ud800{n % 3}", "figure": {n * 7 % 30}}}' for n in range(30)]
    _, job = loader.load("\n".join(lines))
    assert job["error"]["code"] == "invalid_input" and "no character" in job["error"]["message"]
    assert rows_in("customers")["customers"] == 0


def test_history_is_known_at_the_dates_in_the_file(loader: Loader) -> None:
    mapping = loader.preview(FILE).mapping.to_dict()
    mapping["known_at_time"] = True
    loader.load(FILE, mapping)
    with read_unit() as session:
        version = session.scalar(
            select(AttributeVersion)
            .join(Identity, Identity.customer_id == AttributeVersion.customer_id)
            .where(Identity.user_id == "U00003")
        )
        assert version is not None and version.known_at == version.signup_at
        assert (
            session.scalar(select(Label.known_at).where(Label.customer_id == version.customer_id)) == version.known_at
        )


CELLS = {
    "number": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "integer": st.one_of(st.none(), st.integers(-(2**53), 2**53)),
    "text": st.one_of(
        st.none(),
        st.text(
            st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("C", "Z")),
            min_size=1,
            max_size=12,
        ),
    ),
}
BLANK_WORDS = {"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "--", "?"}


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_what_went_in_comes_out(loader: Loader, data: st.DataObject) -> None:
    with unit_of_work() as session:
        for name in ("customers", "labels", "attribute_versions", "attribute_definitions"):
            session.execute(text(f"DELETE FROM {name}"))
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    rows = data.draw(st.lists(st.tuples(*(CELLS[kind] for kind in kinds)), min_size=1, max_size=15))
    names = [f"col_{index}" for index in range(len(kinds))]
    text_rows = [
        (f"id-{number}", *("" if cell is None else repr(cell) if isinstance(cell, float) else cell for cell in cells))
        for number, cells in enumerate(rows)
    ]
    mapping = {
        "columns": [
            {"name": "customer", "role": "identifier", "attribute": "customer"},
            *[
                {
                    "name": name,
                    "role": "feature",
                    "attribute": name,
                    "kind": "category" if kind == "text" else kind,
                    "feature": True,
                }
                for name, kind in zip(names, kinds, strict=True)
            ],
        ]
    }
    content = csv_of(["customer", *names], [("seed", *["1"] * len(names)), *text_rows])
    number, job = loader.load(content, mapping)
    assert job["state"] == "succeeded", job
    found = seen()
    for index, cells in enumerate(rows):
        stored = found[f"id-{index}"]["attributes"]
        for name, kind, cell in zip(names, kinds, cells, strict=True):
            wanted = None if isinstance(cell, str) and cell.casefold() in BLANK_WORDS else cell
            assert stored[name] == (float(wanted) if kind == "number" and wanted is not None else wanted)
    again = loader.load(content, mapping)[1]
    assert loader.counts(again) == (0, 0, len(rows) + 1)
    assert loader.undo(number, confirm=True)["state"] == "succeeded"
    assert seen() == {}
