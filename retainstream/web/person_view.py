"""The person in the corner of every page."""

from __future__ import annotations

from dataclasses import dataclass

from retainstream.security.actor import Actor


@dataclass(frozen=True)
class PersonView:
    """Name, role and the letters that stand for the name."""

    name: str
    role: str
    initials: str


def person_view(actor: Actor) -> PersonView:
    """Return how a person is shown; somebody without a name goes by the e-mail address."""
    name = actor.name or actor.email
    words = name.split() or ["?"]
    letters = words[0][0] + (words[-1][0] if len(words) > 1 else "")
    return PersonView(name, actor.role.value.title() if actor.role else "", letters.upper())
