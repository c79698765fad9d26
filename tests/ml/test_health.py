"""Health scores add up, forgive gaps, and are judged: planted weights are found again, and noise is called noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retainstream.ml.health import (
    Band,
    BusinessFigures,
    HealthPanel,
    NothingToLearnError,
    Part,
    Scheme,
    backtest,
    business_health,
    points,
    propose_weights,
    score,
    whole_weights,
)

USE = Part("use", "Use", 50)
SILENCE = Part("silence", "Days of silence", 30, "low")
FAILURES = Part("failures", "Failed payments", 20, thresholds=((0, 100), (3, 0)))
SCHEME = Scheme((USE, SILENCE, FAILURES))

values_of = st.integers(1, 30).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.sampled_from([np.nan, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0]))
)


@given(values_of)
def test_contributions_add_up_to_the_score_and_what_is_lost_to_the_rest(values):
    found = score(SCHEME, values)
    some = ~np.isnan(values).all(axis=1)
    assert np.array_equal(~np.isnan(found.score), some)
    assert found.contributions[some].sum(axis=1) == pytest.approx(found.score[some])
    assert found.lost[some].sum(axis=1) == pytest.approx(100 - found.score[some])
    assert (found.contributions >= 0).all() and (found.contributions[np.isnan(values)] == 0).all()
    assert ((found.score[some] >= 0) & (found.score[some] <= 100)).all()
    assert (found.band[some] >= 0).all() and (found.band[~some] == -1).all()
    assert found.confidence == pytest.approx((~np.isnan(values)) @ SCHEME.weights / 100)


@given(values_of, st.randoms(use_true_random=False))
def test_the_order_of_customers_makes_no_difference(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    one, other = score(SCHEME, values), score(SCHEME, values[order])
    assert np.array_equal(one.score[order], other.score, equal_nan=True)


@given(values_of)
def test_percentiles_turn_round_with_the_direction_and_ties_share_them(values):
    up, down = (points(Scheme((Part("x", "X", 1, good),)), values[:, :1])[:, 0] for good in ("high", "low"))
    known = ~np.isnan(values[:, 0])
    assert up[known] + down[known] == pytest.approx(100)
    assert not known.any() or np.mean(up[known]) == pytest.approx(50)
    for value in np.unique(values[known, 0]):
        assert np.ptp(up[values[:, 0] == value]) == 0


def test_a_score_by_hand():
    values = np.array([[10.0, 5.0, 1.0], [20.0, 1.0, 0.0], [np.nan, 9.0, 9.0], [np.nan] * 3])
    found = score(SCHEME, values)
    assert found.points[0] == pytest.approx([25, 50, 200 / 3])
    assert found.score[0] == pytest.approx(0.5 * 25 + 0.3 * 50 + 0.2 * 200 / 3)
    assert found.score[2] == pytest.approx((30 * 100 / 6 + 0) / 50)
    assert found.confidence.tolist() == [1.0, 1.0, 0.5, 0.0]
    assert [SCHEME.bands[b].name if b >= 0 else None for b in found.band] == ["weak", "good", "critical", None]


def test_a_kept_reference_makes_days_comparable():
    reference = np.column_stack([np.arange(100.0), np.arange(100.0), np.zeros(100)])
    found = score(SCHEME, np.array([[-5.0, 500.0, 0.0], [49.5, 49.5, 0.0], [500.0, -5.0, 0.0]]), reference)
    assert found.points[:, 0].tolist() == [0, 50, 100]
    assert found.points[:, 1].tolist() == [0, 50, 100]


def test_segments_may_weigh_parts_their_own_way():
    values = np.array([[1.0, 1.0, 3.0], [1.0, 1.0, 3.0]])
    found = score(SCHEME, values, weights=np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 5.0]]))
    assert found.score.tolist() == [25.0, 0.0]
    with pytest.raises(ValueError, match="negative"):
        score(SCHEME, values, weights=np.array([1.0, -1.0, 0.0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Part("x", "X", -1),
        lambda: Part("x", "X", 1, "up"),
        lambda: Part("x", "X", 1, thresholds=((0, 0),)),
        lambda: Part("x", "X", 1, thresholds=((1, 0), (0, 100))),
        lambda: Part("x", "X", 1, thresholds=((0, 0), (1, 120))),
        lambda: Scheme((USE, USE)),
        lambda: Scheme((Part("x", "X", 0),)),
        lambda: Scheme((USE,), (Band("low", 10),)),
        lambda: points(SCHEME, np.zeros((2, 2))),
    ],
)
def test_schemes_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError):
        make()


# Judged against who left

DATES = np.arange(0, 300, 30)


def _panel(truth: np.ndarray, *, n: int = 900, seed: int = 0, missing: float = 0.0) -> HealthPanel:
    """Customers seen on ten dates; the log-odds of leaving are the given slopes x (points / 100) lower."""
    rng = np.random.default_rng(seed)
    rows = n * len(DATES)
    values = rng.normal(size=(rows, len(truth)))
    scheme = _scheme(len(truth))
    as_of, customer = np.repeat(DATES, n), np.tile(np.arange(n), len(DATES))
    given = np.empty_like(values)
    for date in DATES:
        given[as_of == date] = points(scheme, values[as_of == date])
    margin = -1.0 - (given / 100 - 0.5) @ truth
    left = rng.random(rows) < 1 / (1 + np.exp(-margin))
    silent = rng.exponential(10, rows)
    values[rng.random(values.shape) < missing] = np.nan
    return HealthPanel(as_of, customer, values, left, margin, silent)


def _scheme(parts: int) -> Scheme:
    return Scheme(tuple(Part(f"p{j}", f"Part {j}", 1, "low" if j % 2 else "high") for j in range(parts)))


def test_planted_weights_are_found_again_and_rank_better_on_later_dates():
    truth = np.array([4.0, 3.0, 2.0, 1.0, 0.0])
    panel = _panel(truth)
    found = propose_weights(_scheme(5), panel, judged_from=210, window=60)
    assert sum(found.weights) == 100
    assert found.weights == pytest.approx(10 * truth, abs=5)
    for interval, planted in zip(found.intervals, 10 * truth, strict=True):
        assert interval.low - 1 <= planted <= interval.high + 1 and interval.high - interval.low < 15
    assert found.better and found.proposed.value > found.current.value
    assert (found.learnt, found.purged, found.judged) == (6 * 900, 900, 3 * 900)


def test_planted_weights_are_found_again_through_gaps():
    truth = np.array([5.0, 0.0, 5.0])
    found = propose_weights(_scheme(3), _panel(truth, missing=0.25), judged_from=210, window=30)
    assert found.weights == pytest.approx([50, 0, 50], abs=7)


def test_a_part_that_points_the_wrong_way_loses_its_weight():
    found = propose_weights(_scheme(2), _panel(np.array([-3.0, 3.0])), judged_from=210, window=30)
    assert found.weights == (0, 100)


def test_noise_ranks_as_well_as_a_coin_and_is_not_proposed():
    rng = np.random.default_rng(1)
    panel = _panel(np.zeros(4))
    found = backtest(_scheme(4), panel, draws=200)
    assert found.health.low < 0.5 < found.health.high
    assert found.health.value == pytest.approx(0.5, abs=0.02)
    shuffled = HealthPanel(panel.as_of, panel.customer, panel.values, rng.permutation(panel.left))
    found = propose_weights(_scheme(4), shuffled, judged_from=210, window=30)
    assert not found.better and found.proposed.low < 0.5 < found.proposed.high


def test_nothing_that_goes_with_staying_is_said():
    with pytest.raises(NothingToLearnError, match="no part"):
        propose_weights(_scheme(2), _panel(np.array([-3.0, -3.0])), judged_from=210, window=30)


def test_a_backtest_stands_the_score_beside_the_model_and_silence():
    panel = _panel(np.array([4.0, 1.0]))
    found = backtest(_scheme(2), panel, draws=200)
    assert found.n == 9000 and found.customers == 900 and found.left_out == 0
    assert found.model.value > found.health.value > found.silence.value
    assert found.against_model.high < 0 < found.against_silence.low
    assert found.against_silence.value == pytest.approx(found.health.value - found.silence.value)
    assert [date.as_of for date in found.dates] == DATES.tolist()
    assert sum(date.left for date in found.dates) == found.left == panel.left.sum()
    assert np.mean([date.auc for date in found.dates]) == pytest.approx(found.health.value, abs=0.02)
    rates = [band.rate.value for band in found.bands]
    assert sum(band.n for band in found.bands) == found.n
    assert rates == sorted(rates, reverse=True)


def test_a_perfect_score_has_an_auc_of_one_and_rows_without_a_rival_are_counted():
    rng = np.random.default_rng(0)
    left = rng.random(400) < 0.3
    model = np.where(np.arange(400) < 40, np.nan, rng.random(400))
    panel = HealthPanel(np.zeros(400, int), np.arange(400), -left[:, None].astype(float), left, model)
    found = backtest(Scheme((USE,)), panel, draws=50)
    assert found.health.value == found.health.low == 1
    assert found.left_out == 40 and found.silence is None


def test_later_customers_do_not_change_earlier_points():
    """The percentile of a date is among that date's customers: a back-test does not know the future."""
    panel = _panel(np.array([2.0, 2.0]), n=50)
    early = panel.as_of < 100
    whole, part = backtest(_scheme(2), panel, draws=20), backtest(_scheme(2), panel.only(early), draws=20)
    assert whole.dates[: len(part.dates)] == part.dates


