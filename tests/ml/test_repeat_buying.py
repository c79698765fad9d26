"""The BG/NBD model gives the published figures, and honest answers where it cannot be fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from retainstream.ml.repeat_buying import BetaGeometricNBD, NotConvergedError, RepeatSummary, summarise


@pytest.mark.real_data
def test_cdnow_gives_the_published_parameters(real_data):
    """Fader, Hardie and Lee (2005), table 2: the 39-week calibration sample of 2,357 customers."""
    sample = pd.read_csv(real_data / "cdnow_sample_summary.csv")
    ids = sample["ID"].to_numpy()
    columns = (sample[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    model = BetaGeometricNBD.fit(RepeatSummary(ids, *columns))
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=1e-3)
    assert model.log_likelihood == pytest.approx(-9582.43, abs=0.01)


def _buyers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw from the model itself: purchase days within 400 days, and who is still there at their end."""
    rng = np.random.default_rng(seed)
    customer, day, alive = [], [], np.ones(n, bool)
    for one in range(n):
        rate, leaves = rng.gamma(0.8, 1 / 20.0), rng.beta(0.6, 2.5)
        moment = 0.0
        while moment < 400:
            customer.append(one)
            day.append(int(moment))
            if moment and rng.random() < leaves:
                alive[one] = False
                break
            moment += max(rng.exponential(1 / rate), 1.0)
    return np.array(customer), np.array(day), alive


def test_the_probability_of_being_alive_is_calibrated_on_its_own_world():
    customer, day, alive = _buyers(3000, 3)
    summary = summarise(customer, day, 400.0)
    p = BetaGeometricNBD.fit(summary).probability_alive(summary)
    assert ((p > 0) & (p <= 1)).all()
    assert p.mean() == pytest.approx(alive.mean(), abs=0.04)
    asked = summary.frequency > 0
    low = asked & (p < 0.3)
    assert low.sum() > 200 and alive[low].mean() == pytest.approx(p[low].mean(), abs=0.06)


def test_several_purchases_of_a_day_are_one_and_the_unit_is_the_callers():
    summary = summarise(np.array([7, 7, 7, 5]), np.array([0, 0, 14, 3]), 28.0)
    assert summary.customer.tolist() == [5, 7]
    assert summary.frequency.tolist() == [0, 1]
    assert summary.recency.tolist() == [0, 2]
    assert summary.age.tolist() == pytest.approx([25 / 7, 4])


def test_nobody_who_came_back_is_said_and_not_guessed():
    once = summarise(np.arange(50), np.arange(50), 100.0)
    with pytest.raises(NotConvergedError, match="bought twice"):
        BetaGeometricNBD.fit(once)
