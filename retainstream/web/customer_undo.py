"""Taking an edit of a customer back: the old values go with the next page, and come back through the same door as an edit.

They pass through the browser's session once, since a form is answered with a redirect; nothing is kept afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import session as browser

_KEY = "undo_customer"
_LONGEST = 1_500
"""Characters that a cookie can carry beside the rest of the session."""


@dataclass(frozen=True)
class Undo:
    """What a form sends to take an edit back: the old values as JSON, and the version that they may be written over."""

    message: str
    values: str
    updated_at: str


def offer(user_id: str, updated_at: str, old: Mapping[str, Any], message: str) -> bool:
    """Keep old values (in the form that the API takes) for the next page; False when they are too long to go along."""
    values = json.dumps(old, ensure_ascii=False)
    if len(values) > _LONGEST:
        return False
    browser[_KEY] = {"user_id": user_id, "updated_at": updated_at, "values": values, "message": message}
    return True


def offered(user_id: str, updated_at: str) -> Undo | None:
    """Take out what was kept, for the page of the customer whom it is about, unless something else changed since."""
    kept = browser.pop(_KEY, None)
    if kept is None or kept["user_id"] != user_id or kept["updated_at"] != updated_at:
        return None
    return Undo(kept["message"], kept["values"], updated_at)
