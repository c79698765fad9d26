"""What the page of survival shows: curves with their tables, medians, tests, departures by tenure, and the sentences that keep them honest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from retainstream.lib import clock
from retainstream.lib.counting import counted
from retainstream.ml.group_survival import LogRank
from retainstream.ml.tenure import TenureHazards
from retainstream.services.survival import cells, grouping
from retainstream.services.survival.curves import FEWEST_AT_RISK, Group, Step, Survival
from retainstream.services.survival.grouping import Choice
from retainstream.web import survival_charts
from retainstream.web.survival_charts import CurveChart, TenureChart
from retainstream.web.template_tools import day, last_day, percent, whole

CLEAR = 0.05
"""Below this p a difference is said to be more than chance."""
Figure = tuple[str, str]
"""Words, and the list that they open; empty where there is none."""
Say = Callable[..., None]


@dataclass(frozen=True)
class GroupRow:
    """One group: its line's number, who is in it, who left, and when half of it was gone."""

    number: int
    label: str
    customers: Figure
    left: Figure
    median: str
    between: str
    warning: str


@dataclass(frozen=True)
class RiskRow:
    """How many of a group were at risk at each mark; the first at the start."""

    number: int
    label: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class StepRow:
    """What happened in a group between two marks."""

    label: str
    between: str
    left: Figure
    share: str
    interval: str


@dataclass(frozen=True)
class PairRow:
    """The test of two groups."""

    words: str
    chi2: str
    p: str
    adjusted: str
    verdict: str


@dataclass(frozen=True)
class TenureRow:
    """Departures in one stretch of tenure."""

    months: str
    left: Figure
    exposure: str
    rate: str
    interval: str


@dataclass(frozen=True)
class SurvivalView:
    """The page; `by` is the key of what groups are by, `marks` the months of the table beneath the curves."""

    headline: str
    lead: str
    by: str
    options: tuple[tuple[str, str], ...]
    chart: CurveChart
    groups: tuple[GroupRow, ...]
    marks: tuple[str, ...]
    risk: tuple[RiskRow, ...]
    steps: tuple[StepRow, ...]
    test: str
    test_warning: str
    pairs: tuple[PairRow, ...]
    tenure: TenureChart | None
    tenure_title: str
    tenure_rows: tuple[TenureRow, ...]
    notes: tuple[tuple[str, Figure], ...]
    query: str


def view(found: Survival, hazards: TenureHazards, choices: tuple[Choice, ...]) -> SurvivalView:
    """Return the page of the curves by one choice."""
    choice = found.grouping.choice
    headline = _headline(found)
    rows = survival_charts.numbered(found.groups)
    return SurvivalView(
        headline=headline,
        lead=_lead(found),
        by=choice.key,
        options=tuple((each.key, each.title) for each in choices),
        chart=survival_charts.curves(found, _label(found), lambda group, step: _left_by(choice, group, step)),
        groups=tuple(_group(choice, number, group) for number, group in rows),
        marks=tuple(f"{step.until:g}" for step in found.groups[0].steps),
        risk=tuple(_risk(choice, number, group) for number, group in rows),
        steps=tuple(_step(choice, group, step) for group in found.groups for step in group.steps),
        test=_test(found.log_rank),
        test_warning="" if found.log_rank is None or found.log_rank.evidence.enough else found.log_rank.evidence.rule,
        pairs=tuple(_pair(found, pair) for pair in found.pairs),
        tenure=survival_charts.tenure(hazards, _tenure_title(hazards), lambda place: _of_tenure(hazards, place)),
        tenure_title=_tenure_title(hazards),
        tenure_rows=tuple(_tenure_row(hazards, place) for place in range(len(hazards.rate))),
        notes=_notes(found),
        query=f"?{urlencode({'by': choice.key})}" if choice.key else "",
    )


