"""Which customers a list means: one filter for lists, exports and counts, so that a figure and the list that it opens agree."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from retainstream import dialect
from retainstream.models import Customer, Identity, LatestScore


@dataclass(frozen=True)
class CustomerFilter:
    """What a caller asked for; an absent field does not narrow.

    Attributes
    ----------
    status : str
        `active` (has not left; the default), `left` or `all`.
    q : str
        Part of the identifier and, when `personal`, of the name or e-mail.
    bands : tuple of int
        Risk bands, 0 low to 3 very high.
    min_probability, max_probability : float
        Between 0 and 1, both included.
    min_revenue, max_revenue : int
        Monthly revenue in minor units, both included.
    extra : tuple of conditions
        Further conditions on Customer.
    named : tuple of str
        What each of `extra` is, where all of them follow from a name and the state of the data: then the length of the list can be kept.
    ranked : str
        Ids of a group in its order, as a JSON list, for lists in that order; empty outside a group. It narrows nothing: that is a condition in `extra`.
    """

    status: str = "active"
    q: str = ""
    plans: tuple[str, ...] = ()
    bands: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    min_probability: float | None = None
    max_probability: float | None = None
    min_revenue: int | None = None
    max_revenue: int | None = None
    min_tenure: float | None = None
    max_tenure: float | None = None
    personal: bool = False
    extra: tuple[ColumnElement[bool], ...] = field(default=(), compare=False)
    named: tuple[str, ...] = ()
    ranked: str = field(default="", compare=False)

    @property
    def needs_score(self) -> bool:
        """Tell whether only scored customers can match."""
        return bool(self.bands) or self.min_probability is not None or self.max_probability is not None

    def conditions(self, *, in_order: bool = False) -> list[ColumnElement[bool]]:
        """Return the SQL conditions on Customer and, when `needs_score`, on LatestScore.

        `in_order` keeps the database from looking anything up by who left or by the band: for a list so long that it does best to go through all
        customers in their order until the page is full.
        """
        found: list[ColumnElement[bool]] = [Customer.visible(), *self.extra]
        if self.status == "active":
            found.append(Customer.churned.is_not(True))
        elif self.status == "left":
            left = dialect.unindexed(Customer.churned) if in_order else Customer.churned
            found.append(left.is_(True))
        if self.q.strip():
            found.append(dialect.search_condition(Customer.id, self.q.strip(), personal=self.personal))
        if self.plans:
            found.append(Customer.plan.in_(self.plans))
        if self.tags:
            tag = func.json_each(Customer.tags).table_valued("value")
            found += [select(1).select_from(tag).where(tag.c.value == wanted).exists() for wanted in self.tags]
        if self.bands:
            band = dialect.unindexed(LatestScore.band) if in_order else LatestScore.band
            found.append(band.in_(self.bands))
        ranges: tuple[tuple[ColumnElement[float | None], float | None, float | None], ...] = (
            (LatestScore.probability, self.min_probability, self.max_probability),  # type: ignore[assignment]
            (Customer.revenue_minor, self.min_revenue, self.max_revenue),
            (Customer.tenure_months, self.min_tenure, self.max_tenure),
        )
        for attribute, low, high in ranges:
            if low is not None:
                found.append(attribute >= low)
            if high is not None:
                found.append(attribute <= high)
        return found


def ids(wanted: CustomerFilter) -> Select[int]:
    """Return a query for the ids of the customers that match."""
    query = select(Customer.id)
    if wanted.needs_score:
        query = query.join(LatestScore, LatestScore.customer_id == Customer.id)
    return query.where(*wanted.conditions())


def count(session: Session, wanted: CustomerFilter) -> int:
    """Return how many customers match."""
    query = select(func.count()).select_from(Customer)
    if wanted.needs_score:
        query = query.join(LatestScore, LatestScore.customer_id == Customer.id)
    return session.scalar(query.where(*wanted.conditions())) or 0


def by_user_id(session: Session, user_id: str) -> tuple[Customer, Identity] | None:
    """Return a visible customer with its identity, or None."""
    row = session.execute(
        select(Customer, Identity)
        .join(Identity, Identity.customer_id == Customer.id)
        .where(Identity.user_id == user_id, Customer.visible())
    ).first()
    return None if row is None else (row[0], row[1])
