"""What a person would do next, by how far the box has come: one answer for Home, for the page of an import, and wherever a page would end otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.security.actor import Actor
from retainstream.security.permissions import Permission
from retainstream.services import churn_definitions, dashboard, model_card
from retainstream.services.as_of import facts


@dataclass(frozen=True)
class NextStep:
    """What to do now: a form that posts, or a link; `needs` is the permission for it."""

    title: str
    text: str
    words: str
    address: str
    posts: bool
    needs: Permission


@dataclass(frozen=True)
class Standing:
    """How far a box has come.

    Attributes
    ----------
    leaving : str
        What says who left: `nothing`, a `label` in the table of customers, or a `rule` over their histories.
    histories : bool
        Whether events or subscriptions are on record, from which such a rule can be proposed.
    last_training : str
        The verdict on the last training when it left nothing in service: `waits` for a version that may be served, else the code of the refusal;
        empty where there was none.
    """

    customers: bool
    leaving: str
    histories: bool
    model: bool
    scored: bool
    last_training: str = ""


IMPORT = NextStep(
    "Bring your customers in",
    "A table of customers, or a list of what they did, bought or subscribed to. You see how it is read before anything is kept.",
    "Import a file",
    "/data/import",
    posts=False,
    needs=Permission.IMPORTS_WRITE,
)
TELL_WHO_LEFT = NextStep(
    "Say who has left",
    "Nothing on record tells, so there is nothing to learn from yet. Import the table again with a column that names each customer and one that "
    "says who left: it is added to those on record. Or import what they did (events, orders) or their subscriptions: then their silence or their "
    "cancelling tells.",
    "Import another file",
    "/data/import",
    posts=False,
    needs=Permission.IMPORTS_WRITE,
)
DEFINE = NextStep(
    "Say what leaving means",
    "Nobody has to have cancelled: what your customers did so far proposes when one of them counts as gone. Look at it and put it in force; "
    "then a model can look ahead.",
    "See the proposal",
    "/data/definitions/propose",
    posts=False,
    needs=Permission.MODEL_TRAIN,
)
TRAIN = NextStep(
    "Learn who leaves",
    "A model learns what those who left had in common and is tested on customers it never saw; seconds to a few minutes. "
    "Then everybody gets a score, with reasons.",
    "Train",
    "/train",
    posts=True,
    needs=Permission.MODEL_TRAIN,
)
TRAIN_AHEAD = NextStep(
    "Learn who leaves",
    "A model looks at your customers on past days, learns who left soon after, and is tested on later days; it may take some minutes. "
    "Then everybody gets a score, with reasons.",
    "Train",
    "/train",
    posts=True,
    needs=Permission.MODEL_TRAIN,
)
PROMOTE = NextStep(
    "Put the trained version into service",
    "It was judged and may be served. Read its card; once it is in service everybody gets a score.",
    "Look at the versions",
    "/model/versions",
    posts=False,
    needs=Permission.MODEL_TRAIN,
)
RECONSIDER = NextStep(
    "Look at what stopped it, then train again",
    "The reason is said above. Mend it in the data, or train again with other choices: columns may be left out, and a silence may be accepted.",
    "Train again …",
    "/model/train",
    posts=False,
    needs=Permission.MODEL_TRAIN,
)
MORE = NextStep(
    "Give it more to learn from",
    "The reason is said above. More customers whose outcome is known, a longer history or further columns may do; figures made of too little would "
    "mean nothing. Each file adds to what is on record.",
    "Import another file",
    "/data/import",
    posts=False,
    needs=Permission.IMPORTS_WRITE,
)
_BY_CHOICE = ("data_stopped", "leak_suspected", "prevalence_disagrees", "out_of_time")
"""Refusals that another choice or mended data may lift, without more of it."""
SCORE = NextStep(
    "Score everybody",
    "The model in service gives every customer a score and reasons; it takes seconds.",
    "Score now",
    "/score",
    posts=True,
    needs=Permission.PREDICTIONS_WRITE,
)


def read(session: Session, settings: Settings) -> Standing:
    """Return how far the box has come."""
    metrics = dashboard.metrics(session, settings)
    definition, held = churn_definitions.in_force(session), facts.on_record(session)
    leaving = "nothing"
    if definition is not None:
        leaving = "label" if definition.kind == churn_definitions.LABELLED else "rule"
    return Standing(
        customers=bool(metrics["total_customers"]),
        leaving=leaving,
        histories=bool(held.kinds or held.subscriptions),
        model=metrics["model"] is not None,
        scored=bool(metrics["scored_customers"]),
        last_training="" if metrics["model"] is not None else _last_training(session),
    )


def _last_training(session: Session) -> str:
    last = model_card.status(session)["last_training"]
    if not isinstance(last, dict):
        return ""
    return "waits" if last["servable"] else str(last["verdict"].get("code", "refused"))


def step(standing: Standing) -> NextStep | None:
    """Return what would be done next by somebody who may do everything; None once there are scores."""
    if not standing.customers:
        return IMPORT
    if standing.model:
        return None if standing.scored else SCORE
    if standing.leaving == "nothing":
        return DEFINE if standing.histories else TELL_WHO_LEFT
    if standing.last_training:
        by_verdict = {"waits": PROMOTE, **dict.fromkeys(_BY_CHOICE, RECONSIDER)}
        return by_verdict.get(standing.last_training, MORE)
    return TRAIN_AHEAD if standing.leaving == "rule" else TRAIN


def after_import(standing: Standing, target: str, *, labelled: bool) -> NextStep | None:
    """Return what would be done after an import: what a box needs first, or else what makes use of the file.

    Parameters
    ----------
    target : str
        What the file held.
    labelled : bool
        Whether a column of it says who left.
    """
    if target != "customers" and standing.leaving != "rule" and standing.histories:
        return DEFINE
    if target == "customers" and labelled and standing.leaving == "label":
        return TRAIN
    # A file that has just come in is more to learn from, whatever the last training lacked.
    return step(replace(standing, last_training="")) or SCORE


def for_person(wanted: NextStep | None, person: Actor) -> NextStep | None:
    """Return the step where the person may do it, else None."""
    return wanted if wanted is not None and person.may(wanted.needs) else None
