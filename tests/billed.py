"""Seven customers whose subscriptions begin, end and change price in the first months of 2024, so that every figure of revenue can be told by hand.

| month | opening | new | back | more | less | churn | closing | customers |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 2024-01 | 0 | 6000 (5) | | | | | 6000 | 5 |
| 2024-02 | 6000 | | | | | -1000 (c) | 5000 | 4 |
| 2024-03 | 5000 | 700 (f) | | 1000 (d) | | -1000 (b) | 5700 | 4 |
| 2024-04 | 5700 | | 1500 (c) | | -1500 (e) | | 5700 | 5 |
| 2024-05 | 5700 | runs until the 19th | | | | | 5700 | 5 |
"""

from __future__ import annotations

from datetime import UTC, datetime

from retainstream.config import Settings
from retainstream.db import unit_of_work
from retainstream.lib import clock
from retainstream.models import ImportBatch
from retainstream.services import feeds, revisions
from retainstream.services.events import standing
from retainstream.services.events.rows import EventRows, SubscriptionRows
from retainstream.services.events.writing import SubscriptionWriter
from tests.history import define, write_events
from tests.work import run_job

BRIDGE = {
    "2024-01": {"opening": 0, "new": 6000, "closing": 6000, "new_customers": 5, "closing_customers": 5},
    "2024-02": {"opening": 6000, "churn": -1000, "closing": 5000, "churn_customers": 1, "closing_customers": 4},
    "2024-03": {
        "opening": 5000,
        "new": 700,
        "expansion": 1000,
        "churn": -1000,
        "closing": 5700,
        "closing_customers": 4,
    },
    "2024-04": {"opening": 5700, "reactivation": 1500, "contraction": -1500, "closing": 5700, "closing_customers": 5},
    "2024-05": {"opening": 5700, "closing": 5700, "closing_customers": 5},
}
"""What the bridge must say; what is not named is nought (but for the customers at the beginning)."""
Span = tuple[str, str, int, int, int | None, int | None]
"""Customer, plan, price, and month and day of the beginning and of the end, as numbers such as 310 for 10 March."""
SPANS: tuple[Span, ...] = (
    ("a", "basic", 1000, 110, None, None),
    ("b", "basic", 1000, 115, 310, None),
    ("c", "basic", 1000, 115, 220, None),
    ("c", "plus, yearly/100%", 1500, 405, None, None),
    ("d", "basic", 1000, 120, 301, None),
    ("d", "plus, yearly/100%", 2000, 301, None, None),
    ("e", "plus, yearly/100%", 2000, 121, 412, None),
    ("e", "basic", 500, 412, None, None),
    ("f", "basic", 700, 303, None, None),
    ("g", "trial", 0, 110, None, None),
)


def at(day: int) -> int:
    """Return the midnight of a day of 2024 such as 310, microseconds UTC."""
    return clock.to_us(datetime(2024, day // 100, day % 100, tzinfo=UTC))


def state(spans: tuple[Span, ...], *, batch: int | None = None) -> None:
    """Write statements; the sixth part of a span is when it became known, by default when it happened."""
    said = []
    for who, plan, price, start, end, known in spans:
        first = at(known or start)
        said.append((who, plan, price, at(start), None if known is None or end is None else at(end), first))
        if end is not None and known is None:
            said.append((who, plan, price, at(start), at(end), at(end)))
    said.sort(key=lambda one: one[5])
    names, plans, prices, starts, ends, received = (list(column) for column in zip(*said, strict=True))
    n, now = len(said), clock.now_us()
    with unit_of_work() as session:
        writer = SubscriptionWriter("billing", batch_id=batch, now=now, erased=lambda _: False)
        writer.write(
            session,
            SubscriptionRows(
                user_ids=names, keys=[None] * n, plans=plans, revenue_minor=prices, currencies=["EUR"] * n, started=starts,
                ended=ends, reasons=["voluntary" if end else None for end in ends], received=received,
            ),
        )  # fmt: skip
        feeds.arrived(session, "billing", **writer.arrival(), now=now, live=False)
        standing.refresh_all(session, now)
        revisions.bump(session, "events", "customers")


def log_in(*days: int, who: str = "a", kind: str = "login", value: float | None = None) -> None:
    """Write an event at noon of some days: the data reach to the newest."""
    moments = [at(day) + clock.DAY_US // 2 for day in days]
    n = len(moments)
    rows = EventRows([who] * n, [kind] * n, moments, list(moments), [value] * n, [None] * n, [None] * n)
    with unit_of_work() as session:
        write_events(session, rows, "app")


def load(filename: str) -> int:
    """Note an import of subscriptions that is being applied; `applied` ends it."""
    with unit_of_work() as session:
        batch = ImportBatch(
            state="applied", target="subscriptions", source="file", filename=filename, file_sha256="0" * 64, size_bytes=1,
            created_at=clock.now_us(), applied_at=clock.now_us(), known_at_time=True,
        )  # fmt: skip
        session.add(batch)
        session.flush()
        return batch.id


def bill(settings: Settings) -> None:
    """Fill a box with the seven, a churn definition, and the analyses. Needs an app context."""
    state(SPANS)
    log_in(101, 215, 520)
    with unit_of_work() as session:
        define(session)
    run_job(settings, "analyse")
