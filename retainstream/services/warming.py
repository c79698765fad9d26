"""Makes what Home, Customers, Today and the analyses keep before somebody asks for it: else the first to look after new scores would wait for it."""

from __future__ import annotations

import contextlib

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.services import dashboard, revisions
from retainstream.services.cohorts import grids as cohorts
from retainstream.services.customers import counted, groups
from retainstream.services.customers.filters import CustomerFilter
from retainstream.services.desk import standing
from retainstream.services.health import business
from retainstream.services.health import reading as health
from retainstream.services.lifetime import reading as lifetime
from retainstream.services.revenue import bridge
from retainstream.services.rfm import reading as rfm
from retainstream.services.survival import curves as survival

FOLLOWED = ("customers", "scores", "model", "settings", "removals", "analyses")
"""Counters of what is kept here. New events alone change none of it, and on a busy feed they come all the time."""


def state() -> tuple[int, ...]:
    """Return the counters that are followed; costs so little that it may be asked every second. Needs an application context."""
    return revisions.glance(FOLLOWED)


def figures(settings: Settings) -> None:
    """Make what those pages show first, as far as it is not kept yet.

    It only reads, one unit for each, so that none is open for long. Needs an application context, and no open unit of work.
    """
    with read_unit() as session:
        dashboard.metrics(session, settings)
    with read_unit() as session:
        groups.read(session)
    with read_unit() as session:
        dashboard.distribution(session)
    with read_unit() as session:
        counted.choices(session)
        counted.total(session, CustomerFilter())
    with read_unit() as session:
        standing.read(session, settings)
    with contextlib.suppress(NotReady), read_unit() as session:
        rfm.standing(session)
    with contextlib.suppress(NotReady), read_unit() as session:
        health.standing(session)
    for made in (cohorts.read, survival.read, bridge.read, rfm.migration, lifetime.standing, business.read):
        with contextlib.suppress(NotReady), read_unit() as session:
            made(session, settings)
