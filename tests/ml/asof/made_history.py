"""Small histories, written as a person would tell them: days counted from DAY_0, customers by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retainstream.ml.asof.columns import DAY_US, NEVER, REASONS, EventLog, History, ProfileLog, SubscriptionLog

DAY_0 = 1_767_225_600_000_000  # 2026-01-01

# customer, day, kind, and where they differ from the usual: day of arrival, value
EventRow = tuple[int, float, str] | tuple[int, float, str, float] | tuple[int, float, str, float, float]


def day(number: float) -> int:
    """Return the instant of a day since DAY_0; parts of days count."""
    return DAY_0 + round(number * DAY_US)


def event_log(rows: Sequence[EventRow]) -> EventLog:
    """Return events; an event arrives when it occurs unless the fourth place says another day."""
    kinds = tuple(sorted({row[2] for row in rows}))
    occurred = np.array([day(row[1]) for row in rows], np.int64)
    log = EventLog(
        customer=np.array([row[0] for row in rows], np.int64),
        kind=np.array([kinds.index(row[2]) for row in rows], np.int16),
        occurred=occurred,
        received=np.array(
            [day(row[3]) if len(row) > 3 else at for row, at in zip(rows, occurred, strict=True)], np.int64
        ),
        value=np.array([row[4] if len(row) > 4 else np.nan for row in rows], np.float64),
        order=np.arange(len(rows), dtype=np.int64),
        kinds=kinds,
    )
    return EventLog.of(log)


def subscription_log(rows: Sequence[dict[str, object]]) -> SubscriptionLog:
    """Return statements given as dicts: customer, started; key, ended, reason, plan, price, received where they differ from the usual."""
    plans = tuple(sorted({str(row["plan"]) for row in rows if "plan" in row}))
    reasons = [str(row["reason"]) if "reason" in row else None for row in rows]

    def instants(name: str, default: list[int]) -> np.ndarray:
        return np.array(
            [day(row[name]) if name in row else other for row, other in zip(rows, default, strict=True)], np.int64
        )  # type: ignore[arg-type]

    started = instants("started", [0] * len(rows))
    log = SubscriptionLog(
        customer=np.array([row["customer"] for row in rows], np.int64),
        subscription=np.array([row.get("key", row["customer"]) for row in rows], np.int64),
        received=instants("received", started.tolist()),
        order=np.arange(len(rows), dtype=np.int64),
        started=started,
        ended=instants("ended", [NEVER] * len(rows)),
        reason=np.array([-1 if reason is None else REASONS.index(reason) for reason in reasons], np.int8),
        plan=np.array([plans.index(str(row["plan"])) if "plan" in row else -1 for row in rows], np.int32),
        price_minor=np.array([row.get("price", 999.0) for row in rows], np.float64),
        plans=plans,
    )
    return log.take(np.lexsort((log.order, log.received)))


def history(events: Sequence[EventRow] = (), subscriptions: Sequence[dict[str, object]] = ()) -> History:
    """Return a history without profiles."""
    log, statements = event_log(events), subscription_log(subscriptions)
    everybody = np.unique(np.concatenate([log.customer, statements.customer]))
    none = np.empty(0, np.int64)
    return History(everybody, log, statements, ProfileLog(none, none, none, {}, ()))
