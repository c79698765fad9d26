"""What the current app holds for whoever serves a request."""

from __future__ import annotations

from typing import cast

from flask import current_app

from retainstream.config import Settings


def box_settings() -> Settings:
    """Return the settings of the box. Needs an application context."""
    return cast(Settings, current_app.config["RETAINSTREAM"])
