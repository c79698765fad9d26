"""The sentry catches what knows the outcome, and lets what was honestly known pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retainstream.ml.asof.columns import DAY_US, History, ProfileLog
from retainstream.ml.asof.dictionary import KindFacts, catalogue
from retainstream.ml.asof.outcomes import departures
from retainstream.ml.asof.panel import assemble, split
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.features import FeatureSpec
from retainstream.ml.forward.sentry import Inspection, inspect
from retainstream.ml.simulator import Service, Simulation
from retainstream.ml.simulator.record import history_of

RULE = ChurnRule("cancel", 30, settle_days=5)
END = 1_767_225_600_000_000
KINDS = ("login", "watch")


@pytest.fixture(scope="module")
def history() -> History:
    return history_of(Simulation(Service(customers=2_000, months=14, end=END, seed=4)))


@pytest.fixture(scope="module")
def left_at(history: History) -> np.ndarray:
    """When the customer of each profile left; the end of the data for one who did not."""
    who, when = departures(RULE, history, END)
    found = dict(zip(who.tolist(), when.tolist(), strict=True))
    return np.array([found.get(one, END) for one in history.profiles.customer.tolist()])


def _with(history: History, **columns: tuple[str | None, np.ndarray]) -> History:
    """Add columns to the profiles as a file would: (kind of the feature, or None for a column that is none; values)."""
    profiles = history.profiles
    specs = [FeatureSpec(name, kind, name) for name, (kind, _) in columns.items() if kind is not None]
    values = {name: np.asarray(column, float) for name, (_, column) in columns.items()}
    return replace(
        history,
        profiles=replace(profiles, values={**profiles.values, **values}, specs=(*profiles.specs, *specs)),
    )


def _inspected(history: History, keep: tuple[str, ...] = ()) -> Inspection:
    log = history.events
    facts = {
        kind: KindFacts(int((log.kind == code).sum()), 2_000, 0) for code, kind in enumerate(log.kinds) if kind in KINDS
    }
    specs = catalogue(facts, properties=("device",), subscriptions=True, profile=history.profiles.specs)
    panel = assemble(history, specs, RULE, data_end=END)
    return inspect(history.cut(END), panel, split(panel).train, keep=keep)


def test_three_planted_leaks_are_caught_and_ten_honest_columns_pass(history: History, left_at: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    n, known = len(history.profiles), history.profiles.known
    months = (left_at - known) / DAY_US / 30.44
    seen = _inspected(
        _with(
            history,
            cancel_reason_filled=("boolean", left_at < END),
            updated_at=(None, left_at - rng.integers(0, 3 * DAY_US, n)),
            total_charges_at_export=("number", np.round(1_100 * months * rng.normal(1, 0.05, n))),
            credit_limit=("number", np.round(rng.normal(1_000, 200, n))),
            household=("integer", rng.integers(1, 6, n)),
            birth_year=("integer", rng.integers(1940, 2006, n)),
            contract_end=(None, known + rng.integers(300, 900, n) * DAY_US),
        )
    )
    assert {one.feature: one.reason for one in seen.suspects} == {
        "cancel_reason_filled": "knows_who_left",
        "total_charges_at_export": "knows_when",
    }
    assert [one.feature for one in seen.left_out] == ["updated_at"]
    worst = seen.suspects[0]
    assert worst.auc_with > worst.auc_without + 0.1
    verdict = seen.verdict()
    assert not verdict.ok and verdict.code == "leak_suspected"
    assert "cancel_reason_filled" in verdict.message and "exclude" in verdict.message


def test_what_a_person_keeps_is_not_asked_about_again(history: History, left_at: np.ndarray) -> None:
    planted = _with(history, cancel_reason_filled=("boolean", left_at < END))
    assert _inspected(planted, keep=("cancel_reason_filled",)).verdict().ok


def test_a_value_that_changes_only_when_customers_leave_is_found(history: History, left_at: np.ndarray) -> None:
    """A second version of each leaver's profile appears two days before the end: `state` goes from 1 to 2."""
    profiles = history.profiles
    leavers = np.flatnonzero(left_at < END)
    rows = np.concatenate([np.arange(len(profiles)), leavers])
    known = np.concatenate([profiles.known, left_at[leavers] - 2 * DAY_US])
    state = np.concatenate([np.ones(len(profiles)), np.full(len(leavers), 2.0)])
    order = np.lexsort((known, profiles.customer[rows]))
    doubled = ProfileLog(
        customer=profiles.customer[rows][order],
        known=known[order],
        order=np.arange(len(rows)),
        values={**{name: values[rows][order] for name, values in profiles.values.items()}, "state": state[order]},
        specs=(*profiles.specs, FeatureSpec("state", "integer", "State")),
        levels=profiles.levels,
    )
    found = {one.feature: one.reason for one in _inspected(replace(history, profiles=doubled)).suspects}
    assert found.get("state") in ("changes_at_churn", "knows_who_left")
