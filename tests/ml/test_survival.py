"""Survival curves give the published figures and lifelines' figures, and say when there is too little to read."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retainstream.ml.group_survival import compare
from retainstream.ml.survival import kaplan_meier, number_at_risk
from retainstream.ml.tenure import tenure_hazards

# Freireich et al. (1963), Blood 21, 699-716: weeks of remission of leukaemia, as in every textbook since. A minus: censored.
TREATED = [6, 6, 6, -6, 7, -9, 10, -10, -11, 13, 16, -17, -19, -20, 22, 23, -25, -32, -32, -34, -35]
CONTROL = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

Rows = tuple[np.ndarray, np.ndarray]


def rows(weeks: list[int]) -> Rows:
    signed = np.array(weeks)
    return np.abs(signed).astype(float), signed > 0


def quiet(call):
    """Call what uses pandas in ways that it warns about."""

    def called(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(*args, **kwargs)

    return called


@pytest.fixture(scope="module")
def lifelines():
    """The oracle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter
        from lifelines.statistics import multivariate_logrank_test
        from lifelines.utils import median_survival_times, restricted_mean_survival_time
    return SimpleNamespace(
        fit=quiet(lambda *row, **kw: KaplanMeierFitter().fit(*row, **kw)),
        log_rank=quiet(multivariate_logrank_test),
        medians=quiet(median_survival_times),
        restricted=quiet(restricted_mean_survival_time),
    )


@st.composite
def histories(draw) -> Rows:
    size = draw(st.integers(1, 40))
    whole = st.lists(st.integers(0, 12), min_size=size, max_size=size)
    return np.array(draw(whole), float), np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))


def same(one: object, other: object) -> bool:
    """Equal to the bit, missing values included."""
    return all(
        part.tobytes() == vars(other)[name].tobytes()
        if isinstance(part, np.ndarray)
        else repr(part) == repr(vars(other)[name])
        for name, part in vars(one).items()
    )


# ---------------------------------------------------------------------------------------------- published figures


def test_the_leukaemia_trial_gives_the_published_curve():
    """Collett, Modelling Survival Data, and Kleinbaum and Klein, Survival Analysis, print these."""
    curve = kaplan_meier(*rows(TREATED))
    assert curve.time.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.events.tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert curve.survival == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert curve.standard_error == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)
    assert (curve.median, curve.median_low, curve.median_high) == (23, 13, None)
    assert (curve.n, curve.n_events, curve.follow_up) == (21, 9, 35)
    assert kaplan_meier(*rows(CONTROL)).median == 8


def test_the_leukaemia_trial_gives_the_published_log_rank():
    both = tuple(np.concatenate(parts) for parts in zip(rows(TREATED), rows(CONTROL), strict=True))
    result = compare(*both, np.repeat(["6-MP", "placebo"], 21), table_times=np.array([0, 5, 10, 20]))
    test = result.log_rank
    assert test.observed.tolist() == [9, 21]
    assert test.expected == pytest.approx([19.25, 10.75], abs=0.005)
    assert (test.chi2, test.df) == (pytest.approx(16.79, abs=0.005), 1)
    assert test.p == pytest.approx(4.17e-5, abs=1e-7)
    assert result.labels == ("6-MP", "placebo") and result.pairs == ()
    assert result.at_risk.tolist() == [[21, 21, 15, 8], [21, 14, 8, 2]]
    assert test.evidence.enough


# ---------------------------------------------------------------------------------------------- lifelines


