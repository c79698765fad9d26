"""A box whose customers have a past, looked at over time: pages of derived figures are tested on it."""

from __future__ import annotations

from flask import Flask

from retainstream.config import Settings
from retainstream.db import unit_of_work
from tests.history import define, make_past, write_past
from tests.work import run_job


def tell_past(app: Flask, customers: int = 120, months: int = 8) -> None:
    """Write a past with a rule of leaving and run the job of analyses."""
    settings: Settings = app.config["RETAINSTREAM"]
    with app.app_context():
        with unit_of_work() as session:
            write_past(session, make_past(customers, months))
            define(session)
        run_job(settings, "analyse")
