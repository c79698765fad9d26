"""Which lines today's list has, and in which order. What a line tells of a customer is `queue`.

Tasks that are due come first, then tasks that were taken and proposals together, each by net gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retainstream.lib.pagination import PageRequest, decode_cursor, encode_cursor, number, whole_id
from retainstream.security.actor import Actor
from retainstream.services.desk.standing import OpenTask, Standing
from retainstream.services.paging import reading_cursor

Whose = Literal["team", "mine", "unassigned"] | int
"""Whose part of the list: all; tasks of the caller; tasks without an owner, with the proposals; or the tasks of a person, by id."""
Key = tuple[int, float, int]
"""Where a line stands: due or not, its value turned round, and the customer."""
_NAME = "today"
_UNKNOWN = -1e300
_PLACES = {"overdue": 0, "due_today": 1}


@dataclass(frozen=True)
class Line:
    """One task or proposal; `gain` is the net gain in minor units, None where it is not known."""

    key: Key
    state: str
    customer_id: int
    gain: int | None
    task_id: int | None


def lines(desk: Standing, actor: Actor, whose: Whose) -> list[Line]:
    """Return the part of the list that is asked for, in order."""
    wanted = (actor.user_id or 0) if whose == "mine" else None if whose == "unassigned" else whose
    everybody, ranked = whose == "team", desk.ranking
    found = [_of_task(desk, task) for task in desk.tasks if everybody or task.owner_id == wanted]
    if whose in ("team", "unassigned"):
        for place in desk.proposals.tolist():
            customer = int(ranked.ids[place])
            key = (2, -float(ranked.values[place]), customer)
            found.append(Line(key, "proposed", customer, ranked.gain_at(place), None))
    return sorted(found, key=lambda line: line.key)


def within(lines: list[Line], groups: Sequence[Sequence[int]]) -> list[Line]:
    """Return the lines of customers who are in every one of some groups of ids."""
    inside = [frozenset(group) for group in groups]
    return [line for line in lines if all(line.customer_id in group for group in inside)]


def _of_task(desk: Standing, task: OpenTask) -> Line:
    state, ranked = desk.state_of(task.due_at), desk.ranking
    place = ranked.place(task.customer_id)
    withheld = ranked.run_id is not None and ranked.gains is None
    gain = None if withheld else task.net_gain_minor if place is None else ranked.gain_at(place)
    value = float(ranked.values[place]) if place is not None else _UNKNOWN if gain is None else float(gain)
    return Line((_PLACES.get(state, 2), -value, task.customer_id), state, task.customer_id, gain, task.id)


def page(lines: Sequence[Line], request: PageRequest) -> tuple[Sequence[Line], str | None]:
    """Return the lines of one page and the cursor of the next, None at the end; raises InvalidInput for a cursor of another list."""
    if request.cursor:
        with reading_cursor():
            place, value, last = decode_cursor(request.cursor, _NAME, 3)
            after = (whole_id(place), number(value), whole_id(last))
        lines = [line for line in lines if line.key > after]
    rest = lines[request.offset :]
    shown = rest[: request.limit]
    return shown, encode_cursor(_NAME, list(shown[-1].key)) if len(rest) > len(shown) else None