def chance(p: float | None) -> str:
    """Return a p in words."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _list(*parts: object) -> str:
    return f"/customers?{urlencode({'cell': f'survival:{cells.key_of(*parts)}', 'status': 'all'})}"


def _figure(count: int, *parts: object) -> Figure:
    return whole(count), _list(*parts) if count else ""


def _left_by(choice: Choice, group: Group, step: Step) -> str:
    return _list("left", cells.by_token(choice), group.token, 0.0, step.until)


def _months(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _headline(found: Survival) -> str:
    title = found.grouping.choice.title
    if len(found.groups) == 1:
        group = found.groups[0]
        if group.curve.median is not None:
            return f"Half of the customers are gone after {_months(group.curve.median)} months"
        known = [step for step in group.steps if step.share is not None]
        if not known:
            return "How long customers stay"
        return f"{percent(known[-1].share, 0)} of customers are still there after {known[-1].until:g} months"
    tested = found.log_rank
    if tested is None or tested.p is None or not tested.evidence.enough:
        return f"Too few have left to compare customers by {title}"
    if tested.p < CLEAR:
        return f"How long customers stay differs by {title}"
    return f"By {title}, no difference that chance could not make"


def _lead(found: Survival) -> str:
    lives = found.lives
    left = counted(int(lives.left.sum()), "customer")
    rule = f" by the rule “{lives.rule}”" if lives.rule and lives.recorded_from is not None else ""
    return (
        f"{counted(len(lives), 'customer')}, of whom {left.split()[0]} left{rule}. Data to {last_day(clock.iso(lives.as_of))}."
        " Bands are 95% intervals."
    )


def _label(found: Survival) -> str:
    parts = []
    for group in found.groups:
        known = [step for step in group.steps if step.share is not None]
        told = ", ".join(f"{percent(step.share, 0)} after {step.until:g} months" for step in known[-3:])
        parts.append(f"{group.label}: {told or 'too few to say'}")
    return "Share of customers still there, by months since they came. " + "; ".join(parts)


def _group(choice: Choice, number: int, group: Group) -> GroupRow:
    curve, by = group.curve, cells.by_token(choice)
    between = f"{_months(curve.median_low)} to {_months(curve.median_high)}" if curve.median is not None else ""
    return GroupRow(
        number,
        group.label,
        _figure(curve.n, "all", by, group.token),
        _figure(curve.n_events, "left", by, group.token, 0.0, float("inf")),
        _months(curve.median) if curve.median is not None else "not reached",
        between,
        _warning(group),
    )


def _warning(group: Group) -> str:
    curve = group.curve
    if curve.evidence.enough:
        return ""
    if curve.evidence.have < curve.evidence.needed:
        return (
            f"{counted(curve.n_events, 'customer')} left, fewer than the {curve.evidence.needed:g} that a curve needs"
        )
    return "Hardly anybody was seen at some age, and they all left: read the curve with care"


def _risk(choice: Choice, number: int, group: Group) -> RiskRow:
    by = cells.by_token(choice)
    start = _figure(group.start, "risk", by, group.token, 0.0)
    return RiskRow(
        number,
        group.label,
        (start, *(_figure(step.at_risk, "risk", by, group.token, step.until) for step in group.steps)),
    )


def _step(choice: Choice, group: Group, step: Step) -> StepRow:
    return StepRow(
        group.label,
        f"{step.since:g} to {step.until:g}",
        _figure(step.left, "left", cells.by_token(choice), group.token, step.since, step.until),
        "–" if step.share is None else percent(step.share),
        "–" if step.low is None or step.high is None else f"{percent(step.low)} to {percent(step.high)}",
    )


def _test(tested: LogRank | None) -> str:
    if tested is None:
        return ""
    if tested.chi2 is None:
        return "There is nothing to compare: fewer than two groups in which anybody could have left."
    verdict = (
        "The groups differ by more than chance would make them."
        if tested.p is not None and tested.p < CLEAR
        else "Chance alone could make this difference."
    )
    return f"Log-rank test of all groups: χ² = {tested.chi2:.2f} on {tested.df} degrees of freedom, p {_signed(tested.p)}. {verdict}"


def _signed(p: float | None) -> str:
    words = chance(p)
    return words if words.startswith("<") else f"= {words}"


def _pair(found: Survival, tested: LogRank) -> PairRow:
    first, second = (found.grouping.labels[int(label)] for label in tested.labels)
    if tested.p_adjusted is None:
        verdict = "nothing to compare"
    elif not tested.evidence.enough:
        verdict = "too few departures"
    else:
        verdict = "differ" if tested.p_adjusted < CLEAR else "no clear difference"
    chi2 = "–" if tested.chi2 is None else f"{tested.chi2:.2f}"
    return PairRow(f"{first} and {second}", chi2, chance(tested.p), chance(tested.p_adjusted), verdict)


def _of_tenure(hazards: TenureHazards, place: int) -> str:
    return _list("left", cells.EVERYBODY, "Everybody", float(hazards.start[place]), float(hazards.end[place]))


def _tenure_title(hazards: TenureHazards) -> str:
    sure = [place for place in range(len(hazards.rate)) if hazards.enough[place]]
    if not sure:
        return "Too few have left to say when in their life customers leave"
    # The one that is surely high, not the one that few customers make look high.
    most = max(sure, key=lambda place: float(hazards.low[place]))
    words = survival_charts.stretch(hazards, most).replace("–", " and ")
    where = f"after {words.rstrip('+')} months" if words.endswith("+") else f"between {words} months"
    return f"Customers leave most {where}: {percent(float(hazards.rate[most]))} of them a month"


def _tenure_row(hazards: TenureHazards, place: int) -> TenureRow:
    rate, low, high = (float(each[place]) for each in (hazards.rate, hazards.low, hazards.high))
    count = int(hazards.events[place])
    known = hazards.exposure[place] > 0
    return TenureRow(
        survival_charts.stretch(hazards, place),
        (whole(count), _of_tenure(hazards, place) if count else ""),
        whole(float(hazards.exposure[place])),
        percent(rate) if known else "–",
        f"{percent(low)} to {percent(high)}" if known else "–",
    )


def _notes(found: Survival) -> tuple[tuple[str, Figure], ...]:
    """Return what has to be known to read the figures right, the gravest first."""
    groups, by = found.grouping, cells.by_token(found.grouping.choice)
    told: list[tuple[str, Figure]] = []

    def say(sentence: str, figure: Figure = ("", "")) -> None:
        told.append((sentence, figure))

    if found.lives.recorded_from is None:
        say(
            "This box holds a table without dates, so this says less: time is how long each had been a customer when the table was made, and whoever"
            " left before that and is not in it is missing. The curve is then better than the truth."
        )
    if groups.entry is not None:
        say(
            "Each customer counts from the first score on record, at the age of that day; ranks are among those who were scored with them, and scores by a"
            " model that knew of later days are left out."
        )
    elif groups.present:
        say(
            "Who is in the segment is told as of today. Whoever left early had less time to get in or out of it, so its curve may be better or worse"
            " than the truth."
        )
    elif groups.choice.key != grouping.ALL:
        say("Groups are by each customer’s earliest value on record, not by today’s, which those who left never got.")
    if groups.late:
        say(
            f"For {counted(groups.late, 'customer')} the value is on record only from more than a week after they came: where one must have stayed to"
            " get it, a group looks better than it is."
        )
    if groups.merged:
        say(f"The {groups.merged} smallest groups are shown as “{grouping.OTHER}”.")
    if found.without:
        say(
            "Without a value, and so in no group:" if groups.entry is None else "Left before any score, or have none:",
            (counted(found.without, "customer"), _list("without", by)),
        )
    _say_of_lives(found, say)
    say(
        f"Each curve is drawn while at least {FEWEST_AT_RISK} customers are at risk. A difference between groups is not a cause."
    )
    return tuple(told)


def _say_of_lives(found: Survival, say: Say) -> None:
    lives = found.lives
    late = int((lives.entry > 0).sum())
    if lives.recorded_from is not None and late and found.grouping.entry is None:
        since = day(clock.iso(lives.recorded_from))
        say(
            f"{counted(late, 'customer')} had come before they were first seen (the record begins on {since}): they count from then on, at the age that"
            " they had, because whoever left earlier is not on record."
        )
    if lives.recorded_from is not None:
        say("Who left and came back is counted by the first stay.")
    if lives.otherwise:
        ways = counted(lives.otherwise, "customer")
        say(f"{ways} left in a way that the rule does not count: they count as customers until then.")
    if len(lives.unknown):
        figure = (counted(len(lives.unknown), "customer"), _list("unknown"))
        say("There when the record begins, without a day of signing up, and so left out:", figure)
