"""A box with the customers of `people`."""

from __future__ import annotations

import pytest
from flask import Flask

from retainstream.db import unit_of_work
from tests.services.segments.people import Person, add_people


@pytest.fixture
def people(minimal_app: Flask) -> list[Person]:
    """The customers, in a database of their own."""
    assert minimal_app
    with unit_of_work() as session:
        return add_people(session)
