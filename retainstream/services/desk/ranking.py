"""In which order customers are worth reaching: computed once for each state of scores, customers and preferences, then kept.

Everybody active who is scored has a place, members of the hold-out too; who of them may be proposed today is `standing`.
What a customer is worth is told in docs/decisions/0007.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import db
from retainstream.lib.kept import Kept
from retainstream.lib.money import exponent
from retainstream.models import Customer, Identity, LatestScore, ScoringRun
from retainstream.services import exposures, preferences, revisions
from retainstream.services.desk import worth
from retainstream.services.training import economics_of

if TYPE_CHECKING:
    import numpy as np

_COUNTERS = ("customers", "scores", "model", "settings", "removals")
_KEPT = 4


@dataclass(frozen=True, eq=False)
class Ranking:
    """All active scored customers, those most worth reaching first.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Customers.
    values : float64 array, shape (n,)
        What they are ranked by, falling: net gain in the currency's minor unit, or percentile times relative worth where probabilities are withheld.
    gains : int64 array, shape (n,), or None
        Expected net gain of reaching each, minor units; None where probabilities are withheld.
    held : bool array, shape (n,)
        Who belongs to the permanent hold-out.
    worth : int
        How many of the first are worth reaching: those with a net gain above 0, or all where it is not known.
    valued_by : str
        What customers' worth is told from: see `worth.Worth.by`.
    run_id, as_of : int or None
        The newest complete run of the champion; None before anybody was scored.
    customers : bool
        Whether there is any customer at all.
    """

    ids: np.ndarray
    values: np.ndarray
    gains: np.ndarray | None
    held: np.ndarray
    worth: int
    valued_by: str
    run_id: int | None
    as_of: int | None
    customers: bool
    _sorter: np.ndarray

    def places(self, wanted: Iterable[int] | np.ndarray) -> np.ndarray:
        """Return the places (int64) of customers; those without one are left out."""
        import numpy as np

        asked = np.fromiter(wanted, dtype=np.int64)
        if not len(self.ids) or not len(asked):
            return np.empty(0, dtype=np.int64)
        at = np.searchsorted(self.ids, asked, sorter=self._sorter)
        places: np.ndarray = self._sorter[np.minimum(at, len(self.ids) - 1)]
        known: np.ndarray = places[self.ids[places] == asked]
        return known

    def place(self, customer_id: int) -> int | None:
        """Return the place of one customer, or None."""
        found = self.places([customer_id])
        return int(found[0]) if len(found) else None

    def gain_at(self, place: int | None) -> int | None:
        """Return the net gain at a place, minor units; None without a place or where it is not known."""
        return None if place is None or self.gains is None else int(self.gains[place])


_kept: Kept[Ranking] = Kept(_KEPT)
_kept_held: Kept[frozenset[int]] = Kept(_KEPT)


def read(session: Session, settings: Settings) -> Ranking:
    """Return the ranking of the present state."""
    counters, values = revisions.read(session), worth.run_in_force(session)
    run = None if values is None else (values.id, values.made_at)
    key = (db.engine.url.database, settings.currency, run, *(counters[name] for name in _COUNTERS))
    return _kept.of(key, lambda: _made(session, settings))


def held_out(session: Session) -> frozenset[int]:
    """Return every customer of the permanent hold-out.

    Identifiers never change and ids are never used twice, so where customers changed the largest id and the count of identities tell whether somebody
    came or went; only then is everybody drawn anew.
    """
    counters = revisions.read(session)
    state = (db.engine.url.database, *counters.values())
    return _kept_held.of(state, lambda: _held_out(session))


def _held_out(session: Session) -> frozenset[int]:
    salt, share = exposures.salt(session), preferences.read(session).hold_out_share
    newest, count = session.execute(select(func.max(Identity.customer_id), func.count()).select_from(Identity)).one()
    people = (db.engine.url.database, salt, share, newest, count)
    return _kept_held.of(people, lambda: _drawn(session, salt, share))


def _drawn(session: Session, salt: str, share: float) -> frozenset[int]:
    rows = session.execute(select(Identity.customer_id, Identity.user_id)) if share > 0 else ()
    return frozenset(customer for customer, user_id in rows if exposures.in_hold_out(salt, user_id, share))


def _made(session: Session, settings: Settings) -> Ranking:
    import numpy as np

    run = session.execute(
        select(ScoringRun.id, ScoringRun.as_of)
        .where(ScoringRun.state == "complete", ScoringRun.role == "champion")
        .order_by(ScoringRun.id.desc())
        .limit(1)
    ).first()
    ids, margin, probability, percentile = _scored(session) if run else _nobody()
    known = worth.read(session, settings)
    ratio = known.of(ids)
    withheld = bool(np.isnan(probability).any())
    if withheld:
        values, gains = percentile * ratio, None
    else:
        # Acceptance x probability x value_i - cost, with value_i = value x ratio.
        values = economics_of(session, settings).net_gain(probability * ratio) * 10 ** exponent(settings.currency)
        gains = np.rint(values).astype(np.int64)
    order = np.lexsort((ids, -margin, -values))
    held = held_out(session)
    ids = ids[order]
    return Ranking(
        ids=ids,
        values=values[order],
        gains=None if gains is None else gains[order],
        held=np.fromiter((one in held for one in ids.tolist()), dtype=bool, count=len(ids)),
        worth=len(ids) if gains is None else int((gains > 0).sum()),
        valued_by=known.by,
        run_id=run.id if run else None,
        as_of=run.as_of if run else None,
        customers=bool(session.scalar(select(Customer.id).where(Customer.visible()).limit(1))),
        _sorter=np.argsort(ids, kind="stable"),
    )


def _nobody() -> tuple[np.ndarray, ...]:
    import numpy as np

    return np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(3))


def _scored(session: Session) -> tuple[np.ndarray, ...]:
    """Return ids, margins, probabilities (NaN: withheld) and percentiles of active scored customers, each of shape (n,)."""
    import numpy as np

    score = LatestScore
    rows = session.execute(
        select(score.customer_id, score.margin, score.probability, score.percentile)
        .join(Customer, Customer.id == score.customer_id)
        .where(Customer.visible(), Customer.churned.is_not(True))
    ).all()
    if not rows:
        return _nobody()
    ids, *figures = zip(*rows, strict=True)
    return np.array(ids, dtype=np.int64), *(np.array(column, dtype=np.float64) for column in figures)
