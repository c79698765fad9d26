"""Who is a customer at a time and who has left, by a churn rule; and writing the latter down on the customers.

The rules themselves are `retainstream.ml.asof.outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from retainstream.models import Customer

if TYPE_CHECKING:
    import numpy as np

    from retainstream.ml.asof.columns import History
    from retainstream.ml.asof.rules import ChurnRule

_WRITE = 4_000


@dataclass(frozen=True)
class Standings:
    """Where customers stand at a time.

    Attributes
    ----------
    active, announced : int64 arrays
        Who is scored, and whose end is known in advance; ids, rising.
    left, left_at : int64 arrays of the same length
        Who has left for whatever reason, by rising id, and when, microseconds UTC.
    stayed : int64 array
        Of whom something is known, and who has not left; ids, rising.
    """

    active: np.ndarray
    announced: np.ndarray
    left: np.ndarray
    left_at: np.ndarray
    stayed: np.ndarray

    def counts(self) -> dict[str, object]:
        """Return how many there are of each kind, for the summary of a run."""
        return {"active": len(self.active), "announced": len(self.announced), "left": len(self.left)}


def at(rule: ChurnRule, history: History, as_of: int) -> Standings:
    """Return where customers stand, from a history that is cut at `as_of`.

    Who is scored follows from the rule. Who has left does so too for a rule about inactivity; under a rule about one way of ending a
    subscription, a customer whose subscription ended in another way has left all the same.
    """
    import numpy as np

    from retainstream.ml.asof.columns import REASONS
    from retainstream.ml.asof.outcomes import departures, standing

    own = standing(rule, history, as_of)
    whole = rule if rule.kind == "inactivity" else replace(rule, kind="non_renewal", reasons=REASONS, settle_days=0)
    here = standing(whole, history, as_of)
    customer, left_at = departures(whole, history, as_of)
    last = np.append(customer[1:] != customer[:-1], True)[: len(customer)]
    customer, left_at = customer[last], left_at[last]
    gone = ~np.isin(customer, np.concatenate([here.customers, here.announced]))
    left, left_at = customer[gone], left_at[gone]
    known = np.unique(
        np.concatenate([here.customers, here.announced, own.customers, customer, history.subscriptions.customer])
    )
    return Standings(own.customers, own.announced, left, left_at, np.setdiff1d(known, left))


def write(session: Session, found: Standings) -> int:
    """Bring `churned` and `churned_at` of the customers in line, where they differ; return how many rows changed."""
    wanted: dict[int, tuple[bool, int | None]] = dict.fromkeys(found.stayed.tolist(), (False, None))
    wanted |= {one: (True, moment) for one, moment in zip(found.left.tolist(), found.left_at.tolist(), strict=True)}
    stored = session.execute(sa.select(Customer.id, Customer.churned, Customer.churned_at))
    changed = [
        (churned, moment, one)
        for one, was, was_at in stored
        if one in wanted
        for churned, moment in (wanted[one],)
        if (was, was_at) != (churned, moment)
    ]
    connection = session.connection()
    for start in range(0, len(changed), _WRITE):
        connection.exec_driver_sql(
            "UPDATE customers SET churned = ?, churned_at = ? WHERE id = ?", changed[start : start + _WRITE]
        )
    return len(changed)
