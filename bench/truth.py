"""A model that looks forward against the truth, which only a simulator knows; and the leak sentry against planted leaks.

    python -m bench.truth [--customers 20000] [--months 14] [--seeds 3] [--sentry-seeds 5] [--sentry-customers 2000]

The oracle is the true chance of leaving in the window, given the hidden state of every customer that morning: the model sees only what the
company sees, so the oracle is above any model, and what lies between recency alone and the oracle is what can be won. Both definitions are
judged on the time-ordered test window; the same model on a random split of the same rows stands beside it, to show what that would claim.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from retainstream.ml.asof.columns import DAY_US, History
from retainstream.ml.asof.dictionary import RECENCY, catalogue
from retainstream.ml.asof.outcomes import departures
from retainstream.ml.asof.panel import Panel, Split, assemble, split
from retainstream.ml.asof.rules import ChurnRule
from retainstream.ml.bootstrap import draws_for, interval, resample
from retainstream.ml.features import FeatureSpec
from retainstream.ml.forward.rivals import monotone_rate
from retainstream.ml.forward.sentry import inspect
from retainstream.ml.forward.training import TestWindow, train_forward
from retainstream.ml.metrics import Calibration, Ranking
from retainstream.ml.report import Estimate, TrainingReport
from retainstream.ml.simulator import Service, Simulation
from retainstream.ml.simulator.record import history_of
from retainstream.ml.training import Plan
from retainstream.services.as_of.facts import of_history

END = 1_767_225_600_000_000  # the first of January 2026
RULES = {
    "voluntary": ChurnRule("cancel", 30, settle_days=5),
    "payment": ChurnRule("payment_failure", 30, settle_days=5),
}
PLANTED = {"cancel_reason_filled", "updated_at", "total_charges_at_export"}
NO_CHANCE = (
    1e-4  # the played futures cannot tell a smaller chance from none, and its log-odds would bend the oracle's line
)
Row = dict[str, Estimate | float | int | bool | str]


def panel_of(history: History, rule: ChurnRule) -> Panel:
    """Return the panel as of the end, with the features that a box has of itself."""
    facts = of_history(history)
    specs = catalogue(
        facts.kinds, properties=facts.properties, subscriptions=facts.subscriptions, profile=history.profiles.specs
    )
    return assemble(history, specs, rule, data_end=END)


def true_chances(simulation: Simulation, panel: Panel, rows: np.ndarray, cause: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the oracle's chance for rows of a panel.

    Parameters
    ----------
    rows : int64 array of shape (n,)
        Positions in the panel.
    cause : {"voluntary", "payment"}

    Returns
    -------
    chance : float64 array of shape (n,)
        For who had cancelled by then for a later day, which the company had not heard yet: 1 or 0, whether that day lies in the window.
    is_open : bool array of shape (n,)
        Whose end was not decided.
    """
    chance, is_open = np.zeros(len(rows)), np.zeros(len(rows), bool)
    horizon, lead = panel.rule.horizon_days, panel.rule.lead_days
    for as_of in np.unique(panel.as_of[rows]).tolist():
        here = np.flatnonzero(panel.as_of[rows] == as_of)
        who = panel.customer[rows[here]]
        truth = simulation.oracle(as_of, horizon, lead)
        place = np.minimum(np.searchsorted(truth.who, who), len(truth.who) - 1)
        known = truth.who[place] == who
        day = (as_of - simulation.start) // DAY_US
        state = simulation.state_at(day)
        ends = state.ends_on[np.minimum(np.searchsorted(state.who, who), len(state) - 1)]
        decided = (ends >= day + lead) & (ends < day + lead + horizon) & (cause == "voluntary")
        chance[here] = np.where(known, getattr(truth, cause)[place], decided)
        is_open[here] = known
    return chance, is_open


