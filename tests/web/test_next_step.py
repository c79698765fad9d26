"""What is proposed next, in every state that a box can be in: never nothing before there are scores."""

from __future__ import annotations

import itertools

import pytest

from retainstream.security.actor import SYSTEM
from retainstream.web import next_step
from retainstream.web.next_step import Standing, after_import, for_person, step

EMPTY = Standing(customers=False, leaving="nothing", histories=False, model=False, scored=False)
PEOPLE = Standing(customers=True, leaving="nothing", histories=False, model=False, scored=False)


@pytest.mark.parametrize(
    ("leaving", "histories", "last", "wanted"),
    [
        ("nothing", False, "", next_step.TELL_WHO_LEFT),
        ("nothing", True, "", next_step.DEFINE),
        ("label", False, "", next_step.TRAIN),
        ("rule", True, "", next_step.TRAIN_AHEAD),
        ("rule", True, "waits", next_step.PROMOTE),
        ("rule", True, "data_stopped", next_step.RECONSIDER),
        ("label", False, "nothing_to_learn", next_step.MORE),
        ("label", False, "a_code_of_tomorrow", next_step.MORE),
    ],
)
def test_step_without_a_model(leaving: str, histories: bool, last: str, wanted: next_step.NextStep) -> None:
    found = Standing(
        customers=True, leaving=leaving, histories=histories, model=False, scored=False, last_training=last
    )
    assert step(found) is wanted


def test_there_is_a_step_until_there_are_scores() -> None:
    for customers, leaving, histories, model in itertools.product(
        (False, True), ("nothing", "label", "rule"), (False, True), (False, True)
    ):
        assert step(Standing(customers, leaving, histories, model, scored=False)) is not None
    assert step(EMPTY) is next_step.IMPORT
    assert step(Standing(customers=True, leaving="label", histories=False, model=True, scored=True)) is None


def test_a_file_leads_on_from_what_it_held() -> None:
    labels = Standing(customers=True, leaving="label", histories=False, model=True, scored=True)
    rule = Standing(customers=True, leaving="rule", histories=True, model=True, scored=True)
    assert after_import(PEOPLE, "customers", labelled=False) is next_step.TELL_WHO_LEFT
    assert after_import(labels, "customers", labelled=True) is next_step.TRAIN
    assert after_import(labels, "customers", labelled=False) is next_step.SCORE
    with_events = Standing(customers=True, leaving="label", histories=True, model=True, scored=True)
    assert after_import(with_events, "events", labelled=False) is next_step.DEFINE
    assert after_import(rule, "orders", labelled=False) is next_step.SCORE
    refused = Standing(
        customers=True, leaving="rule", histories=True, model=False, scored=False, last_training="too_little_history"
    )
    assert after_import(refused, "events", labelled=False) is next_step.TRAIN_AHEAD


def test_a_step_is_only_for_those_who_may() -> None:
    assert for_person(None, SYSTEM) is None
    assert all(for_person(one, SYSTEM) is one for one in (next_step.IMPORT, next_step.TRAIN, next_step.SCORE))
