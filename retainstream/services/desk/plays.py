"""Plays: named lists of steps, kept by analysts, and which of them fits a customer's reasons. What followed where one was tried is `tried`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from retainstream.errors import Conflict, InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.models import Play
from retainstream.models.desk import ACT_KINDS
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import audit, revisions
from retainstream.services.desk.board import PlayRef

Reasons = Sequence[Mapping[str, Any]]
FIELDS = ("name", "description", "features", "steps")
MOST_FEATURES, MOST_STEPS, LONGEST_STEP = 40, 20, 300


@dataclass(frozen=True)
class PlayView:
    """A play as people see it; instants are microseconds UTC, `retired_at` None while it is proposed. `steps` are `{"text", "kind"}`."""

    id: int
    name: str
    description: str
    features: tuple[str, ...]
    steps: tuple[dict[str, str], ...]
    created_at: int
    updated_at: int
    retired_at: int | None

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "features": list(self.features),
            "steps": list(self.steps),
            "created_at": clock.iso(self.created_at),
            "updated_at": clock.iso(self.updated_at),
            "retired_at": clock.iso(self.retired_at),
        }


def listed(session: Session, actor: Actor, *, retired: bool = False) -> tuple[PlayView, ...]:
    """Return the plays by name; with `retired`, those that are no longer proposed come after the others."""
    actor.require(Permission.TASKS_READ)
    query = select(Play) if retired else select(Play).where(Play.retired_at.is_(None))
    rows = session.scalars(query.order_by(Play.retired_at.is_not(None), func.lower(Play.name), Play.id))
    return tuple(_view(row) for row in rows)


def read(session: Session, actor: Actor, play_id: int) -> PlayView:
    """Return one play; raises NotFound."""
    actor.require(Permission.TASKS_READ)
    return _view(_require(session, play_id))


def create(session: Session, actor: Actor, wanted: Mapping[str, Any]) -> PlayView:
    """Add a play.

    Parameters
    ----------
    wanted : mapping
        `name` and `steps` (each `{"text", "kind"}`); optionally `description` and `features`: names as reasons give them, or beginnings that end in `*`.

    Raises
    ------
    Conflict
        When a play has the name already, a retired one too.
    InvalidInput
        Naming each field that is not as expected.
    """
    actor.require(Permission.PLAYS_WRITE)
    values = _checked({"description": "", "features": [], **wanted})
    if missing := {name: ["is needed"] for name in ("name", "steps") if name not in values}:
        raise InvalidInput("A play needs a name and steps.", fields=missing)
    _insist_on_free_name(session, values["name"], None)
    now = clock.now_us()
    found = Play(**values, created_at=now, updated_at=now)
    session.add(found)
    session.flush()
    return _kept(session, actor, found, "play.create", wanted)


def change(session: Session, actor: Actor, play_id: int, changes: Mapping[str, Any]) -> PlayView:
    """Change fields of a play; open tasks keep the steps that they were made with. Raises NotFound, and as `create`."""
    actor.require(Permission.PLAYS_WRITE)
    found, values = _require(session, play_id), _checked(changes)
    if "name" in values:
        _insist_on_free_name(session, values["name"], found.id)
    for name, value in values.items():
        setattr(found, name, value)
    return _kept(session, actor, found, "play.change", values)


def retire(session: Session, actor: Actor, play_id: int) -> PlayView:
    """Propose a play no longer. It stays countable, and open tasks keep their steps. Raises NotFound."""
    actor.require(Permission.PLAYS_WRITE)
    found = _require(session, play_id)
    if found.retired_at is not None:
        return _view(found)
    found.retired_at = clock.now_us()
    return _kept(session, actor, found, "play.retire", ["retired_at"])


def restore(session: Session, actor: Actor, play_id: int) -> PlayView:
    """Propose a retired play again; raises NotFound."""
    actor.require(Permission.PLAYS_WRITE)
    found = _require(session, play_id)
    if found.retired_at is None:
        return _view(found)
    found.retired_at = None
    return _kept(session, actor, found, "play.restore", ["retired_at"])


def propose(session: Session, reasons: Reasons) -> PlayRef | None:
    """Return the play that fits reasons (as `services.predictions` gives them): the first match in the order of the raising ones, strongest first."""
    return proposer(session)(reasons)


def proposer(session: Session) -> Callable[[Reasons], PlayRef | None]:
    """Return `propose` for many customers at once: the plays are read a single time. An older play wins over a newer one for the same feature."""
    active = session.scalars(select(Play).where(Play.retired_at.is_(None)).order_by(Play.id)).all()

    def fitting(reasons: Reasons) -> PlayRef | None:
        for reason in reasons:
            if reason["direction"] != "raises":
                continue
            for play in active:
                if any(speaks_of(wanted, str(reason["feature"])) for wanted in play.features):
                    return PlayRef(play.id, play.name)
        return None

    return fitting


def speaks_of(wanted: str, feature: str) -> bool:
    """Tell whether a name in a play's `features` means a feature; one that ends in `*` is the beginning of a name."""
    return feature.startswith(wanted[:-1]) if wanted.endswith("*") else feature == wanted


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as they are stored; raises InvalidInput naming each that is not as expected."""
    problems: dict[str, list[str]] = {name: ["there is no such field"] for name in given if name not in FIELDS}
    found = {name: given[name] for name in FIELDS if name in given}
    for name, longest, shortest in (("name", 80, 1), ("description", 500, 0)):
        if name in found:
            text = str(found[name] or "").strip()
            found[name] = text
            if not shortest <= len(text) <= longest:
                problems[name] = [f"a text of {shortest} to {longest} characters"]
    if "features" in found:
        features = list(dict.fromkeys(str(one).strip() for one in found["features"]))
        found["features"] = features
        if len(features) > MOST_FEATURES or not all(1 <= len(one) <= 120 for one in features):
            problems["features"] = [f"up to {MOST_FEATURES} names of 1 to 120 characters"]
    if "steps" in found:
        found["steps"] = [{"text": str(one["text"]).strip(), "kind": str(one["kind"])} for one in found["steps"]]
        if not 1 <= len(found["steps"]) <= MOST_STEPS or not all(_is_step(one) for one in found["steps"]):
            kinds = ", ".join(ACT_KINDS)
            problems["steps"] = [
                f"1 to {MOST_STEPS} steps, each with a text of up to {LONGEST_STEP} characters and a kind of {kinds}"
            ]
    if problems:
        raise InvalidInput("The play is not as expected.", fields=problems)
    return found


def _is_step(step: Mapping[str, str]) -> bool:
    return 1 <= len(step["text"]) <= LONGEST_STEP and step["kind"] in ACT_KINDS


def _insist_on_free_name(session: Session, name: str, own_id: int | None) -> None:
    other = session.scalars(select(Play).where(func.lower(Play.name) == name.lower(), Play.id != (own_id or 0))).first()
    if other is not None:
        retired = ", which is retired" if other.retired_at is not None else ""
        raise Conflict(f"There is a play called {other.name!r}{retired}.", detail={"play_id": other.id})


def _require(session: Session, play_id: int) -> Play:
    found = session.get(Play, play_id)
    if found is None:
        raise NotFound(f"There is no play {play_id}.")
    return found


def _kept(session: Session, actor: Actor, found: Play, action: str, fields: Mapping[str, Any] | list[str]) -> PlayView:
    found.updated_at = clock.now_us()
    audit.record(session, actor, action, "play", found.id, fields=fields)
    revisions.bump(session, "desk")
    session.flush()
    return _view(found)


def _view(row: Play) -> PlayView:
    return PlayView(
        row.id,
        row.name,
        row.description,
        tuple(row.features),
        tuple(dict(step) for step in row.steps),
        row.created_at,
        row.updated_at,
        row.retired_at,
    )
