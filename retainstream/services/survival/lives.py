"""One row a customer: how long they have been one, whether they left, and from when on they were seen. First stays only.

Who came back is counted by the first stay, as in the cohort grid; what came after a return is the revenue bridge's affair. Those who were customers
before anything was recorded enter late, because whoever left before that is not on record; where nobody knows since when they had been
customers (a rule of inactivity, no date of signing up), they are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.models import ChurnDefinition, Customer
from retainstream.services import churn_definitions
from retainstream.services.analyses import kept, material, record

if TYPE_CHECKING:
    from retainstream.ml.asof.rules import ChurnRule
    from retainstream.services.analyses.material import Material

DAYS_PER_MONTH = 30.4375
_MONTH_US = DAYS_PER_MONTH * clock.DAY_US


@dataclass(frozen=True)
class Lives:
    """First stays; arrays of shape (n,), one place a customer, by rising id.

    Attributes
    ----------
    kind : {"forward", "snapshot"}
        A snapshot has tenures without dates.
    as_of : int
        Microseconds UTC.
    rule : str
        What counts as leaving, in words; of a snapshot, the label's name.
    customer : int64
    came : int64
        When the stay began, microseconds UTC; 0 in a snapshot.
    months, entry : float64
        Length of the stay until it ended, or until the last day of which every end is certain at `as_of`; and how much of it had passed when the
        customer was first seen. Whole days over 30.4375.
    left : bool
        Whether it ended in the way of the rule.
    recorded_from : int or None
        From when on departures are on record, microseconds UTC; None in a snapshot.
    otherwise : int
        Stays that ended in another way: they count until then.
    unknown : int64 array of shape (m,)
        Customers who are left out because nobody knows since when they had been customers.
    """

    kind: str
    as_of: int
    rule: str
    customer: np.ndarray
    came: np.ndarray
    months: np.ndarray
    entry: np.ndarray
    left: np.ndarray
    recorded_from: int | None
    otherwise: int
    unknown: np.ndarray

    def __len__(self) -> int:
        return len(self.customer)


_kept: Kept[Lives] = Kept(2)


def read(session: Session, settings: Settings) -> Lives:
    """Return everybody's first stay as of the material in force; raises NotReady before there is any."""
    return _kept.of(kept.state(session), lambda: _made(session, settings))


def _made(session: Session, settings: Settings) -> Lives:
    found = material.read(session, settings)
    definition = None if found.definition_id is None else session.get(ChurnDefinition, found.definition_id)
    name = "" if definition is None else definition.name
    if found.kind == material.SNAPSHOT:
        return _of_snapshot(found, name)
    rule = None if definition is None else churn_definitions.rule_of(definition)
    assert rule is not None  # a history has no stays without a rule
    return _of_stays(session, settings, found, rule, name)


def _of_snapshot(found: Material, name: str) -> Lives:
    n = len(found.tenure_customer)
    months = np.maximum(np.asarray(found.tenure_months, np.float64), 0.0)
    nobody, none = np.zeros(0, np.int64), np.zeros(n, np.int64)
    return Lives(
        found.kind, found.as_of, name, np.asarray(found.tenure_customer), none, months, np.zeros(n),
        np.asarray(found.tenure_left, bool), None, 0, nobody,
    )  # fmt: skip


def _of_stays(session: Session, settings: Settings, found: Material, rule: ChurnRule, name: str) -> Lives:
    from retainstream.ml.survival import never_at_risk

    first = record.first_of_each(found.stay_customer)
    customer, start = np.asarray(found.stay_customer[first]), np.asarray(found.stay_start[first])
    end, counts = np.asarray(found.stay_end[first]), np.asarray(found.stay_counts[first])
    begin = record.begins(found, settings) if len(start) else found.as_of
    if rule.kind == "inactivity":
        came, seen, known = _since_signing_up(session, customer, start, record.certain_from(begin, rule))
    else:
        came, seen, known = start, np.maximum(start, begin), np.ones(len(start), bool)
    ended = end != material.NEVER
    # An end is told once it is certain: until the last day of which that holds for everybody, and no longer, has anybody been followed.
    last = np.where(ended, end, found.as_of - rule.confirm_days * clock.DAY_US)
    duration, entry = _days(last - came), _days(seen - came)
    on_record = known & (seen <= last)
    kept_rows = on_record & ~never_at_risk(duration, entry) & (entry <= duration)
    return Lives(
        kind=found.kind,
        as_of=found.as_of,
        rule=name,
        customer=customer[kept_rows],
        came=came[kept_rows],
        months=duration[kept_rows] / DAYS_PER_MONTH,
        entry=entry[kept_rows] / DAYS_PER_MONTH,
        left=(ended & counts)[kept_rows],
        recorded_from=begin,
        otherwise=int((ended & ~counts)[kept_rows].sum()),
        unknown=customer[~known],
    )


def _since_signing_up(
    session: Session, customer: np.ndarray, start: np.ndarray, certain_from: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return since when each has been a customer, when each was first seen, and whether the former is known: by signing up, or by coming later."""
    rows = session.execute(select(Customer.id, Customer.signup_at).where(Customer.signup_at.is_not(None))).all()
    signed = dict.fromkeys(customer.tolist(), material.NEVER) | {row[0]: row[1] for row in rows}
    since = np.fromiter((signed[one] for one in customer.tolist()), np.int64, len(customer))
    return np.minimum(since, start), start, (since < start) | (start >= certain_from)


def _days(length: np.ndarray) -> np.ndarray:
    """Whole days, as float64: days as such keep the curve's steps few, and one's end and another's entry on one day in order."""
    return np.asarray(length // clock.DAY_US, np.float64)