def compare(panel: Panel, parts: Split, judged: TestWindow, chance: np.ndarray, is_open: np.ndarray) -> Row:
    """Return AUC of model, oracle and recency on the same rows, and how much of the oracle's advantage the model has."""
    from scipy.stats import spearmanr

    y, rng = panel.y[judged.rows].astype(np.int64), np.random.default_rng(0)
    days = panel.frame[RECENCY].to_numpy()
    recency = monotone_rate(days[parts.train], panel.y[parts.train], days[judged.rows])
    groups = np.unique(panel.customer[judged.rows], return_inverse=True)[1]
    likely = is_open & (chance > NO_CHANCE)
    orders = {"model": Ranking(y, judged.margin), "oracle": Ranking(y, chance), "recency": Ranking(y, recency)}

    def evaluate(weights: np.ndarray) -> dict[str, np.ndarray]:
        found = {name: order.auc(weights) for name, order in orders.items()}
        won = found["model"] - found["recency"]
        return {**found, "won": won, "share": won / (found["oracle"] - found["recency"])}

    values, replicates = resample(evaluate, groups, draws_for(len(y)), rng)
    return {
        **{name: interval(value, replicates[name]) for name, value in values.items()},
        **{f"oracle_{name}": found for name, found in calibration_of(y[likely], chance[likely]).items()},
        "decided": int((~is_open).sum()),
        "beyond": int((is_open & ~likely).sum()),
        "beyond_left": int(y[is_open & ~likely].sum()),
        "agreement": float(spearmanr(judged.probability[is_open], chance[is_open]).statistic),
    }


def calibration_of(y: np.ndarray, probability: np.ndarray) -> dict[str, Estimate]:
    """Return slope, intercept (each 95%) and expected calibration error of probabilities."""
    line = Calibration(y, probability, 0.5)
    values, replicates = resample(line.evaluate, np.arange(len(y)), 200, np.random.default_rng(0))
    names = {"slope": "calibration_slope", "intercept": "calibration_intercept", "ece": "ece"}
    return {short: interval(values[name], replicates[name]) for short, name in names.items()}


def judge(simulation: Simulation, history: History, cause: str, trials: int) -> tuple[Row, TrainingReport]:
    """Train under one definition, open the test window, and hold the truth against it."""
    panel = panel_of(history, RULES[cause])
    parts = split(panel)
    began = time.perf_counter()
    model, judged = train_forward(panel, Plan(n_trials=trials), split=parts)
    seconds = time.perf_counter() - began
    chance, is_open = true_chances(simulation, panel, judged.rows, cause)
    row = compare(panel, parts, judged, chance, is_open)
    return {**row, "seconds": seconds, "train_rows": len(parts.train)}, model.report


def told(value: Estimate) -> str:
    """Write a figure with its interval."""
    return f"{value.value:6.3f} ({value.low:6.3f} to {value.high:6.3f})"


def lines_of(cause: str, seed: int, row: Row, report: TrainingReport) -> Iterable[str]:
    """Write what one training showed."""
    metrics, verdict, forward = report.metrics, report.calibration, report.forward
    assert forward is not None
    rivals = ", ".join(f"{one.name} {one.auc.value:.3f}" for one in report.rivals if one.name != "base_rate")
    random = ", ".join(f"by {one.by} {one.auc:.3f}" for one in forward.random_splits)
    holds = verdict.slope.low <= 1 <= verdict.slope.high
    yield (
        f"{cause}, seed {seed}: {row['train_rows']:,} rows to learn from; {report.n:,} to judge, {report.n_churned:,} left "
        f"({report.base_rate:.2%}); {row['decided']} had decided unheard; {row['seconds']:.0f} s"
    )
    yield f"  AUC  model {told(row['model'])}  oracle {told(row['oracle'])}  recency {told(row['recency'])}"
    yield f"  share of the oracle's advantage over recency {told(row['share'])}; rank agreement with the oracle {row['agreement']:.3f}"
    yield f"  rivals: {rivals}; random split: {random}"
    yield (
        f"  slope, with the calibrator's own luck at 99%, {told(verdict.slope)}: "
        f"{'holds' if holds else 'MISSES'} 1; intercept {told(verdict.intercept)}; ECE {told(metrics['ece'])}; "
        f"{verdict.method}, {'passed' if verdict.passed else 'refused'}"
    )
    yield (
        f"  oracle's own slope {told(row['oracle_slope'])}, intercept {told(row['oracle_intercept'])}, ECE {row['oracle_ece'].value:.4f}; "
        f"of {row['beyond']:,} customers with no chance of leaving {row['beyond_left']} left"
    )


