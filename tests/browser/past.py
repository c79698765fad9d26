"""A past for the filled box: subscriptions at three plans, log-ins and purchases of nine months, the analyses of it, and months of the books, one of them corrected."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from retainstream.config import Settings
from retainstream.db import read_unit, unit_of_work
from retainstream.lib import clock
from retainstream.security.actor import Actor
from retainstream.services.analyses.purchases import BOUGHT
from retainstream.services.events.rows import EventRows
from retainstream.services.revenue import bridge, months
from tests import billed
from tests.history import Past, define, make_past, write_events, write_past
from tests.work import run_job

PLANS = (("Basic", 999), ("Standard with two screens", 1499), ("Premium", 2499))
PRODUCTS = ("sofa, three seats", "cushion", "lamp")
DAYS = 260
LATE = (("stated-late", "Basic", 999, 202, None, 1001),)
"""A subscription of last February that became known after the months were closed."""


def tell_past(settings: Settings, person: Actor, user_id: str, customers: int = 150) -> None:
    """Write the past, with a known customer in it, make every analysis, close two months, and let a statement come late. Needs an app context."""
    past = _of(make_past(customers, 9), user_id)
    with unit_of_work() as session:
        write_past(session, past)
        write_events(session, _purchases(sorted(set(past.subscriptions.user_ids)), user_id, past.end), "till")
        define(session)
    run_job(settings, "analyse")
    with read_unit() as session:
        book = bridge.read(session, settings)
    with unit_of_work() as session:
        for period in book.months[:3]:
            months.close(session, person, settings, period)
    billed.state(LATE, batch=billed.load("subscriptions that came late.csv"))
    run_job(settings, "analyse")


def _of(past: Past, user_id: str) -> Past:
    """Give the made-up customers plans, and the first of them the name of one who is on record."""
    first = min(past.subscriptions.user_ids)
    names = sorted(set(past.subscriptions.user_ids))
    plan = {name: PLANS[at % len(PLANS)] for at, name in enumerate(names)}
    told = past.subscriptions
    called = {first: user_id}
    subscriptions = replace(
        told,
        user_ids=[called.get(name, name) for name in told.user_ids],
        currencies=["USD"] * len(told.user_ids),
        plans=[plan[name][0] for name in told.user_ids],
        revenue_minor=[plan[name][1] for name in told.user_ids],
    )
    events = replace(past.events, user_ids=[called.get(name, name) for name in past.events.user_ids])
    return replace(past, events=events, subscriptions=subscriptions)


def _purchases(names: list[str], user_id: str, end: int) -> EventRows:
    """Let everybody buy at a rate of their own until they stop; a sofa is often followed by a cushion, which the known customer has not taken."""
    rng = np.random.default_rng(3)
    rows: list[tuple[int, str, float, str]] = []
    for at, name in enumerate(names):
        sofa, day = name == user_id or at % 3 == 0, rng.uniform(0, 120)
        rate, leaves, mean = rng.gamma(1.0, 0.04), rng.beta(1.0, 4.0), rng.gamma(4.0, 10.0)
        product = PRODUCTS[0] if sofa else PRODUCTS[2]
        while day < DAYS:
            told = json.dumps({"product": product})
            rows.append((end - int((DAYS - day) * clock.DAY_US), name, round(float(rng.gamma(3.0, mean / 3)), 2), told))
            if rng.random() < leaves:
                break
            product = PRODUCTS[1] if sofa and name != user_id and rng.random() < 0.9 else product
            day += max(1.0, rng.exponential(1 / rate))
    rows.sort()
    moments, who, values, properties = (list(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return EventRows(who, [BOUGHT] * n, moments, list(moments), values, properties, [None] * n)
