"""The dry run: what it says, and that a large file is judged by its head first and by all of it in the job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import ConfirmationNeeded, InvalidInput, UnsupportedMedia
from retainstream.services import attributes
from retainstream.services.imports import apply, batches, turns
from retainstream.services.imports import preview as previews
from retainstream.services.imports.reading import wanted_attributes
from tests.services.imports.loading import DATA, Loader, rows_in, seen, table

HEADER = "customer_id,usage,region,churn"


def rows(count: int, *, usage: str = "", churn: str = "") -> list[str]:
    return [
        f"C{n:04d},{usage or n % 23},{'north' if n % 2 else 'south'},{churn or ('Yes' if n % 4 == 0 else 'No')}"
        for n in range(count)
    ]


@pytest.fixture
def loader(minimal_app: Flask, settings: Settings) -> Loader:
    return Loader(settings)


def test_it_counts_and_writes_nothing(loader: Loader) -> None:
    loader.load(table(HEADER, rows(40)))
    before, state = rows_in(*DATA), seen()
    changed = [*rows(60)]
    changed[3] = "C0003,99,north,No"
    found = loader.preview(table(HEADER, changed))
    assert (found.counts["new"], found.counts["changed"], found.counts["unchanged"]) == (20, 1, 39)
    assert found.learnt.base_rate == 0.25 and found.complete
    assert rows_in(*DATA) == before and seen() == state


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ({"import_max_columns": 3}, "RETAINSTREAM_IMPORT_MAX_COLUMNS"),
        ({"import_max_cell": 10}, "RETAINSTREAM_IMPORT_MAX_CELL"),
    ],
)
def test_a_limit_names_its_setting(loader: Loader, settings: Settings, limit: dict[str, int], name: str) -> None:
    strict = Loader(replace(settings, **limit))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedMedia, match=rf", the limit of {name}\.$"):
        strict.preview(table(HEADER, [*rows(40), "C9999,1,a region with a long name,No"]))


def test_the_first_twenty_errors_are_shown(loader: Loader) -> None:
    mapping = loader.preview(table(HEADER, rows(60))).mapping.to_dict()
    found = loader.preview(table(HEADER, rows(60, usage="lots")), mapping)
    assert found.counts["bad"] == 60 and len(found.errors) == 20
    assert found.errors[0] == {
        "line": 2,
        "column": "usage",
        "value": "lots",
        "expected": "a whole number such as 12",
        "code": "not_a_number",
    }


def test_a_mapping_for_another_file_is_refused(loader: Loader) -> None:
    mapping = loader.preview(table(HEADER, rows(40))).mapping.to_dict()
    with pytest.raises(InvalidInput) as refused:
        loader.preview(table("id,other", ["a,1", "b,2"]), mapping)
    assert "mapping.columns[0].name" in refused.value.fields


def test_an_inverted_label_needs_an_answer(loader: Loader) -> None:
    content = table(
        HEADER, [line.replace(",No", ",?").replace(",Yes", ",No").replace(",?", ",Yes") for line in rows(80)]
    )
    with pytest.raises(ConfirmationNeeded):
        loader.preview(content).require_answers()
    loader.preview(content, label="confirm").require_answers()
    turned = loader.preview(content, label="flip")
    turned.require_answers()
    assert turned.learnt.base_rate == 0.25


def test_a_large_file_is_judged_by_its_head_and_then_by_all_of_it(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    lines = rows(200)
    lines[150] = "C0150,7.5,south,No"
    content = table(HEADER, lines)
    found = loader.preview(content)
    assert (
        not found.complete and found.counts["rows"] == 50 and found.mapping.to_dict()["columns"][1]["kind"] == "integer"
    )
    _, job = loader.load(content, refine=True)
    assert loader.counts(job) == (200, 0, 0)
    assert seen()["C0150"]["attributes"]["usage"] == 7.5


@pytest.mark.parametrize(
    ("late", "again"),
    [
        ("C0150,7,south,No", False),
        ("C0150,7.5,south,No", True),
        ("C0150,many,south,No", True),
        ("C0150,7,south", True),
        ("C0149,3,north,Yes", False),
    ],
)
def test_what_a_trial_on_the_head_leaves_is_what_reading_all_of_it_first_would(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, late: str, again: bool
) -> None:
    lines = rows(200)
    lines[150] = late if not late.startswith("C0149") else lines[149]
    content = table(HEADER, lines)
    whole = loader.preview(content)
    purged: list[int] = []
    purge = turns.purge
    monkeypatch.setattr(turns, "purge", lambda unit, batch, tick=None: purged.append(batch) or purge(unit, batch, tick))
    monkeypatch.setattr(apply, "CHUNK_ROWS", 40)
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    number, job = loader.load(content, refine=True, on_error="skip")
    assert loader.counts(job) == (whole.counts["new"], 0, 0)
    assert job["result"]["counts"]["duplicates"] == whole.counts["duplicates"]
    assert job["result"]["counts"]["bad"] == whole.counts["bad"]
    assert bool(purged) is again
    with read_unit() as session:
        batch = batches.get(session, number)
        assert batch.mapping == whole.mapping.to_dict() and batch.warnings == whole.learnt.warnings
        assert [error.line for error in batches.row_errors(session, number)] == [item["line"] for item in whole.errors]
        names = {item.name for item in attributes.definitions(session)}
    assert names == {item.name for item in wanted_attributes(whole.mapping)}


def test_a_label_that_turns_out_inverted_stops_the_job(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "WHOLE_BYTES", 500)
    monkeypatch.setattr(previews, "HEAD_ROWS", 50)
    content = table(HEADER, [*rows(60), *(line.replace("C0", "D0") for line in rows(300, churn="Yes"))])
    _, job = loader.load(content, refine=True)
    assert job["state"] == "failed" and job["error"]["code"] == "confirmation_needed"
    assert seen() == {} and rows_in("customers")["customers"] == 0
    _, job = loader.load(content, refine=True, label="confirm")
    assert loader.counts(job) == (360, 0, 0)