@pytest.mark.parametrize("seed", range(12))
def test_curves_are_those_of_lifelines(lifelines, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 500))
    durations = rng.integers(1, 50, n) + (rng.random(n) if seed % 2 else 0.0)
    events = rng.random(n) < rng.uniform(0.2, 0.9)
    events[durations == durations.max()] = False  # at a share of 0 lifelines gives limits of 0 and 0; there are none
    entry = np.where(rng.random(n) < 0.4, np.floor(durations * rng.random(n) * 0.4), 0.0) if seed % 3 == 0 else None
    curve, oracle = kaplan_meier(durations, events, entry), lifelines.fit(durations, events, entry=entry)
    read = curve.at(oracle.survival_function_.index.to_numpy())
    assert read.survival == pytest.approx(oracle.survival_function_.to_numpy()[:, 0], abs=1e-12)
    limits = oracle.confidence_interval_.to_numpy()
    assert read.low == pytest.approx(limits[:, 0], abs=1e-12)
    assert read.high == pytest.approx(limits[:, 1], abs=1e-12)
    medians = [np.inf if value is None else value for value in (curve.median, curve.median_low, curve.median_high)]
    assert medians == [oracle.median_survival_time_, *lifelines.medians(oracle.confidence_interval_).to_numpy()[0]]
    if entry is None:
        horizon = float(np.floor(curve.follow_up * 0.8))
        mean = curve.restricted_mean(horizon)
        assert mean.mean == pytest.approx(lifelines.restricted(oracle, t=horizon), abs=1e-6)


@pytest.mark.parametrize("groups", [2, 3, 6])
def test_the_log_rank_test_is_that_of_lifelines(lifelines, groups):
    rng = np.random.default_rng(groups)
    label = rng.integers(0, groups, 400)
    durations = np.ceil(rng.exponential(10 + 3 * label))
    events = rng.random(400) < 0.6
    result, oracle = compare(durations, events, label), lifelines.log_rank(durations, label, events)
    assert result.log_rank.chi2 == pytest.approx(oracle.test_statistic, rel=1e-10)
    assert result.log_rank.p == pytest.approx(oracle.p_value, rel=1e-9, abs=1e-300)
    assert result.log_rank.df == groups - 1
    for pair in result.pairs:
        some = np.isin(label, pair.labels)
        alone = lifelines.log_rank(durations[some], label[some], events[some])
        assert pair.chi2 == pytest.approx(alone.test_statistic, rel=1e-9)


# ---------------------------------------------------------------------------------------------- what must always hold


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing_to_the_bit(history, random):
    durations, events = history
    entry = np.floor(durations / 3)
    order = np.array(random.sample(range(len(durations)), len(durations)))
    assert same(kaplan_meier(durations, events, entry), kaplan_meier(durations[order], events[order], entry[order]))
    edges = np.array([0, 2, 5, np.inf])
    turned = tenure_hazards(durations[order] / 7, events[order], edges)
    assert same(tenure_hazards(durations / 7, events, edges), turned)


@given(histories())
def test_without_censoring_the_curve_is_the_share_that_stayed_longer(history):
    durations, _ = history
    curve = kaplan_meier(durations, np.ones(len(durations), bool))
    longer = [(durations > time).mean() for time in curve.time]
    assert curve.survival == pytest.approx(longer, abs=1e-12)
    assert curve.survival[-1] == 0 and np.isnan(curve.high[-1])
    assert curve.restricted_mean(50.0).mean == pytest.approx(durations.mean(), abs=1e-9)


@given(histories())
def test_a_curve_falls_and_lies_within_its_interval(history):
    curve = kaplan_meier(*history)
    assert (np.diff(curve.survival, prepend=1.0) < 0).all()
    some = curve.survival > 0
    assert (curve.low[some] <= curve.survival[some]).all() and (curve.survival[some] <= curve.high[some]).all()
    assert (curve.low[some] >= 0).all() and (curve.high[some] <= 1).all()
    assert (number_at_risk(history[0], curve.time) == curve.at_risk).all()


@settings(max_examples=40)
@given(histories(), st.integers(2, 4))
def test_groups_share_out_all_departures(history, groups):
    durations, events = history
    test = compare(durations, events, np.arange(len(durations)) % groups).log_rank
    assert test.observed.sum() == events.sum()
    assert test.expected.sum() == pytest.approx(events.sum())
    assert test.chi2 is None or (test.chi2 >= -1e-9 and 0 <= test.p <= 1)


