"""What "churned" means on this box: definitions are made, listed, and one of them is put in force. What one finds in a history is `proposals`.

A definition is never changed: one with the name of another is its next version. A labelled column becomes one when it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput, NotFound
from retainstream.lib import clock
from retainstream.lib.pagination import FIRST_PAGE, Page, PageRequest
from retainstream.models import ChurnDefinition, EventKind, ImportBatch, Label, ModelVersion, Setting
from retainstream.security.actor import Actor
from retainstream.services import audit, revisions
from retainstream.services.paging import page_by_id

if TYPE_CHECKING:
    from retainstream.ml.asof.rules import ChurnRule

LABELLED = "labelled_column"
SETTING = "churn_definition"
PARAMETERS = ("inactive_days", "activity", "reasons", "grace_days", "settle_days", "already_silent")


def create(session: Session, actor: Actor, wanted: Mapping[str, Any], *, activate: bool = True) -> ChurnDefinition:
    """Store a definition; one with the name of another is its next version.

    Parameters
    ----------
    wanted : mapping
        `name`, `kind`, `horizon_days`; as wished `lead_days` and those of `PARAMETERS`. None counts as not given.
    activate : bool
        Put it in force.

    Raises
    ------
    InvalidInput
        Naming the field that is out of range, does not belong to the kind, or names a kind of event that is not on record.
    """
    rule = checked(session, wanted)
    name = " ".join(str(wanted["name"]).split())
    if not name:
        raise InvalidInput("A definition needs a name.", fields={"name": ["a text"]})
    before = session.scalar(select(func.max(ChurnDefinition.version)).where(ChurnDefinition.name == name))
    definition = ChurnDefinition(
        name=name,
        version=(before or 0) + 1,
        kind=rule.kind,
        horizon_days=rule.horizon_days,
        lead_days=rule.lead_days,
        parameters=rule.parameters(),
        created_at=clock.now_us(),
    )
    session.add(definition)
    session.flush()
    audit.record(session, actor, "churn_definition.create", "churn_definition", definition.id, fields=wanted)
    if activate:
        _put_in_force(session, actor, definition)
    return definition


def activate(session: Session, actor: Actor, definition_id: int) -> ChurnDefinition:
    """Put a definition in force; the next training learns it. One that is chosen already stays. Raises NotFound."""
    definition = get(session, definition_id)
    chosen = session.get(Setting, SETTING)
    if chosen is None or chosen.value != definition.id:
        _put_in_force(session, actor, definition)
    return definition


def get(session: Session, definition_id: int) -> ChurnDefinition:
    """Return one definition; raises NotFound."""
    definition = session.get(ChurnDefinition, definition_id)
    if definition is None:
        raise NotFound(f"There is no churn definition {definition_id}.")
    return definition


def listed(session: Session, request: PageRequest = FIRST_PAGE) -> Page:
    """Return all versions of all definitions, newest first; raises InvalidInput for a cursor of another list."""
    total = session.scalar(select(func.count()).select_from(ChurnDefinition)) or 0
    rows, following = page_by_id(session, select(ChurnDefinition), ChurnDefinition.id, "churn_definitions", request)
    current = in_force(session)
    return Page([present(row, current) for (row,) in rows], following, total)


def in_force(session: Session) -> ChurnDefinition | None:
    """Return the definition that the next training learns: the chosen one, or else the newest labelled column; None without either."""
    chosen = session.get(Setting, SETTING)
    if chosen is not None and isinstance(chosen.value, int):
        definition = session.get(ChurnDefinition, chosen.value)
        if definition is not None:
            return definition
    labelled = newest_labelled(session)
    return None if labelled is None else session.get(ChurnDefinition, labelled)


def uses(session: Session) -> dict[int, int]:
    """Return how many model versions learnt each definition, by its id; one that none learnt is not there."""
    counted = select(ModelVersion.definition_id, func.count()).group_by(ModelVersion.definition_id)
    return {int(definition): int(count) for definition, count in session.execute(counted)}


def newest_labelled(session: Session) -> int | None:
    """Return the definition of the newest label of an applied import; None without labels."""
    return session.scalar(select(Label.definition_id).where(label_counts()).order_by(Label.id.desc()).limit(1))


def label_counts() -> ColumnElement[bool]:
    """Return the condition for labels: one of an import that is not applied does not exist."""
    unfinished = select(ImportBatch.id).where(ImportBatch.state != "applied")
    return or_(Label.batch_id.is_(None), Label.batch_id.not_in(unfinished))


def rule_of(definition: ChurnDefinition) -> ChurnRule | None:
    """Return a definition as a rule that looks forward; None for a labelled column, which is a snapshot."""
    if definition.kind == LABELLED:
        return None
    from retainstream.ml.asof.rules import ChurnRule

    assert definition.horizon_days is not None  # only a labelled column has none
    return ChurnRule.of(definition.kind, definition.horizon_days, definition.lead_days or 0, definition.parameters)


def present(definition: ChurnDefinition, current: ChurnDefinition | None) -> dict[str, object]:
    """Return the API's form; `current` is the definition in force."""
    rule = rule_of(definition)
    return {
        "id": definition.id,
        "name": definition.name,
        "version": definition.version,
        "kind": definition.kind,
        "forward": rule is not None,
        "in_force": current is not None and current.id == definition.id,
        "horizon_days": definition.horizon_days,
        "lead_days": definition.lead_days,
        "parameters": definition.parameters,
        "maturity_days": None if rule is None else rule.maturity_us // clock.DAY_US,
        "sentence": f"Whoever the column “{definition.name}” says has left." if rule is None else describe(rule),
        "created_at": clock.iso(definition.created_at),
    }


