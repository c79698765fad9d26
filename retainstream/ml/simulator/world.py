"""The calendar that all customers share: seasons, weekends, new titles, the price rise. Drawn once from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retainstream.ml.simulator.setup import DAY_US, GENRES, Service

NOTICE_DAYS = 30
_OLD_TITLES = 20  # in each genre on the first day
_RELEASES_PER_DAY = 0.05  # in each genre
_FADING_DAYS = 25.0  # anger about a price fades with this time constant
_FIRST = (
    "Amber",
    "Broken",
    "Distant",
    "Eleventh",
    "Golden",
    "Hidden",
    "Last",
    "Northern",
    "Paper",
    "Quiet",
    "Red",
    "Salt",
)
_SECOND = (
    "Bridge",
    "Coast",
    "Garden",
    "Harbour",
    "Hour",
    "Letters",
    "Light",
    "Mile",
    "River",
    "Season",
    "Station",
    "Winter",
)


@dataclass(frozen=True)
class World:
    """What a day is like, for everybody.

    Attributes
    ----------
    season : float32 array of shape (days,)
        Added to everybody's log-odds of watching: up in winter, down in the summer holidays.
    weekend : bool array of shape (days,)
    released : bool array of shape (days, genres)
        Whether a new title of the genre came out.
    titles : int array of shape (days, genres)
        How many titles of the genre there are.
    rise_day, notice_day : int
        When prices rise and when that is announced; later than every day when never.
    """

    season: np.ndarray
    weekend: np.ndarray
    released: np.ndarray
    titles: np.ndarray
    rise_day: int
    notice_day: int

    @classmethod
    def of(cls, service: Service) -> World:
        """Draw the calendar of a service."""
        rng = np.random.default_rng([service.seed, 1])
        dates = np.datetime64(service.start // DAY_US, "D") + np.arange(service.days)
        of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
        season = 0.3 * np.cos(2 * np.pi * (of_year - 15) / 365.25) - 0.3 * ((of_year >= 190) & (of_year < 240))
        released = rng.random((service.days, len(GENRES))) < _RELEASES_PER_DAY
        rise = 10 * service.days if service.price_rise is None else int(service.price_rise * service.days)
        return cls(
            season=season.astype(np.float32),
            weekend=(dates.astype(int) + 3) % 7 >= 5,  # the first of January 1970 was a Thursday
            released=released,
            titles=_OLD_TITLES + np.cumsum(released, axis=0),
            rise_day=rise,
            notice_day=rise - NOTICE_DAYS,
        )

    def price_anger(self, day: int) -> float:
        """Return how much the price rise is felt on a day: 0 before the notice, 0.45 until the rise, then 1 and fading."""
        if day < self.notice_day:
            return 0.0
        return 0.45 if day < self.rise_day else float(np.exp(-(day - self.rise_day) / _FADING_DAYS))


def title_name(genre: int, number: int) -> str:
    """Return the made-up name of a genre's title; different numbers of a genre have different names."""
    cycle, place = divmod(number, len(_FIRST) * len(_SECOND))
    first, second = divmod((place * 29 + genre * 17) % (len(_FIRST) * len(_SECOND)), len(_SECOND))
    return f"{_FIRST[first]} {_SECOND[second]}" + (f" {cycle + 1}" if cycle else "")
