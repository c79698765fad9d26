"""A made-up video-streaming service whose customers leave for causes, with the true hazard of every one of them.

These are not real people and prove nothing about real ones. :class:`Service` is what is asked for, :class:`Simulation` plays it:
``setup`` holds the dials, ``world`` the calendar, ``people`` who the customers are, ``life`` a day of theirs, ``emission`` what the
company sees of it, ``oracle`` the truth, ``record`` the whole as a :class:`~retainstream.ml.asof.columns.History`, ``turns`` changes of plan
and returns, for a demo, ``files`` the files.

Examples
--------
>>> from retainstream.ml.simulator import Service, Simulation
>>> service = Simulation(Service(customers=600, months=4, end=1_767_225_600_000_000, seed=1))
>>> sum(len(month) for month in service.events()) > 5_000
True
>>> truth = service.oracle(as_of=service.end - 40 * 86_400_000_000, horizon_days=30)
>>> bool((truth.voluntary >= 0).all() and (truth.voluntary <= 1).all())
True
"""

from retainstream.ml.simulator.emission import KINDS, EventColumns
from retainstream.ml.simulator.oracle import Oracle
from retainstream.ml.simulator.people import CustomerColumns
from retainstream.ml.simulator.play import Simulation
from retainstream.ml.simulator.setup import CAUSES, PLANS, Service
from retainstream.ml.simulator.statements import StatementColumns

__all__ = [
    "CAUSES",
    "KINDS",
    "PLANS",
    "CustomerColumns",
    "EventColumns",
    "Oracle",
    "Service",
    "Simulation",
    "StatementColumns",
]
