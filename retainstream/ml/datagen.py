"""Made-up customers with a stated cause of churn, for demos, tests and benchmarks of any size.

These are not real people and prove nothing about real ones. ``generate_streaming_customers`` draws customers of a
streaming service; ``generate_wide`` draws mixed columns for speed tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PLANS = ("Basic", "Standard", "Premium", "Family")
_PLAN_SHARES = (0.34, 0.38, 0.18, 0.10)
_PRICES = np.array([7.99, 12.99, 17.99, 21.99])
_PLAN_EFFECT = np.array([0.5, 0.0, -0.4, -0.8])
_PLAN_SCREENS = np.array([1.2, 2.0, 3.2, 4.3])
_BASE_LOG_ODDS = -4.1
_LEVELS = ["level A", "level B", "level C", "level D", "level E", "level F"]
_LUCK = 0.35  # standard deviation of what no column shows, in log-odds


def generate_streaming_customers(n: int = 120_000, random_state: int = 0, *, with_hazard: bool = False) -> pd.DataFrame:
    """Draw customers of a video-streaming service.

    Parameters
    ----------
    n : int >= 1
        Number of customers. A million takes about two seconds.
    random_state : int
        Same number, same customers.
    with_hazard : bool
        Add ``hazard``, the true probability of churn that the label was drawn with: the best any model can know, and
        more (about a third of a log-odds of it is luck that no column shows).

    Returns
    -------
    DataFrame of shape (n, 10)
        ``user_id`` (text), ``plan`` (text), ``monthly_price`` (per month, major unit), ``watch_time_hours`` (last 30
        days, >= 0), ``subscription_age_months`` (age of the present subscription, 0 to tenure), ``device_count`` (>= 1),
        ``last_login_days`` (days since, 0 to 90), ``payment_failures`` (last 12 months), ``tenure_months`` (since first
        joining), ``churn`` (0 or 1, about 12%). No missing values.

    Notes
    -----
    The log-odds of churn: -4.1 + plan (Basic +0.5, Standard 0, Premium -0.4, Family -0.8) + 0.09 per day since the
    last login (up to 45) - 1.2 log(1 + hours / 4) + 1.0 per payment failure (up to 4) + 2.2 exp(-subscription age / 5)
    - 0.3 per device beyond the first (up to 4) + 1.0 for a price raised since joining that is watched less than 5
    hours + a normal variable of standard deviation 0.35. The log of hours is centred at its mean.
    """
    import pandas as pd

    rng = np.random.default_rng(random_state)
    plan = rng.choice(len(PLANS), size=n, p=_PLAN_SHARES)
    engagement = rng.standard_normal(n)  # never a column of its own; it ties hours, log-ins and devices together
    tenure = np.floor(rng.gamma(1.3, 16.0, n)).clip(0, 120).astype(np.int64)
    rejoined = rng.random(n) < 0.18
    age = np.where(rejoined, np.floor(tenure * rng.random(n)), tenure).astype(np.int64)
    hours = np.round(np.exp(2.3 + 0.75 * engagement + 0.55 * rng.standard_normal(n)).clip(0, 300), 1)
    hours[rng.random(n) < 0.04] = 0.0
    login = np.floor(rng.exponential(np.exp(1.35 - 0.75 * engagement))).clip(0, 90).astype(np.int64)
    devices = 1 + rng.poisson(np.maximum(_PLAN_SCREENS[plan] - 1 + 0.25 * engagement, 0.05))
    failures = rng.poisson(rng.gamma(0.5, 0.7, n))
    raised = rng.random(n) < 0.3
    price = np.round(_PRICES[plan] + np.where(raised, 2.0, 0.0), 2)
    digits = max(6, len(str(n)))
    frame = pd.DataFrame(
        {
            "user_id": [f"cus_{i:0{digits}d}" for i in range(1, n + 1)],
            "plan": np.asarray(PLANS, dtype=object)[plan],
            "monthly_price": price,
            "watch_time_hours": hours,
            "subscription_age_months": age,
            "device_count": devices.astype(np.int64),
            "last_login_days": login,
            "payment_failures": failures.astype(np.int64),
            "tenure_months": tenure,
        }
    )
    hazard = _hazard(frame, plan, raised, rng)
    frame["churn"] = (rng.random(n) < hazard).astype(np.int64)
    return frame.assign(hazard=hazard) if with_hazard else frame


def _hazard(customers: pd.DataFrame, plan: np.ndarray, raised: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each customer's probability of churn, float64 of shape (n,), by the formula of `generate_streaming_customers`."""
    hours = customers["watch_time_hours"].to_numpy()
    watched = np.log1p(hours / 4)
    log_odds = (
        _BASE_LOG_ODDS
        + _PLAN_EFFECT[plan]
        + 0.09 * np.minimum(customers["last_login_days"].to_numpy(), 45)
        - 1.2 * (watched - watched.mean())
        + 1.0 * np.minimum(customers["payment_failures"].to_numpy(), 4)
        + 2.2 * np.exp(-customers["subscription_age_months"].to_numpy() / 5)
        - 0.3 * np.minimum(customers["device_count"].to_numpy() - 1, 4)
        + 1.0 * (raised & (hours < 5))
        + _LUCK * rng.standard_normal(len(customers))
    )
    hazard: np.ndarray = 1 / (1 + np.exp(-log_odds))
    return hazard


def generate_wide(n: int, f: int, random_state: int = 0) -> pd.DataFrame:
    """Draw a table of mixed columns with a label, for measuring speed and memory.

    Parameters
    ----------
    n, f : int >= 1
        Rows and feature columns. In every five columns two are decimal numbers (2% missing), two whole numbers, one a
        category of six levels.
    random_state : int

    Returns
    -------
    DataFrame of shape (n, f + 1)
        ``feature_00`` and so on, and ``churn`` (0 or 1, about 15%), caused by the first ten columns.
    """
    import pandas as pd

    rng = np.random.default_rng(random_state)
    levels = pd.CategoricalDtype(_LEVELS)
    columns: dict[str, np.ndarray | pd.Categorical] = {}
    log_odds = np.full(n, -2.1, dtype=np.float32)
    for j in range(f):
        if j % 5 == 4:
            codes = rng.integers(0, len(_LEVELS), n)
            columns[f"feature_{j:02d}"] = pd.Categorical.from_codes(codes, dtype=levels)
            signal = (codes - 2.5) / 1.7
        elif j % 5 in (1, 3):
            whole = rng.poisson(3.0 + j, n)
            columns[f"feature_{j:02d}"] = whole.astype(np.int64)
            signal = (whole - 3.0 - j) / np.sqrt(3.0 + j)
        else:
            signal = rng.standard_normal(n)
            column = signal.astype(np.float64)
            column[rng.random(n) < 0.02] = np.nan
            columns[f"feature_{j:02d}"] = column
        if j < 10:
            log_odds += (0.5 * (-1) ** j / (1 + j // 3) * signal).astype(np.float32)
    columns["churn"] = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)
    return pd.DataFrame(columns)
