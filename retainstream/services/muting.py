"""Muting a finding, and letting it count again. The finding of a silent feed is muted by muting the feed, so that training no longer waits for it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from retainstream.errors import Conflict, NotFound
from retainstream.models import Finding
from retainstream.security.actor import Actor
from retainstream.services import audit, feeds, findings


def get(session: Session, finding_id: int) -> Finding:
    """Return a finding; raises NotFound."""
    found = session.get(Finding, finding_id)
    if found is None:
        raise NotFound("There is no such finding.")
    return found


def mute(session: Session, actor: Actor, finding_id: int, muted: bool) -> dict[str, object]:
    """Mute a finding (or, with False, let it count again) and return it as the API shows it.

    Raises
    ------
    NotFound
        When there is no such finding.
    Conflict
        When what it says no longer holds, so that there is nothing to mute.
    """
    found = get(session, finding_id)
    if found.closed_at is not None:
        raise Conflict("What this finding says no longer holds; there is nothing to mute.")
    if found.kind == feeds.FINDING:
        feeds.change(session, actor, str(found.detail["feed"]), {"muted": muted})
    else:
        findings.set_muted(found, muted)
    audit.record(session, actor, "finding.mute" if muted else "finding.unmute", "finding", found.id)
    session.flush()
    return findings.present(found)