def test_intervals_draw_customers_with_all_their_dates():
    """The same rows under one customer each give a narrower interval than when dates of a customer repeat each other."""
    rng = np.random.default_rng(3)
    one = rng.normal(size=(150, 1))
    left = rng.random(150) < 1 / (1 + np.exp(one[:, 0]))
    many = [np.tile(column, (8, 1)) for column in (one, left[:, None])]
    dates = np.repeat(np.arange(8), 150)
    widths = []
    for customer in (np.tile(np.arange(150), 8), np.arange(1200)):
        found = backtest(Scheme((USE,)), HealthPanel(dates, customer, many[0], many[1][:, 0]), draws=300)
        widths.append(found.health.high - found.health.low)
    assert widths[0] > 2 * widths[1]


def test_too_few_leavers_and_one_kind_of_customer_are_said():
    panel = _panel(np.array([1.0, 1.0]), n=30)
    with pytest.raises(NothingToLearnError, match="learnt from 50"):
        propose_weights(_scheme(2), panel, judged_from=60, window=30)
    with pytest.raises(ValueError, match="some customers left"):
        backtest(_scheme(2), HealthPanel(panel.as_of, panel.customer, panel.values, np.zeros_like(panel.left)))


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=12).filter(lambda weights: sum(weights) > 1e-3))
def test_whole_weights_add_up_and_are_off_by_less_than_one(weights):
    whole = whole_weights(np.array(weights))
    assert sum(whole) == 100 and min(whole) >= 0
    assert np.abs(np.array(whole) - 100 * np.array(weights) / sum(weights)).max() < 1 + 1e-6


