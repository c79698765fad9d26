"""A simulated service as a History: what the company knows by the end of the span, without a database. Customer ids are positions."""

from __future__ import annotations

import numpy as np

from retainstream.ml.asof.columns import REASONS, EventLog, History, ProfileLog, SubscriptionLog
from retainstream.ml.features import FeatureSpec, Recipe, title_of
from retainstream.ml.simulator.emission import KINDS
from retainstream.ml.simulator.play import Simulation
from retainstream.ml.simulator.setup import CAUSES, PLANS

_CATEGORIES = ("country", "channel", "age_band", "bucket")


def history_of(simulation: Simulation, properties: tuple[str, ...] = ("device",)) -> History:
    """Return all that arrived before the end of the span.

    Parameters
    ----------
    simulation : Simulation
    properties : tuple of str
        Those whose different values are to be counted.
    """
    customers = np.arange(simulation.service.customers, dtype=np.int64)
    return History(customers, _events(simulation, properties), _subscriptions(simulation), _profiles(simulation))


def _events(simulation: Simulation, properties: tuple[str, ...]) -> EventLog:
    months = list(simulation.events())
    columns = {
        name: np.concatenate([getattr(month, name) for month in months])
        for name in ("who", "kind", "occurred", "received", "value", "properties", "key")
    }
    # A repeat says nothing new: the first arrival of a key counts, as it does in the database.
    first = np.sort(np.unique(columns["key"], return_index=True)[1])
    columns = {name: column[first] for name, column in columns.items()}
    sets = columns["properties"]
    log = EventLog(
        customer=columns["who"].astype(np.int64),
        kind=columns["kind"].astype(np.int16),
        occurred=columns["occurred"],
        received=columns["received"],
        value=columns["value"],
        order=np.arange(len(first), dtype=np.int64),
        kinds=KINDS,
        properties={name: np.where(sets >= 0, months[0].codes[name][sets], -1) for name in properties},
    )
    return EventLog.of(log)


def _subscriptions(simulation: Simulation) -> SubscriptionLog:
    said = simulation.statements()
    reasons = np.array([*(REASONS.index(cause) for cause in CAUSES), -1], dtype=np.int8)
    return SubscriptionLog(
        customer=said.who.astype(np.int64),
        subscription=said.who.astype(np.int64),
        received=said.received,
        order=np.arange(len(said), dtype=np.int64),
        started=said.started,
        ended=said.ended,
        reason=reasons[said.reason],
        plan=said.plan.astype(np.int32),
        price_minor=said.price_minor.astype(np.float64),
        plans=PLANS,
    )


def _profiles(simulation: Simulation) -> ProfileLog:
    known = simulation.customers()
    values: dict[str, np.ndarray] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for name in _CATEGORIES:
        found, codes = np.unique(getattr(known, name).astype(str), return_inverse=True)
        values[name], levels[name] = codes.astype(np.int32), tuple(found.tolist())
    values["email_opt_out"] = known.email_opt_out.astype(np.float64)
    values["lucky_number"] = known.lucky_number.astype(np.float64)
    specs = tuple(
        FeatureSpec(
            name=name,
            kind="category" if name in levels else "boolean" if name == "email_opt_out" else "integer",
            title=title_of(name),
            recipe=Recipe("profile", "value", event=name),
        )
        for name in values
    )
    n = simulation.service.customers
    return ProfileLog(np.arange(n, dtype=np.int64), known.signup, np.arange(n, dtype=np.int64), values, specs, levels)
