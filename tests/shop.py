"""A shop without contracts: customers who buy at rates of their own and drop out silently, loaded as a file of orders."""

from __future__ import annotations

import numpy as np
import pandas as pd

from retainstream.config import Settings
from tests.services.events.filing import Filer
from tests.work import run_job

FIRST, DAYS = "2022-01-01", 730


def orders(customers: int = 400, seed: int = 7) -> str:
    """Return two years of orders as a table."""
    rng = np.random.default_rng(seed)
    lines = ["customer,date,amount"]
    for one in range(customers):
        day, rate, leaves, mean = rng.integers(0, 300), rng.gamma(1.0, 0.03), rng.beta(1.0, 4.0), rng.gamma(4.0, 10.0)
        while day < DAYS:
            at = pd.Timestamp(FIRST) + pd.Timedelta(days=int(day))
            lines.append(f"c{one:03d},{at:%Y-%m-%d},{rng.gamma(3.0, mean / 3):.2f}")
            if rng.random() < leaves:
                break
            day += max(1, rng.exponential(1 / rate))
    return "\n".join(lines) + "\n"


def open_shop(settings: Settings, customers: int = 400, seed: int = 7) -> None:
    """Load the orders and make every analysis. Needs an app context."""
    Filer(settings).counts("orders", orders(customers, seed))
    run_job(settings, "analyse")