def describe(rule: ChurnRule) -> str:
    """Return a rule as a sentence or two."""
    window = f"within {_days(rule.horizon_days)}"
    if rule.lead_days:
        window = f"between {rule.lead_days} and {_days(rule.lead_days + rule.horizon_days)} later"
    if rule.kind == "inactivity":
        done = f" ({', '.join(rule.activity)})" if rule.activity else ""
        text = f"Does its last{done} {window} and is then silent for {_days(rule.inactive_days or 0)}."
        if rule.already_silent == "leave_out":
            text += " Customers who turn out to have been gone already are left out."
    else:
        whose = "A trial" if rule.kind == "trial_end" else "A subscription"
        why = " or ".join(reason.replace("_", " ") for reason in rule.reasons)
        text = f"{whose} ends {window}; counted reasons: {why}."
        if rule.grace_days:
            text += f" Whoever subscribes again within {_days(rule.grace_days)} has not left."
    if rule.settle_days:
        text += f" An outcome is final {_days(rule.settle_days)} after that, for news that comes late."
    return text


def _days(n: int) -> str:
    return "1 day" if n == 1 else f"{n} days"


def checked(session: Session, wanted: Mapping[str, Any]) -> ChurnRule:
    """Return the rule that a definition would have; parameters and errors as in `create`, whose `name` it does not need."""
    from retainstream.ml.asof.rules import ChurnRule

    given = {name: wanted[name] for name in PARAMETERS if wanted.get(name) is not None}
    given.update({name: list(dict.fromkeys(given[name])) for name in ("activity", "reasons") if name in given})
    try:
        rule = ChurnRule.of(wanted["kind"], wanted["horizon_days"], wanted.get("lead_days") or 0, given)
        known = set(session.scalars(select(EventKind.name))) if rule.activity else set()
        if strangers := sorted(set(rule.activity) - known):
            raise ValueError(f"activity: no event of the kind {strangers[0]!r} is on record")
    except ValueError as wrong:
        names, _, sentence = str(wrong).partition(": ")
        fields = {name: [sentence] for name in names.split(", ") if len(names.split(", ")) == 1 or given.get(name)}
        raise InvalidInput("The definition cannot be made as it is.", fields=fields) from wrong
    return rule


def _put_in_force(session: Session, actor: Actor, definition: ChurnDefinition) -> None:
    session.merge(Setting(name=SETTING, value=definition.id, updated_at=clock.now_us(), updated_by=actor.user_id))
    audit.record(session, actor, "churn_definition.activate", "churn_definition", definition.id)
    revisions.bump(session, "settings")
    session.flush()
