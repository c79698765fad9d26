"""Churn definitions: versions, the one in force, and refusals that name the field."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.errors import InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import PageRequest
from retainstream.ml.asof.rules import ChurnRule
from retainstream.models import AuditEntry, ChurnDefinition, Customer, EventKind, ImportBatch, Label, Setting
from retainstream.security.actor import SYSTEM
from retainstream.services import churn_definitions, datasets, revisions

SILENT: dict[str, Any] = {"name": "Gone quiet", "kind": "inactivity", "horizon_days": 30, "inactive_days": 45}


@pytest.fixture(autouse=True)
def _box(minimal_app: Flask) -> None:
    """Give every test an empty box."""


def labelled(session: Session, column: str, state: str = "applied") -> int:
    """Store a labelled column with one label, as an import does."""
    customer = Customer(created_at=clock.now_us(), updated_at=clock.now_us())
    definition = ChurnDefinition(name=column, version=1, kind="labelled_column", created_at=clock.now_us())
    batch = ImportBatch(
        state=state,
        source="csv",
        filename="x.csv",
        file_sha256="ab" * 32,
        size_bytes=1,
        upload_name="x",
        created_at=clock.now_us(),
    )
    session.add_all([customer, definition, batch])
    session.flush()
    session.add(
        Label(
            customer_id=customer.id, definition_id=definition.id, value=True, batch_id=batch.id, known_at=clock.now_us()
        )
    )
    session.flush()
    return definition.id


def test_a_definition_comes_back_as_the_rule_that_it_is() -> None:
    with unit_of_work() as session:
        session.add(EventKind(name="login", created_at=clock.now_us()))
        session.flush()
        silent = churn_definitions.create(
            session,
            SYSTEM,
            {**SILENT, "lead_days": 7, "activity": ["login", "login"], "settle_days": 2, "already_silent": "leave_out"},
        )
        cancel = churn_definitions.create(
            session,
            SYSTEM,
            {
                "name": "Cancels",
                "kind": "cancel",
                "horizon_days": 60,
                "grace_days": 5,
                "reasons": ["voluntary", "other"],
            },
        )
    with read_unit() as session:
        assert churn_definitions.rule_of(churn_definitions.get(session, silent.id)) == ChurnRule(
            "inactivity", 30, 7, inactive_days=45, activity=("login",), settle_days=2, already_silent="leave_out"
        )
        assert churn_definitions.rule_of(churn_definitions.get(session, cancel.id)) == ChurnRule(
            "cancel", 60, grace_days=5, reasons=("voluntary", "other")
        )


def test_the_same_name_is_the_next_version_and_the_old_one_stays() -> None:
    with unit_of_work() as session:
        first = churn_definitions.create(session, SYSTEM, SILENT)
        second = churn_definitions.create(session, SYSTEM, {**SILENT, "name": " Gone  quiet ", "inactive_days": 60})
        other = churn_definitions.create(session, SYSTEM, {**SILENT, "name": "Other"}, activate=False)
    assert [(row.name, row.version) for row in (first, second, other)] == [
        ("Gone quiet", 1),
        ("Gone quiet", 2),
        ("Other", 1),
    ]
    with read_unit() as session:
        page = churn_definitions.listed(session)
        assert [(item["id"], item["in_force"]) for item in page.items] == [
            (other.id, False),
            (second.id, True),
            (first.id, False),
        ]
        assert page.items[2]["parameters"]["inactive_days"] == 45  # type: ignore[index]
        part = churn_definitions.listed(session, PageRequest(2))
        assert (len(part.items), part.total) == (2, 3)
        assert [item["id"] for item in churn_definitions.listed(session, PageRequest(2, part.next_cursor)).items] == [
            first.id
        ]


def test_the_chosen_one_is_in_force_and_otherwise_the_newest_labelled_column() -> None:
    with read_unit() as session:
        assert churn_definitions.in_force(session) is None
    with unit_of_work() as session:
        old, new = labelled(session, "churned"), labelled(session, "left")
        labelled(session, "halfway", state="applying")
    with read_unit() as session:
        found = churn_definitions.in_force(session)
        assert found is not None
        assert found.id == new == datasets.active_definition(session)
        assert churn_definitions.rule_of(found) is None
        assert churn_definitions.present(found, found)["forward"] is False
    with unit_of_work() as session:
        before = revisions.read(session)["settings"]
        chosen = churn_definitions.create(session, SYSTEM, SILENT)
        assert churn_definitions.in_force(session) is chosen
        churn_definitions.activate(session, SYSTEM, old)
        churn_definitions.activate(session, SYSTEM, old)
        current = churn_definitions.in_force(session)
        assert current is not None
        assert current.id == old
        assert revisions.read(session)["settings"] == before + 2
        trail = session.execute(select(AuditEntry.action, AuditEntry.target_id).order_by(AuditEntry.id)).all()
        assert [tuple(row) for row in trail] == [
            ("churn_definition.create", str(chosen.id)),
            ("churn_definition.activate", str(chosen.id)),
            ("churn_definition.activate", str(old)),
        ]
        session.get_one(Setting, churn_definitions.SETTING).value = 999
        session.flush()
        fallback = churn_definitions.in_force(session)
        assert fallback is not None
        assert fallback.id == new


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"horizon_days": 0}, "horizon_days"),
        ({"lead_days": 400}, "lead_days"),
        ({"inactive_days": None}, "inactive_days"),
        ({"inactive_days": 800}, "inactive_days"),
        ({"grace_days": 3}, "grace_days"),
        ({"reasons": ["voluntary"]}, "reasons"),
        ({"already_silent": "perhaps"}, "already_silent"),
        ({"activity": ["levitation"]}, "activity"),
        ({"settle_days": 91}, "settle_days"),
        ({"name": "  "}, "name"),
        ({"kind": "cancel"}, "inactive_days"),
        ({"kind": "cancel", "inactive_days": None, "activity": ["login"]}, "activity"),
        ({"kind": "boredom"}, "kind"),
    ],
)
def test_a_definition_that_cannot_be_names_the_field(changes: dict[str, Any], field: str) -> None:
    with unit_of_work() as session:
        with pytest.raises(InvalidInput) as refused:
            churn_definitions.create(session, SYSTEM, {**SILENT, **changes})
        assert list(refused.value.fields) == [field]
        assert session.scalar(select(ChurnDefinition.id)) is None


def test_an_unknown_definition_is_not_found() -> None:
    with unit_of_work() as session, pytest.raises(NotFound):
        churn_definitions.activate(session, SYSTEM, 7)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (ChurnRule("inactivity", 30, inactive_days=1), "Does its last within 30 days and is then silent for 1 day."),
        (
            ChurnRule("cancel", 30, 7, grace_days=3, settle_days=2),
            (
                "A subscription ends between 7 and 37 days later; counted reasons: voluntary. Whoever subscribes again within 3 days has not left."
                " An outcome is final 2 days after that, for news that comes late."
            ),
        ),
        (ChurnRule("trial_end", 14), "A trial ends within 14 days; counted reasons: trial ended."),
    ],
)
def test_a_rule_in_words(rule: ChurnRule, sentence: str) -> None:
    assert churn_definitions.describe(rule) == sentence