# ---------------------------------------------------------------------------------------------- rules by hand


def test_late_entries_are_at_risk_only_from_then_on():
    """Two seen from the start leave at 1 and 4; one first seen at 2 leaves at 3; one first seen at 1 is at risk after 1 only."""
    durations, entry = np.array([1.0, 4, 3, 5]), np.array([0.0, 0, 2, 1])
    curve = kaplan_meier(durations, np.array([True, True, True, False]), entry)
    assert curve.at_risk.tolist() == [2, 3, 2]
    assert curve.survival == pytest.approx([1 / 2, 1 / 2 * 2 / 3, 1 / 2 * 2 / 3 * 1 / 2])
    assert number_at_risk(durations, np.array([0.0, 1, 2, 2.5, 5]), entry).tolist() == [2, 2, 2, 3, 1]


def test_a_row_first_seen_when_it_left_says_nothing():
    durations, events, entry = np.array([3.0, 3, 5, 4]), np.array([True, True, False, True]), np.array([3.0, 0, 1, 0])
    with_it, without = kaplan_meier(durations, events, entry), kaplan_meier(durations[1:], events[1:], entry[1:])
    assert same(with_it, without) and with_it.n == 3
    labels = np.array(["a", "a", "b", "b"])
    assert compare(durations, events, labels, entry).log_rank.observed.tolist() == [1, 1]


def test_leaving_on_the_first_day_counts():
    curve = kaplan_meier(np.array([0.0, 0, 10, 10]), np.array([True, False, False, False]), np.zeros(4))
    assert (curve.at_risk[0], curve.survival[0]) == (4, 0.75)


def test_beyond_the_data_a_curve_says_nothing():
    curve = kaplan_meier(np.array([2.0, 4, 4]), np.array([True, False, False]))
    read = curve.at(np.array([-1.0, 0, 1.9, 2, 4, 4.1]))
    assert np.isnan(read.survival).tolist() == [True, False, False, False, False, True]
    assert read.survival[1:5].tolist() == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert curve.restricted_mean(4.1) is None
    assert curve.restricted_mean(4.0).mean == pytest.approx(2 + 2 * 2 / 3)


def test_the_restricted_mean_has_its_textbook_error():
    """By hand: leaving at 1 (of 4) and 2 (of 3), horizon 3; areas after are 0.75 + 0.5 and 0.5."""
    curve = kaplan_meier(np.array([1.0, 2, 3, 3]), np.array([True, True, False, False]))
    mean = curve.restricted_mean(3.0)
    assert mean.mean == pytest.approx(1 + 0.75 + 0.5)
    assert mean.standard_error**2 == pytest.approx(1.25**2 / (4 * 3) + 0.5**2 / (3 * 2))
    assert mean.low < mean.mean < mean.high <= 3


def test_nobody_left_yet():
    curve = kaplan_meier(np.array([3.0, 8]), np.array([False, False]))
    assert len(curve.time) == 0 and curve.median is None and curve.at(np.array([5.0])).survival.tolist() == [1]
    assert not curve.evidence.enough and (curve.evidence.have, curve.evidence.needed) == (0, 10)
    test = compare(np.array([3.0, 8]), np.array([False, False]), np.array(["a", "b"])).log_rank
    assert (test.chi2, test.p, test.df) == (None, None, 0) and not test.evidence.enough


def test_nobody_at_all():
    curve = kaplan_meier(np.array([]), np.array([], bool))
    assert curve.n == 0 and np.isnan(curve.follow_up) and np.isnan(curve.at(np.array([0.0])).survival).all()


def test_few_departures_are_marked_not_refused():
    durations, events = np.arange(1.0, 41), np.arange(40) % 5 == 0
    assert not kaplan_meier(durations, events).evidence.enough
    assert kaplan_meier(durations, np.ones(40, bool)).evidence.enough
    test = compare(durations, events, np.arange(40) % 2).log_rank
    assert test.p is not None and not test.evidence.enough and "5 departures" in test.evidence.rule


