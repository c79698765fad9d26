"""What a simulated service is asked to be: its size, span and dials. Nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DAY_US = 86_400_000_000
DAY_S = 86_400
NEVER = np.iinfo(np.int64).max
DAYS_PER_MONTH = 30.4375

PLANS = ("trial", "basic", "standard", "premium")
"""A trial is a plan of its own with price 0."""
PRICES_MINOR = np.array([0, 799, 1299, 1799])
RISE_MINOR = np.array([0, 200, 200, 300])
CURRENCY = "EUR"
CAUSES = ("voluntary", "payment_failed", "trial_ended")
VOLUNTARY, PAYMENT, TRIAL = range(3)

DEVICES = ("tv", "phone", "tablet", "laptop", "console")
MOBILE = np.array([False, True, True, False, False])
GENRES = (
    "comedy",
    "crime",
    "documentary",
    "drama",
    "family",
    "history",
    "horror",
    "music",
    "reality",
    "romance",
    "scifi",
    "sport",
)


@dataclass(frozen=True)
class Service:
    """The service to simulate.

    Parameters
    ----------
    customers : int, 1 or more
        All who were ever customers in the span; about two fifths are there on the first day, the others join over time.
    months : int, 2 to 120
        Length of the span, in months of 30.4375 days.
    end : int
        Microseconds UTC of the midnight before which everything happens.
    seed : int, 0 or more
        Same service, same history, to the bit.
    events_per_month : float, 3 to 60
        About how many events an active customer leaves in a month. Only what is seen changes: the hazards stay what they are.
    late_share : float, 0 to 1
        Share of mobile app events that arrive hours to three days late.
    duplicate_share : float, 0 to 1
        Share of app events that are sent twice, with the same key.
    price_rise : float or None, 0 to 1
        When prices rise, as a share of the span; ``None``: never. It is announced 30 days before.
    joining : float, above 0 to 1
        Share of the customers who join within the span.

    Raises
    ------
    ValueError
        Naming the parameter that is out of range.
    """

    customers: int
    months: int
    end: int
    seed: int = 0
    events_per_month: float = 13.5
    late_share: float = 0.08
    duplicate_share: float = 0.003
    price_rise: float | None = 0.55
    joining: float = 0.6

    def __post_init__(self) -> None:
        limits = {
            "customers": (1, 100_000_000),
            "months": (2, 120),
            "seed": (0, 2**63 - 1),
            "events_per_month": (3, 60),
            "late_share": (0, 1),
            "duplicate_share": (0, 1),
            "price_rise": (0, 1),
            "joining": (0.01, 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name}: expected {low} to {high}, got {value}")
        if self.end % DAY_US:
            raise ValueError(f"end: expected a midnight in UTC, got {self.end}")

    @property
    def days(self) -> int:
        """Number of days that are played."""
        return round(self.months * DAYS_PER_MONTH)

    @property
    def start(self) -> int:
        """Microseconds UTC of the first midnight."""
        return self.end - self.days * DAY_US
