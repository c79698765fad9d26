"""What the search finds, in which order, and for whom."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.models import Customer, Identity, ImportBatch, Play, SavedView, Segment, Task, User
from retainstream.security.actor import SYSTEM, Actor
from retainstream.security.permissions import ROLE_PERMISSIONS, Permission, Role
from retainstream.services.search import finding
from retainstream.services.search.finding import Group
from tests.web.stocked import stock

pytestmark = pytest.mark.usefixtures("minimal_app")


def person(role: Role, *without: Permission) -> Actor:
    return Actor(kind="user", permissions=ROLE_PERMISSIONS[role] - set(without), user_id=1)


def found(text: str, actor: Actor = SYSTEM) -> dict[str, Group]:
    with read_unit() as session:
        return {group.kind: group for group in finding.find(session, actor, text)}


def titles(group: Group) -> list[str]:
    return [hit.title for hit in group.hits]


def furnish(session: Session) -> None:
    """Two people, a play, a segment, kept lists, and an open task."""
    now = clock.now_us()
    times: Any = {"created_at": now, "updated_at": now}
    for number, name in ((1, "Ada Byron"), (2, "Bo Lind")):
        session.add(
            User(
                id=number,
                email=f"{name[:2].lower()}@example.org",
                name=name,
                password_hash="x",
                role="analyst",
                created_at=now,
            )
        )
    session.flush()
    step = {"text": "Ring", "kind": "call"}
    session.add(Play(id=1, name="Call about payment", description="", features=[], steps=[step], **times))
    session.add(Segment(id=1, name="Payment trouble", description="late", rule={"all": []}, owner_id=1, **times))
    for owner, name, shared in ((1, "My payments", False), (2, "Payments of all", True), (2, "Payments of Bo", False)):
        session.add(SavedView(owner_id=owner, name=name, query="band=high", shared=shared, created_at=now))
    session.flush()
    session.add(Task(customer_id=3, state="open", source="desk", play_id=1, owner_id=2, steps=[], **times))
    session.add(
        Task(customer_id=4, state="done", outcome="saved", source="desk", play_id=1, owner_id=2, steps=[], **times)
    )


@pytest.fixture
def box(minimal_app: Flask) -> None:
    stock(60)
    with unit_of_work() as session:
        furnish(session)


@pytest.mark.usefixtures("box")
def test_everything_with_a_name_is_found_by_it() -> None:
    kinds = found("payment", person(Role.ANALYST))
    assert titles(kinds["segment"]) == ["Payment trouble"]
    assert kinds["segment"].hits[0].address == "/customers?cell=segment%3A1&status=all"
    assert sorted(titles(kinds["view"])) == ["My payments", "Payments of all"], "what somebody keeps alone stays theirs"
    assert {hit.address for hit in kinds["view"].hits} == {"/customers?band=high"}
    assert (titles(kinds["play"]), kinds["play"].hits[0].address) == (["Call about payment"], "/today/plays/1")
    assert (titles(kinds["task"]), kinds["task"].hits[0].address) == (["Call: cus_00002"], "/customers/cus_00002#task")
    assert next(iter(kinds)) == "segment", "its name begins with the word"
    assert titles(found("cus_00002", person(Role.AGENT))["task"]) == ["Call: cus_00002"]
    assert titles(found("bo l", person(Role.AGENT))["task"]) == ["Call: cus_00002"], "by who has it"


@pytest.mark.usefixtures("box")
def test_an_exact_identifier_comes_before_everything_and_before_those_that_hold_it() -> None:
    with unit_of_work() as session:
        session.execute(update(Identity).where(Identity.customer_id == 60).values(user_id="0000"))
        session.execute(update(Identity).where(Identity.customer_id == 59).values(user_id="survival"))
    assert titles(found("0000")["customer"])[0] == "0000"
    kinds = found("survival")
    assert list(kinds) == ["customer", "page"]
    everybody = found("cus_")["customer"]
    assert (len(everybody.hits), everybody.more) == (6, "/customers?q=cus_&status=all")
    assert found("0000")["customer"].more, "there are more than are shown"
    assert found("CUS_00001")["customer"].hits[0].title == "cus_00001"


@pytest.mark.usefixtures("box")
def test_personal_details_are_neither_shown_nor_searched_without_the_permission() -> None:
    assert titles(found("Name 7", person(Role.AGENT))["customer"]) == ["cus_00007"]
    assert "customer" not in found("Name 7", person(Role.VIEWER))
    assert "Name" not in found("cus_00007", person(Role.VIEWER))["customer"].hits[0].detail
    assert "Name 7" in found("cus_00007", person(Role.AGENT))["customer"].hits[0].detail


@pytest.mark.usefixtures("box")
def test_nobody_is_told_of_what_would_refuse_them() -> None:
    viewer = person(Role.VIEWER)
    assert "act" not in found("train", viewer)
    assert titles(found("train now", person(Role.ANALYST))["act"]) == ["Train now"]
    assert "page" not in found("audit trail", person(Role.ANALYST))
    assert found("call about", viewer)["play"].hits[0].address == "/today/plays", "who cannot change plays reads them"
    blind = found("payment", person(Role.ANALYST, Permission.CUSTOMERS_READ, Permission.TASKS_READ))
    assert not {"customer", "segment", "view", "task", "play"} & set(blind)
    assert list(found("", viewer)) == ["act", "page"]


@pytest.mark.usefixtures("box")
def test_customers_of_a_load_that_is_not_applied_do_not_exist() -> None:
    with unit_of_work() as session:
        session.add(
            ImportBatch(
                id=5, state="undone", source="api", filename="x", file_sha256="0" * 64, size_bytes=1, created_at=1
            )
        )
        session.flush()
        session.execute(update(Customer).where(Customer.id == 8).values(batch_id=5))
    assert "customer" not in found("cus_00007")


@pytest.mark.parametrize("text", ["%", "_", '"', "' OR 1=1", "\x00", "a" * 500, "\ud800", "*", "NEAR(", "\U0010ffff"])
def test_odd_texts_find_nothing_and_break_nothing(text: str) -> None:
    stock(10)
    assert "customer" not in found(text)
