"""A small business: where too few customers leave in two dates, a training takes more dates, and fewer than needed none."""

from __future__ import annotations

import numpy as np
import pytest

from retainstream.ml.asof.columns import History
from retainstream.ml.asof.dictionary import KindFacts, catalogue
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.economics import Economics
from retainstream.ml.simulator import Service, Simulation
from retainstream.ml.simulator.record import history_of
from retainstream.services.forward_training import learning
from retainstream.services.forward_training.asked import Asked
from retainstream.services.forward_training.material import Material

END = 1_767_225_600_000_000
SPECS = catalogue({"login": KindFacts(1, 1, 0)}, properties=(), subscriptions=True)
NOBODY = (np.empty(0, np.int64), np.empty(0, np.int64))
MATERIAL = Material(1, ChurnRule("cancel", 30, settle_days=5), END, NOBODY)


def small(customers: int) -> History:
    return history_of(Simulation(Service(customers=customers, months=40, end=END, seed=2))).cut(END)


@pytest.mark.parametrize(
    ("customers", "dates", "enough"), [(3_000, 2, True), (650, 4, True), (450, 6, True), (60, 6, False)]
)
def test_dates_are_added_until_the_windows_hold_enough(customers: int, dates: int, enough: bool) -> None:
    told: list[float] = []
    panel, split, found = learning.observed(
        MATERIAL, small(customers), SPECS, Asked(), lambda _, share: told.append(share)
    )
    assert found.verdict.ok is enough
    assert [len(split.parts[part]["dates"]) for part in ("train", "calibrate", "test")] == [20, dates, dates]  # type: ignore[arg-type]
    assert (f"take {dates} dates each" in " ".join(panel.notes)) is (dates > 2)
    assert told == sorted(told)


def test_a_business_that_loses_few_a_month_gets_a_model_and_not_only_a_rule() -> None:
    trained = learning.train(
        MATERIAL, small(650), SPECS, Asked(trials=1), Economics(), threads=1, progress=lambda *_: None
    )
    assert trained.kind == "forward"
    assert trained.verdict.code != "simple_rule", trained.verdict.message
    assert trained.window["parts"]["test"]["dates"] == 4  # type: ignore[index]
