"""A trained model that the tests of looking forward share."""

from __future__ import annotations

import pytest

from retainstream.ml.asof.panel import Panel
from retainstream.ml.forward.training import TestWindow, train_forward
from retainstream.ml.served import ServedModel
from tests.ml.forward.made_panel import QUICK, make_panel


@pytest.fixture(scope="session")
def panel() -> Panel:
    return make_panel()


@pytest.fixture(scope="session")
def trained(panel) -> tuple[ServedModel, TestWindow]:
    """The model of the panel with the default split, and its test window."""
    return train_forward(panel, QUICK)
