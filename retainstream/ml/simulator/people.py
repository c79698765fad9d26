"""Who the customers are: habits nobody sees, and what the company knows of them at sign-up. Drawn once from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.simulator.setup import DAY_S, DAY_US, DEVICES, GENRES, Service

COUNTRIES = ("DE", "FR", "NL", "AT", "ES", "IT")
CHANNELS = ("search", "friend", "advert", "voucher", "app store")
AGE_BANDS = ("18-24", "25-34", "35-49", "50-64", "65+")
BUCKETS = ("A", "B", "C", "D")
MEAN_HABIT = -1.15
_CHANNEL_EFFECT = np.array([0.0, -0.5, 0.2, 0.8, 0.1], dtype=np.float32)
_AGE_EFFECT = np.array([0.5, 0.2, 0.0, -0.2, -0.4], dtype=np.float32)
_PLAN_EFFECT = np.array([0.0, 0.4, 0.0, -0.5], dtype=np.float32)
_PRICE_SENSITIVITY = np.array([0.0, 1.6, 1.1, 0.5], dtype=np.float32)
_GIVEN = (
    "Ada",
    "Ben",
    "Clara",
    "David",
    "Elif",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Klara",
    "Luca",
    "Mira",
    "Nils",
    "Olga",
    "Paul",
)
_FAMILY = (
    "Adler",
    "Bauer",
    "Costa",
    "Dubois",
    "Evers",
    "Ferrari",
    "Gruber",
    "Hansen",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lopez",
    "Moreau",
)


@dataclass(frozen=True)
class CustomerColumns:
    """What the company knows of each customer at sign-up, as columns of text or numbers of length (n,).

    `bucket` and `lucky_number` mean nothing and cause nothing: a model that finds them important is wrong.
    """

    user_id: np.ndarray
    name: np.ndarray
    email: np.ndarray
    signup: np.ndarray
    country: np.ndarray
    channel: np.ndarray
    age_band: np.ndarray
    email_opt_out: np.ndarray
    bucket: np.ndarray
    lucky_number: np.ndarray


@dataclass(frozen=True)
class People:
    """Traits that never change, arrays of shape (n,) in the order of joining.

    Attributes
    ----------
    joined : int32
        Day of joining; negative for those who were there before the first day. Lived from the next day on.
    second : int32
        Second of that day.
    trial_days : int32
        0 for who pays from the start.
    plan : int8
        Position in PLANS of what is paid for, or would be after the trial.
    habit, hours, weekend, breadth : float32
        Log-odds of watching on a day, mean log hours of such a day, what a weekend adds, how slowly the catalogue wears out.
    sensitivity, loyalty, funds : float32
        What a price rise adds to the log-hazard, all that is constant in the log-hazard, chance that an account is empty.
    card : int32
        Days from joining until the card expires.
    """

    joined: np.ndarray
    second: np.ndarray
    trial_days: np.ndarray
    plan: np.ndarray
    habit: np.ndarray
    hours: np.ndarray
    weekend: np.ndarray
    breadth: np.ndarray
    favourite: np.ndarray
    devices: np.ndarray
    first_device: np.ndarray
    opens: np.ndarray
    sensitivity: np.ndarray
    loyalty: np.ndarray
    funds: np.ndarray
    card: np.ndarray
    country: np.ndarray
    channel: np.ndarray
    age_band: np.ndarray
    bucket: np.ndarray
    lucky: np.ndarray

    def __len__(self) -> int:
        return len(self.joined)

    @classmethod
    def of(cls, service: Service) -> People:
        """Draw the customers of a service."""
        n = service.customers
        rng = np.random.default_rng([service.seed, 2])

        def normal(mean: float, spread: float) -> np.ndarray:
            return (mean + spread * rng.standard_normal(n)).astype(np.float32)

        def pick(shares: list[float]) -> np.ndarray:
            return np.searchsorted(np.cumsum(shares)[:-1], rng.random(n)).astype(np.int8)

        joined = _joining_days(service, rng)
        new = joined >= 0
        plan = pick([0.0, 0.42, 0.38, 0.20])
        habit, devices = normal(MEAN_HABIT, 0.55), 1 + rng.binomial(4, 0.3, n)
        channel, age = pick([0.3, 0.2, 0.25, 0.1, 0.15]), pick([0.15, 0.25, 0.3, 0.2, 0.1])
        channel[~new & (channel == 3)] = 0  # of those who came for a voucher few are still there
        loyalty = _CHANNEL_EFFECT[channel] + _AGE_EFFECT[age] + _PLAN_EFFECT[plan] + normal(0, 0.2)
        loyalty -= 0.35 * (habit - MEAN_HABIT) + 0.12 * (devices - 2.2)
        return cls(
            joined=joined,
            second=rng.integers(0, DAY_S - 600, n, dtype=np.int32),
            trial_days=np.where(new & (rng.random(n) < 0.4), rng.choice([7, 14, 30], n, p=[0.3, 0.4, 0.3]), 0).astype(
                np.int32
            ),
            plan=plan,
            habit=habit,
            hours=normal(0.6, 0.4),
            weekend=normal(0.5, 0.3),
            breadth=np.exp(normal(0, 0.5)),
            favourite=rng.integers(0, len(GENRES), n).astype(np.int8),
            devices=devices.astype(np.int8),
            first_device=rng.integers(0, len(DEVICES), n).astype(np.int8),
            opens=(rng.beta(1.5, 3.0, n) * (rng.random(n) > 0.18)).astype(np.float32),
            sensitivity=_PRICE_SENSITIVITY[plan] * np.exp(normal(0, 0.4)),
            loyalty=loyalty.astype(np.float32),
            funds=np.exp(normal(-4.7, 0.8)).clip(0, 0.3).astype(np.float32),
            card=rng.integers(1, 1095, n, dtype=np.int32),
            country=pick([0.4, 0.2, 0.15, 0.1, 0.1, 0.05]),
            channel=channel,
            age_band=age,
            bucket=rng.integers(0, len(BUCKETS), n).astype(np.int8),
            lucky=rng.integers(1, 100, n).astype(np.int16),
        )

    def columns(self, service: Service, rows: slice = slice(None)) -> CustomerColumns:
        """Return the customers as the company knows them."""
        who = np.arange(len(self))[rows]
        width = max(6, len(str(len(self))))
        given, family = who * 7 % len(_GIVEN), who * 5 // len(_GIVEN) % len(_FAMILY)
        return CustomerColumns(
            user_id=np.array([f"cus_{i + 1:0{width}d}" for i in who], dtype=object),
            name=np.array([f"{_GIVEN[g]} {_FAMILY[f]}" for g, f in zip(given, family, strict=True)], dtype=object),
            email=np.array(
                [f"{_GIVEN[g].lower()}.{i + 1}@example.com" for g, i in zip(given, who, strict=True)], dtype=object
            ),
            signup=service.start
            + self.joined[rows].astype(np.int64) * DAY_US
            + self.second[rows].astype(np.int64) * 1_000_000,
            country=np.array(COUNTRIES, dtype=object)[self.country[rows]],
            channel=np.array(CHANNELS, dtype=object)[self.channel[rows]],
            age_band=np.array(AGE_BANDS, dtype=object)[self.age_band[rows]],
            email_opt_out=self.opens[rows] == 0,
            bucket=np.array(BUCKETS, dtype=object)[self.bucket[rows]],
            lucky_number=self.lucky[rows],
        )


def _joining_days(service: Service, rng: np.random.Generator) -> np.ndarray:
    """Return rising days of joining, int32 of shape (customers,): the established ones first, then a stream that grows by half."""
    n_new = min(round(service.customers * service.joining), service.customers)
    n_old = service.customers - n_new
    before = -1 - np.floor(rng.gamma(1.2, 380.0, n_old)).clip(0, 2_900)
    # Density of joining rises linearly from 1 to 1.5 over the span; this is its inverse distribution.
    share = 2 * (np.sqrt(1 + 1.25 * rng.random(n_new)) - 1)
    return np.sort(np.concatenate([before, np.floor(share * service.days).clip(0, service.days - 1)])).astype(np.int32)
