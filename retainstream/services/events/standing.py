"""What subscriptions mean for the customers' own rows: plan, revenue, signup, whether and when they left.

They follow from each subscription's newest statement that is known and visible. Customers without statements are left alone. What a version of the
attributes says fills what no statement tells, so that everything can be taken back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from retainstream.lib import clock
from retainstream.services import revisions

CATCH_UP_US: Final = 30 * clock.DAY_US
"""How far back the hourly round looks for announced starts and ends: a box may have been switched off for as long."""

_VISIBLE = "({0}.batch_id IS NULL OR {0}.batch_id IN (SELECT id FROM import_batches WHERE state = 'applied'))"
_NAMED = "SELECT value FROM json_each(:ids)"
_OF_BATCH = "SELECT customer_id FROM subscriptions WHERE batch_id = :batch"
_DUE = (
    "SELECT customer_id FROM subscriptions WHERE (started_at > :since AND started_at <= :now) OR (ended_at > :since AND ended_at <= :now) "
    "OR (received_at > :since AND received_at <= :now)"
)
_ALL = "SELECT customer_id FROM subscriptions"

# The newest statement of each subscription; of each customer the subscription that runs and began last, or the one that began last;
# the revenue of all that run in its currency. `ran` and `runs` are 0 or 1.
_FOLLOW = """
WITH ranked AS (
    SELECT s.*, row_number() OVER (PARTITION BY s.key ORDER BY s.received_at DESC, s.id DESC) AS place
    FROM subscriptions AS s WHERE s.customer_id IN ({chosen}) AND s.received_at <= :now AND {visible}
), state AS (
    SELECT *, started_at <= :now AS ran, started_at <= :now AND (ended_at IS NULL OR ended_at > :now) AS runs FROM ranked WHERE place = 1
), shown AS (
    SELECT customer_id, plan, revenue_minor, currency,
        row_number() OVER (PARTITION BY customer_id ORDER BY runs DESC, ran DESC, started_at DESC, id DESC) AS place FROM state
), facts AS (
    SELECT customer_id, max(runs) AS runs, max(ran) AS ran, min(started_at) AS first, max(CASE WHEN ran THEN ended_at END) AS last_end
    FROM state GROUP BY customer_id
), paid AS (
    SELECT customer_id, currency, sum(revenue_minor) AS revenue FROM state WHERE runs GROUP BY customer_id, currency
), found AS (
    SELECT f.customer_id, coalesce(w.plan, v.plan) AS plan, f.runs, f.ran, f.last_end, coalesce(v.signup_at, f.first) AS signup_at,
        coalesce(p.revenue, w.revenue_minor, v.revenue_minor) AS revenue_minor,
        CASE WHEN coalesce(p.revenue, w.revenue_minor) IS NULL THEN v.currency ELSE w.currency END AS currency
    FROM facts AS f JOIN shown AS w ON w.customer_id = f.customer_id AND w.place = 1 JOIN customers AS c ON c.id = f.customer_id
    LEFT JOIN attribute_versions AS v ON v.id = c.version_id
    LEFT JOIN paid AS p ON p.customer_id = f.customer_id AND p.currency IS w.currency
)
UPDATE customers SET plan = x.plan, revenue_minor = x.revenue_minor, currency = x.currency, signup_at = x.signup_at,
    churned = CASE WHEN x.runs THEN 0 WHEN x.ran THEN 1 ELSE churned END,
    churned_at = CASE WHEN x.runs THEN NULL WHEN x.ran THEN x.last_end ELSE churned_at END, updated_at = :now
FROM found AS x WHERE x.customer_id = customers.id AND (customers.plan IS NOT x.plan OR customers.revenue_minor IS NOT x.revenue_minor
    OR customers.currency IS NOT x.currency OR customers.signup_at IS NOT x.signup_at
    OR (x.ran AND (customers.churned IS NOT (NOT x.runs) OR customers.churned_at IS NOT CASE WHEN x.runs THEN NULL ELSE x.last_end END)))
"""

_LAST_LABEL = (
    "(SELECT l.{column} FROM labels AS l WHERE l.customer_id = customers.id AND {visible} ORDER BY l.id DESC LIMIT 1)"
)

# Customers who have no statement any more: what the attributes and the newest label say.
_BACK = """
UPDATE customers SET plan = x.plan, revenue_minor = x.revenue_minor, currency = x.currency, signup_at = x.signup_at,
    churned = {churned}, churned_at = {churned_at}, updated_at = :now
FROM (SELECT c.id, v.plan, v.revenue_minor, v.currency, v.signup_at FROM customers AS c
    LEFT JOIN attribute_versions AS v ON v.id = c.version_id WHERE c.id IN ({chosen})) AS x
WHERE x.id = customers.id AND NOT EXISTS (SELECT 1 FROM subscriptions AS s WHERE s.customer_id = customers.id AND {visible})
"""

_FEEDS = "SELECT DISTINCT f.name FROM subscriptions AS s JOIN feeds AS f ON f.id = s.feed_id WHERE s.customer_id = :id AND {visible}"


def refresh(session: Session, customer_ids: Iterable[int], now: int) -> int:
    """Let the rows of some customers follow their subscriptions; return how many changed. Raises the revision `customers` when any did."""
    ids = json.dumps(sorted(customer_ids))
    return 0 if ids == "[]" else _follow(session, _NAMED, {"ids": ids, "now": now})


def refresh_all(session: Session, now: int) -> int:
    """Do the same for everybody who has subscriptions: after an import of customers, which knows nothing of them."""
    return _follow(session, _ALL, {"now": now})


def follow_batch(session: Session, batch_id: int, now: int) -> int:
    """Do the same for the customers of a load of statements, in the unit that makes it visible, once its state is `applied`."""
    return _follow(session, _OF_BATCH, {"batch": batch_id, "now": now})


def withdraw_batch(session: Session, batch_id: int, now: int) -> int:
    """Take back what a load of statements meant, in the unit in which its state ceases to be `applied` and before its rows are removed.

    Customers with statements from elsewhere follow those; the others get back what their attributes and labels say.
    """
    values = {"batch": batch_id, "now": now}
    changed = _follow(session, _OF_BATCH, values)
    statement = _BACK.format(
        chosen=_OF_BATCH,
        visible=_VISIBLE.format("s"),
        churned=_LAST_LABEL.format(column="value", visible=_VISIBLE.format("l")),
        churned_at=_LAST_LABEL.format(column="churned_at", visible=_VISIBLE.format("l")),
    )
    back = cast("CursorResult[Any]", session.execute(text(statement), values)).rowcount
    if back:
        revisions.bump(session, "customers")
    return changed + back


def pass_time(session: Session, since: int, now: int) -> int:
    """Let starts and ends that were announced take effect once their time has come, between two instants; return how many customers changed."""
    return _follow(session, _DUE, {"since": since, "now": now})


def feeds_of(session: Session, customer_id: int) -> list[str]:
    """Return the names of the feeds that tell of a customer's subscriptions, sorted."""
    query = _FEEDS.format(visible=_VISIBLE.format("s"))
    return sorted(session.scalars(text(query), {"id": customer_id}))


def _follow(session: Session, chosen: str, values: dict[str, Any]) -> int:
    statement = text(_FOLLOW.format(chosen=chosen, visible=_VISIBLE.format("s")))
    changed = cast("CursorResult[Any]", session.execute(statement, values)).rowcount
    if changed:
        revisions.bump(session, "customers")
    return changed
