"""What the page about churn definitions shows, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from retainstream.web.data_definitions_charts import GapChart, ReturnChart, gap_chart, return_chart
from retainstream.web.data_definitions_form import KIND_WORDS, Form, of_definition, with_days
from retainstream.web.template_tools import day, percent, whole

Answer = Mapping[str, Any]
PROPOSE = "/data/definitions/propose"


@dataclass(frozen=True)
class DefinitionView:
    """One version of one definition."""

    id: int
    title: str
    kind: str
    sentence: str
    in_force: bool
    forward: bool
    used: str
    made: str
    certain: str


@dataclass(frozen=True)
class ListView:
    """All definitions; `learnt` is said when the model in service learnt another one than the one in force."""

    headline: str
    lead: str
    items: tuple[DefinitionView, ...]
    total: int
    following: str
    learnt: str
    may_train: bool


@dataclass(frozen=True)
class Asked:
    """What a proposal is asked for, as typed."""

    kind: str = ""
    horizon_days: str = "30"
    lead_days: str = "0"
    problems: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True)
class CandidateView:
    """One row to choose from: days of silence, or a way in which subscriptions end."""

    title: str
    aside: str
    came_back: str
    rows: str
    churners: str
    monthly: str
    trainable: bool
    problem: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class ProposalView:
    """A proposal: its sentences, the drawings behind it, and what it was chosen from."""

    title: str
    note: str
    sentences: tuple[str, ...]
    silent: bool
    gaps: GapChart | None
    returning: ReturnChart | None
    candidates: tuple[CandidateView, ...]
    csv: str


@dataclass(frozen=True)
class WeighedView:
    """What a definition, as typed, would say and give."""

    sentence: str
    monthly: str
    monthly_note: str
    rows: str
    churners: str
    came_back: str
    certain: str
    trainable: bool
    problem: str
    note: str


def list_view(
    items: Sequence[Answer],
    *,
    total: int,
    following: str | None,
    uses: Mapping[int, int],
    served: int | None,
    may_train: bool,
) -> ListView:
    """Return the list.

    Parameters
    ----------
    uses : mapping of int to int
        Model versions by the id of their definition.
    served : int, optional
        The definition that the model in service learnt.
    """
    current = next((item for item in items if item["in_force"]), None)
    learnt = ""
    if current is not None and served is not None and served != current["id"]:
        older = next((item for item in items if item["id"] == served), None)
        name = "another definition" if older is None else f"“{_title(older)}”"
        learnt = f"The model in service learnt {name}. Its scores keep that meaning until a training learns this one."
    elif current is not None and served is None:
        learnt = "No model has learnt it yet."
    if current is None:
        headline, lead = (
            "What “left” means here is still open.",
            "A model learns to tell who leaves only once you have said what leaving is. Below, your own data propose an answer.",
        )
    else:
        headline, lead = f"“{current['name']}” is what counts as leaving.", str(current["sentence"])
    views = tuple(definition_view(item, uses.get(int(item["id"]), 0)) for item in items)
    return ListView(headline, lead, views, total, following or "", learnt, may_train)


def definition_view(item: Answer, models: int) -> DefinitionView:
    """Return one definition."""
    maturity = item["maturity_days"]
    return DefinitionView(
        id=int(item["id"]),
        title=_title(item),
        kind=KIND_WORDS.get(str(item["kind"]), "Labelled column"),
        sentence=str(item["sentence"]),
        in_force=bool(item["in_force"]),
        forward=bool(item["forward"]),
        used="no model" if not models else f"{whole(models)} model version{'' if models == 1 else 's'}",
        made=day(item["created_at"]),
        certain="at once: it says who left, not when" if maturity is None else f"after {maturity} days",
    )


def _title(item: Answer) -> str:
    return f"{item['name']} · v{item['version']}"


def proposal_view(found: Answer, days: int | None = None) -> tuple[ProposalView, Form]:
    """Return a proposal, and the form filled with it.

    Parameters
    ----------
    days : int, optional
        Days of silence that a person chose instead of the proposed ones.
    """
    body, silent = found["definition"], found["gaps"] is not None
    form = of_definition(body)
    proposed = body.get("inactive_days")
    chosen = (days or proposed) if silent else None
    if silent and days is not None and days != proposed:
        form = with_days(form, days)
    window = {"horizon_days": body["horizon_days"], "lead_days": body["lead_days"]}
    rows = found["candidates"] if silent else found["reasons"]
    candidates = tuple(_candidate(each, window, silent=silent, chosen=chosen, kind=str(found["kind"])) for each in rows)
    title = f"Proposed: {KIND_WORDS[str(found['kind'])].lower() if not silent else f'silent for {proposed} days'}"
    start = found["data_start"]
    view = ProposalView(
        title=title,
        note=f"data from {day(start)} to {day(found['data_end'])}" if start else f"data to {day(found['data_end'])}",
        sentences=tuple(str(sentence) for sentence in found["sentences"]),
        silent=silent,
        gaps=gap_chart(found["gaps"], chosen) if silent else None,
        returning=return_chart(found["gaps"], rows, chosen) if silent else None,
        candidates=candidates,
        csv="/data/definitions/proposal.csv?" + urlencode({"kind": found["kind"], **window}),
    )
    return view, form


def _candidate(
    each: Answer, window: Mapping[str, Any], *, silent: bool, chosen: int | None, kind: str
) -> CandidateView:
    asked: dict[str, Any] = {"kind": kind if silent else each["kind"], **window}
    if silent:
        asked["inactive_days"] = each["inactive_days"]
        title, aside = f"{each['inactive_days']} days", f"{whole(each['silences'])} silences that long"
    else:
        reason = str(each["reason"]).replace("_", " ")
        title, aside = KIND_WORDS[str(each["kind"])], f"{whole(each['ends'])} left so; reason: {reason}"
    return CandidateView(
        title=title,
        aside=aside,
        came_back=percent(each["came_back"], 0) if silent else "",
        rows=whole(each["rows"]) if each["rows"] else "–",
        churners=whole(each["churners"]) if each["rows"] else "–",
        monthly=percent(each["churn_per_month"]),
        trainable=bool(each["trainable"]),
        problem=str(each["problem"] or "") if each["fits"] else f"needs {whole(each['needed_days'])} days of history",
        address=f"{PROPOSE}?{urlencode(asked)}",
        chosen=each["inactive_days"] == chosen if silent else each["kind"] == kind,
    )


def weighed_view(found: Answer) -> WeighedView:
    """Return what a definition would give."""
    months = int(found["months"])
    return WeighedView(
        sentence=str(found["sentence"]),
        monthly=percent(found["churn_per_month"]),
        monthly_note=f"of active customers leave in a month, over {months} whole month{'' if months == 1 else 's'}",
        rows=whole(found["rows"]),
        churners=whole(found["churners"]),
        came_back=percent(found["came_back"], 0) if found["came_back"] is not None else "",
        certain=f"{found['maturity_days']} days",
        trainable=bool(found["trainable"]),
        problem=str(found["problem"] or ""),
        note=f"data to {day(found['data_end'])}",
    )