def summary(cause: str, rows: list[Row], reports: list[TrainingReport]) -> str:
    """Write the means over the seeds."""

    def mean(name: str) -> float:
        return float(np.mean([row[name].value for row in rows]))

    splits = [report.forward.random_splits for report in reports if report.forward is not None]
    random = np.mean([found[0].auc for found in splits if found])
    slopes = [report.calibration.slope for report in reports]
    held = sum(one.low <= 1 <= one.high for one in slopes)
    share = (mean("model") - mean("recency")) / (mean("oracle") - mean("recency"))
    return (
        f"{cause}, mean of {len(rows)}: model {mean('model'):.3f}, oracle {mean('oracle'):.3f}, recency {mean('recency'):.3f}, "
        f"random split by row {random:.3f}; share of the advantage {share:.2f}; slope {np.mean([one.value for one in slopes]):.3f}, "
        f"{held} of {len(slopes)} intervals hold 1"
    )


def planted(history: History, seed: int) -> History:
    """Add what a later export would have put into the profiles, and more honest columns, so that there are ten of these."""
    rng, profiles = np.random.default_rng([seed, 1]), history.profiles
    who, when = departures(RULES["voluntary"], history, END)
    left = dict(zip(who.tolist(), when.tolist(), strict=True))
    left_at = np.array([left.get(one, END) for one in profiles.customer.tolist()])
    n, known = len(profiles), profiles.known
    months = (left_at - known) / DAY_US / 30.44
    columns: dict[str, tuple[str | None, np.ndarray]] = {
        "cancel_reason_filled": ("boolean", left_at < END),
        "updated_at": (None, left_at - rng.integers(0, 3 * DAY_US, n)),
        "total_charges_at_export": ("number", np.round(1_100 * months * rng.normal(1, 0.05, n))),
        "credit_limit": ("number", np.round(rng.normal(1_000, 200, n))),
        "household": ("integer", rng.integers(1, 6, n)),
        "birth_year": ("integer", rng.integers(1940, 2006, n)),
        "contract_end": (None, known + rng.integers(300, 900, n) * DAY_US),
        "first_order_value": ("number", np.round(rng.gamma(2.0, 20.0, n), 2)),
    }
    specs = [FeatureSpec(name, kind, name) for name, (kind, _) in columns.items() if kind is not None]  # type: ignore[arg-type]
    values = {name: np.asarray(column, float) for name, (_, column) in columns.items()}
    return replace(
        history, profiles=replace(profiles, values={**profiles.values, **values}, specs=(*profiles.specs, *specs))
    )


def sentry(seed: int, customers: int) -> tuple[set[str], set[str], int]:
    """Return which planted columns were caught, which honest ones were flagged, and how many honest ones there are."""
    history = planted(history_of(Simulation(Service(customers=customers, months=14, end=END, seed=seed))), seed)
    panel = panel_of(history, RULES["voluntary"])
    seen = inspect(history.cut(END), panel, split(panel).train)
    flagged = {one.feature for one in (*seen.suspects, *seen.left_out)}
    return flagged & PLANTED, flagged - PLANTED, len(set(history.profiles.values) - PLANTED)


def main() -> None:
    """Judge the models, then the sentry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=14)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--sentry-seeds", type=int, default=5)
    parser.add_argument("--sentry-customers", type=int, default=2_000)
    asked = parser.parse_args()
    print(f"{asked.customers:,} customers, {asked.months} months, made up; 30 days ahead; intervals drawn by customer")
    found: dict[str, list[tuple[Row, TrainingReport]]] = {cause: [] for cause in RULES}
    for seed in range(1, asked.seeds + 1):
        simulation = Simulation(Service(customers=asked.customers, months=asked.months, end=END, seed=seed))
        history = history_of(simulation)
        for cause, results in found.items():
            results.append(judge(simulation, history, cause, asked.trials))
            print("\n".join(lines_of(cause, seed, *results[-1])), flush=True)
    for cause, results in found.items():
        if results:
            print(summary(cause, *map(list, zip(*results, strict=True))))
    if not asked.sentry_seeds:
        return
    print(f"leak sentry on {asked.sentry_customers:,} customers, {', '.join(sorted(PLANTED))} planted:")
    for seed in range(1, asked.sentry_seeds + 1):
        caught, wrong, honest = sentry(seed, asked.sentry_customers)
        print(
            f"  seed {seed}: {len(caught)} of {len(PLANTED)} caught, {len(wrong)} of {honest} honest columns flagged"
            + (f" ({', '.join(sorted(wrong))})" if wrong else "")
        )


if __name__ == "__main__":
    main()