def test_a_curve_that_collapsed_before_most_were_seen_is_marked():
    durations = np.append(2.0, np.arange(10.0, 40))
    curve = kaplan_meier(durations, np.ones(31, bool), np.append(0.0, np.full(30, 5.0)))
    assert curve.survival[0] == 0
    assert not curve.evidence.enough and "seen by 2" in curve.evidence.rule


def test_pairs_are_adjusted_for_their_number():
    rng = np.random.default_rng(5)
    label = np.repeat(["basic", "plus", "pro"], 200)
    durations = np.ceil(rng.exponential(np.repeat([5.0, 6.0, 15.0], 200)))
    pairs = compare(durations, np.ones(600, bool), label).pairs
    assert [pair.labels for pair in pairs] == [("basic", "plus"), ("basic", "pro"), ("plus", "pro")]
    p = np.array([pair.p for pair in pairs])
    low, middle, high = np.sort(p)
    expected = {low: min(3 * low, 1), middle: max(3 * low, 2 * middle), high: max(3 * low, 2 * middle, high)}
    assert [pair.p_adjusted for pair in pairs] == pytest.approx([expected[value] for value in p])


def test_the_log_rank_test_keeps_its_level():
    """Groups drawn from one world: about one test in twenty is below 0.05."""
    rng = np.random.default_rng(1)
    p = []
    for _ in range(400):
        durations, events = np.ceil(rng.exponential(10, 120)), rng.random(120) < 0.7
        p.append(compare(durations, events, rng.integers(0, 3, 120), pairs=False).log_rank.p)
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_tenure_rates_by_hand():
    """Months: leaving at exactly 3 belongs to the first quarter; one entered at 2, so brings a single month to it."""
    durations, events = np.array([3.0, 5, 2, 12]), np.array([True, True, False, False])
    found = tenure_hazards(durations, events, np.array([0, 3, 6, np.inf]), np.array([0.0, 2, 0, 0]))
    assert found.events.tolist() == [1, 1, 0]
    assert found.exposure.tolist() == [3 + 1 + 2 + 3, 2 + 3, 6]
    assert found.rate == pytest.approx([1 / 9, 1 / 5, 0])
    assert not found.enough.any()
    assert np.isnan(tenure_hazards(durations, events, np.array([20.0, 30])).rate).all()


def test_tenure_intervals_are_the_exact_poisson_ones():
    """Garwood's table: 0 departures: 0 to 3.689; 10 departures: 4.795 to 18.390."""
    durations, edges = np.append(np.full(10, 5.0), 10.0), np.array([0.0, 5, 10])
    found = tenure_hazards(durations, np.append(np.ones(10, bool), False), edges)
    assert found.low * found.exposure == pytest.approx([4.795, 0], abs=5e-4)
    assert found.high * found.exposure == pytest.approx([18.390, 3.689], abs=5e-4)
    assert found.enough.tolist() == [True, False]


@pytest.mark.parametrize(
    ("durations", "entry", "words"),
    [
        ([1.0, np.nan], None, "must be known"),
        ([1.0, -2.0], None, "at least 0"),
        ([1.0, 2.0], [0.0, 3.0], "after the end"),
        ([1.0, 2.0, 3.0], None, "one length"),
    ],
)
def test_impossible_rows_are_refused(durations, entry, words):
    with pytest.raises(ValueError, match=words):
        kaplan_meier(np.array(durations), np.array([True, False]), None if entry is None else np.array(entry))


def test_impossible_questions_are_refused():
    durations, events = rows(TREATED)
    with pytest.raises(ValueError, match="level"):
        kaplan_meier(durations, events, level=1.0)
    with pytest.raises(ValueError, match="rise"):
        tenure_hazards(durations, events, np.array([0, 3, 3]))
    with pytest.raises(ValueError, match="horizon"):
        kaplan_meier(durations, events).restricted_mean(0)
    with pytest.raises(ValueError, match="one label"):
        compare(durations, events, np.array(["a"]))