# The business

FIGURES = BusinessFigures(
    customers_before=1000,
    customers_lost=46,
    revenue_before=100_000,
    revenue_now=102_000,
    revenue_of_ten=10_200,
    revenue_at_risk=4_080.0,
    customers_now=1000,
    customers_active=600,
    auc_low=0.78,
    calibrated=True,
)


def test_the_business_by_hand_with_its_formulas():
    found = business_health(FIGURES)
    by_name = {part.name: part for part in found.parts}
    assert by_name["retention"].points == pytest.approx(100 * (0.954 - 0.9) / 0.09)
    assert by_name["growth"].points == pytest.approx(70)
    assert by_name["risk"].points == pytest.approx((100 * 0.40 / 0.45 + 100 * 0.16 / 0.19) / 2)
    assert by_name["engagement"].points == pytest.approx(100 * 0.4 / 0.7)
    assert by_name["trust"].points == pytest.approx(80)
    assert found.score == pytest.approx(sum(part.weight * part.points for part in found.parts) / 100)
    assert found.score == pytest.approx(sum(part.contribution for part in found.parts))
    assert found.confidence == 1
    assert "95.4%" in by_name["retention"].formula and ": 60." in by_name["retention"].formula
    assert "10.0%" in by_name["risk"].formula and "4.0%" in by_name["risk"].formula


def test_unknown_parts_lower_confidence_and_leave_their_weight_to_the_others():
    found = business_health(BusinessFigures(customers_before=200, customers_lost=20, auc_low=0.85, calibrated=False))
    assert found.score == pytest.approx((30 * 0 + 10 * 50) / 40)
    assert found.confidence == pytest.approx(0.4)
    assert [part.name for part in found.parts if part.points is None] == ["growth", "risk", "engagement"]
    assert "Halved" in found.parts[-1].formula and "not known" in found.parts[1].formula
    nothing = business_health(BusinessFigures(customers_before=0, customers_lost=0))
    assert nothing.score is None and nothing.confidence == 0


def test_figures_and_weights_without_sense_are_refused():
    with pytest.raises(ValueError, match="cannot be more"):
        BusinessFigures(customers_before=5, customers_lost=6)
    with pytest.raises(ValueError, match="negative"):
        BusinessFigures(revenue_now=-1)
    for weights in (
        {"luck": 5.0},
        {"trust": -1.0},
        dict.fromkeys(("retention", "growth", "risk", "engagement", "trust"), 0.0),
    ):
        with pytest.raises(ValueError, match="Weights"):
            business_health(FIGURES, weights)
