"""Back-tests of health scores in words and as drawings: the score beside the model and silence, and proposed weights beside today's. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retainstream.services.health.listing import Judged
from retainstream.services.health.schemes import SchemeView
from retainstream.web.charts import Axes, Tick, round_ticks
from retainstream.web.template_tools import day, percent, whole

Answer = Mapping[str, Any]
RIVALS = (("health", "Health score"), ("model", "Churn model"), ("silence", "Silence alone"))
_ROW = 44.0


@dataclass(frozen=True)
class Mark:
    """One rival: its word, its figure with the interval, and where they are drawn."""

    key: str
    word: str
    figure: str
    between: str
    x: float
    low: float
    high: float
    y: float


@dataclass(frozen=True)
class Comparison:
    """One back-test: a verdict as its title, the drawing, and what it is of."""

    title: str
    words: str
    note: str
    label: str
    axes: Axes
    ticks: tuple[Tick, ...]
    half: float
    marks: tuple[Mark, ...]
    dates: tuple[tuple[str, str, str, str], ...]
    bands: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class WeightLine:
    """One part: today's weight and the proposed one with its interval; widths in per cent."""

    title: str
    today: int
    proposed: int
    between: str
    bigger: bool


@dataclass(frozen=True)
class ProposalView:
    """Proposed weights beside today's."""

    title: str
    words: str
    better: bool
    same: bool
    lines: tuple[WeightLine, ...]


@dataclass(frozen=True)
class TestView:
    """What the past says of one scheme."""

    scheme_id: int
    name: str
    whom: str
    past: Comparison | None
    past_words: str
    beside: Comparison | None
    beside_words: str
    proposal: ProposalView | None
    proposal_words: str
    undo: bool


def view(one: Judged, told: Answer, *, undo: bool) -> TestView:
    """Return what is shown of a scheme; `told` is the back-test of the run, `undo` whether it took another's place by a proposal."""
    waiting = "This scheme is newer than the last scores: its back-test comes with the next ones."
    past, beside, proposal = one.past, one.beside_model, one.proposal
    return TestView(
        scheme_id=one.scheme.id,
        name=one.scheme.name,
        whom=one.scheme.segment or "everybody else",
        past=_comparison(past, told) if past and past["message"] is None else None,
        past_words=waiting if past is None else past["message"] or "",
        beside=_comparison(beside, told) if beside and beside["message"] is None else None,
        beside_words="" if beside is None else beside["message"] or "",
        proposal=_proposal(one.scheme, proposal) if proposal and proposal["message"] is None else None,
        proposal_words="" if proposal is None else proposal["message"] or "",
        undo=undo,
    )


def _comparison(found: Answer, told: Answer) -> Comparison:
    rivals = [(key, word, found[key]) for key, word in RIVALS if found.get(key)]
    least = min(0.5, *(figure["low"] for _, _, figure in rivals))
    axes = Axes((max(0.0, least - 0.02), 1.0), (0.0, 1.0), width=400.0, height=36.0 + _ROW * len(rivals))
    marks = tuple(
        Mark(
            key=key,
            word=word,
            figure=f"{figure['value']:.3f}",
            between=f"{figure['low']:.3f} to {figure['high']:.3f}",
            x=axes.across(figure["value"]),
            low=axes.across(figure["low"]),
            high=axes.across(min(figure["high"], 1.0)),
            y=10.0 + _ROW * (place + 0.62),
        )
        for place, (key, word, figure) in enumerate(rivals)
    )
    title, words = verdict(found)
    span = [one["as_of"] for one in found["dates"]]
    dates = f"{len(span)} {'date' if len(span) == 1 else 'dates'}, {day(span[0])} to {day(span[-1])}" if span else ""
    return Comparison(
        title=title,
        words=words,
        note=f"{whole(found['n'])} rows of {whole(found['customers'])} customers on {dates}; {whole(found['left'])} left within {told.get('horizon_days', 30)} days",
        label="AUC, how well each tells who leaves: "
        + "; ".join(f"{one.word} {one.figure} ({one.between})" for one in marks),
        axes=axes,
        ticks=tuple(Tick(at, f"{at:g}") for at in round_ticks(*axes.x, 5)),
        half=axes.across(0.5),
        marks=marks,
        dates=tuple(
            (
                day(each["as_of"]),
                whole(each["n"]),
                whole(each["left"]),
                "–" if each["auc"] is None else f"{each['auc']:.3f}",
            )
            for each in found["dates"]
        ),
        bands=tuple(_band(each) for each in found["bands"]),
    )


def _band(one: Answer) -> tuple[str, str, str, str]:
    rate = one["rate"]
    between = "–" if rate is None else f"{percent(rate['low'])} to {percent(rate['high'])}"
    return one["name"].capitalize(), whole(one["n"]), "–" if rate is None else percent(rate["value"]), between


def verdict(found: Answer) -> tuple[str, str]:
    """Return what a back-test says, as a title and a sentence: whether the score tells anything, and whether more or less than its rivals."""
    health = found["health"]
    if health["low"] <= 0.5 <= health["high"]:
        return (
            "The health score does not tell who leaves",
            "Its interval holds 0.5, which is what drawing lots would give.",
        )
    if health["high"] < 0.5:
        return (
            "The health score points the wrong way",
            "Those with the lower score stayed more often: look at what gives 0 and 100 points.",
        )
    against = [
        (word, found.get(f"against_{key}"))
        for key, word in (("model", "the churn model"), ("silence", "silence alone"))
    ]
    said = [_lead(word, gap) for word, gap in against if gap]
    rank = "Of one who left and one who stayed, the one who left had the lower score"
    words = f"{rank} {percent(health['value'], 0)} of the time."
    if said:
        words += f" On the same rows it is {' and '.join(said)}."
    return "The health score tells who leaves", words


def _lead(word: str, gap: Answer) -> str:
    by = f"({gap['value']:+.3f})".replace("-", "−")
    if gap["low"] > 0:
        return f"better than {word} {by}"
    return f"worse than {word} {by}" if gap["high"] < 0 else f"not clearly different from {word} {by}"


def _proposal(scheme: SchemeView, found: Answer) -> ProposalView:
    gain, weights = found["gain"], found["weights"]
    same = all(part.weight == weights.get(part.key, 0) for part in scheme.parts)
    words = (
        f"Learnt on {whole(found['learnt'])} earlier rows ({whole(found['learnt_left'])} left), judged on {whole(found['judged'])} later ones"
        f" ({whole(found['judged_left'])} left): AUC {found['proposed']['value']:.3f} instead of {found['current']['value']:.3f}, a difference of"
        f" {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})."
    ).replace("-0", "−0")
    title = (
        "Other weights would have told better"
        if found["better"]
        else "Other weights would not clearly have told better"
    )
    return ProposalView(
        title="Today’s weights are the proposed ones" if same else title,
        words=words,
        better=bool(found["better"]),
        same=same,
        lines=tuple(
            WeightLine(
                part.title,
                part.weight,
                int(weights.get(part.key, 0)),
                _between(found["intervals"].get(part.key)),
                int(weights.get(part.key, 0)) > part.weight,
            )
            for part in scheme.parts
        ),
    )


def _between(interval: Answer | None) -> str:
    return "–" if interval is None else f"{interval['low']:.0f} to {interval['high']:.0f}"
