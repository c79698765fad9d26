"""What the page of health scores shows, as frozen dataclasses made from the services' answers. No database and no request here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from retainstream.lib import clock
from retainstream.services.health import cells
from retainstream.services.health.business import Business
from retainstream.services.health.reading import FALL, LOW, Standing
from retainstream.services.health.schemes import BAND_NAMES, SchemeView
from retainstream.web.charts import Spark, sparkline
from retainstream.web.customers_view import HEALTH_LOOK
from retainstream.web.template_tools import last_day, percent, whole

SHOWN_FALLING = 8


@dataclass(frozen=True)
class BandLine:
    """A band: its look, words, bounds, how many stand in it, their list, and the bar in per cent of the longest."""

    key: str
    look: str
    word: str
    bounds: str
    count: int
    share: str
    width: float
    address: str


@dataclass(frozen=True)
class PartLine:
    """A part over everybody whose scheme has it."""

    title: str
    middle: str
    low: int
    low_address: str
    missing: int
    missing_address: str
    weights: str
    spark: float


@dataclass(frozen=True)
class FallLine:
    """Somebody whose health fell."""

    user_id: str
    address: str
    score: str
    look: str
    word: str
    change: str
    because: str


@dataclass(frozen=True)
class PastLine:
    """One date on record."""

    when: str
    n: str
    mean: str
    bands: tuple[str, ...]


@dataclass(frozen=True)
class BusinessLine:
    """A part of the health of the business."""

    title: str
    weight: str
    points: str
    width: float
    formula: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BusinessView:
    """The health of the business."""

    figure: str
    title: str
    note: str
    parts: tuple[BusinessLine, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ScoresView:
    """The page."""

    headline: str
    lead: str
    total: int
    all_address: str
    bands: tuple[BandLine, ...]
    without: int
    without_address: str
    falling: tuple[FallLine, ...]
    falling_count: int
    falling_address: str
    falling_title: str
    falling_note: str
    parts: tuple[PartLine, ...]
    schemes: tuple[tuple[str, str, int, str], ...]
    past: tuple[PastLine, ...]
    past_spark: Spark | None
    past_title: str


def address_of(key: str) -> str:
    """Return the address of the list behind a figure."""
    return f"/customers?cell={quote(cells.address(key), safe=':')}&status=all"


def view(found: Standing, used: Sequence[SchemeView], names: Mapping[int, str], runs: Sequence[Any]) -> ScoresView:
    """Return the page's content; `names` are identifiers of those who fell most (`fell_most`), `runs` the past ones, oldest first."""
    known = ~np.isnan(found.score)
    bands = _bands(found, used)
    ill = sum(line.count for line in bands if line.key in ("critical", "weak"))
    middle = float(np.median(found.score[known])) if known.any() else None
    falling = int(found.falling().sum())
    past = tuple(_past(run) for run in reversed(runs))
    means = [run.summary.get("mean") for run in runs]
    return ScoresView(
        headline=_headline(middle, ill, int(known.sum())),
        lead=_lead(found, used),
        total=len(found),
        all_address=address_of("all"),
        bands=bands,
        without=int((~known).sum()),
        without_address=address_of("unknown"),
        falling=tuple(_fallen(found, at, names, used) for at in fell_most(found)),
        falling_count=falling,
        falling_address=address_of("falling"),
        falling_title=_falling_title(found, falling),
        falling_note="" if found.before_as_of is None else f"since {last_day(clock.iso(found.before_as_of))}",
        parts=_parts(found, used),
        schemes=tuple(
            (
                one.name,
                one.segment or "everybody else",
                int((found.scheme == one.id).sum()),
                address_of(f"scheme.{one.id}"),
            )
            for one in used
        ),
        past=past,
        past_spark=sparkline(means),
        past_title=_past_title(means),
    )


def _headline(middle: float | None, ill: int, n: int) -> str:
    if middle is None:
        return "Nobody’s health is known yet."
    if not ill:
        return f"Nobody is in poor health; the middle customer has {middle:.0f} of 100 points."
    one = ill == 1
    return f"{whole(ill)} of {whole(n)} customers {'is' if one else 'are'} weak or critical; the middle one has {middle:.0f} of 100 points."


def _lead(found: Standing, used: Sequence[SchemeView]) -> str:
    sure = float(found.confidence.mean()) if len(found) else 0.0
    by = "the scheme that this box made of its own data" if len(used) == 1 and used[0].default else "your scheme"
    by = by if len(used) == 1 else f"{len(used)} schemes"
    share = "Nearly all" if sure >= 0.995 else f"On average {percent(sure, 0)}"
    return (
        f"Weighted parts, made of data to {last_day(clock.iso(found.as_of))}, by {by}. {share} of the weight is known; what is not lowers"
        " confidence, not the score. It is no probability: that is the churn model’s."
    )


def _bands(found: Standing, used: Sequence[SchemeView]) -> tuple[BandLine, ...]:
    counts = {name: int(found.in_band(name).sum()) for name in BAND_NAMES}
    total, most = sum(counts.values()) or 1, max(counts.values(), default=0) or 1
    edges = {one.bands for one in used}
    return tuple(
        BandLine(
            key=name,
            look=HEALTH_LOOK[name],
            word=name.capitalize(),
            bounds=_bounds(name, next(iter(edges))) if len(edges) == 1 else "",
            count=counts[name],
            share=percent(counts[name] / total),
            width=round(100 * counts[name] / most, 1),
            address=address_of(f"band.{name}"),
        )
        for name in BAND_NAMES
    )


def _bounds(name: str, edges: tuple[float, ...]) -> str:
    all_edges = (0.0, *edges, 100.0)
    at = BAND_NAMES.index(name)
    return f"{all_edges[at]:g} to {all_edges[at + 1]:g}"


def _parts(found: Standing, used: Sequence[SchemeView]) -> tuple[PartLine, ...]:
    lines, seen = [], set()
    for scheme in used:
        for part in scheme.parts:
            if part.key in seen or part.key not in found.points:
                continue
            seen.add(part.key)
            column = found.points[part.key]
            known = column[~np.isnan(column)]
            mean = float(known.mean()) if len(known) else 0.0
            weights = [f"{each.weight}" for one in used for each in one.parts if each.key == part.key]
            lines.append(
                PartLine(
                    title=part.title,
                    middle=f"{mean:.0f}" if len(known) else "–",
                    low=int(found.low(part.key).sum()),
                    low_address=address_of(cells.part_key(part.key, "low")),
                    missing=int(found.missing(part.key).sum()),
                    missing_address=address_of(cells.part_key(part.key, "missing")),
                    weights=", ".join(dict.fromkeys(weights)),
                    spark=round(mean, 1),
                )
            )
    return tuple(lines)


def fell_most(found: Standing) -> list[int]:
    """Return the places of those who fell most, the deepest fall first."""
    rows = np.flatnonzero(found.falling())
    return [int(at) for at in rows[np.lexsort((found.ids[rows], found.change[rows]))][:SHOWN_FALLING]]


def _fallen(found: Standing, at: int, names: Mapping[int, str], used: Sequence[SchemeView]) -> FallLine:
    user_id = names.get(int(found.ids[at]), "")
    name = BAND_NAMES[int(found.band[at])]
    scheme = next((one for one in used if one.id == int(found.scheme[at])), None)
    return FallLine(
        user_id=user_id,
        address=f"/customers/{quote(user_id)}",
        score=f"{found.score[at]:.0f}",
        look=HEALTH_LOOK[name],
        word=name.capitalize(),
        change=f"−{abs(found.change[at]):.0f}",
        because="" if scheme is None else weakest(scheme, {key: column[at] for key, column in found.points.items()}),
    )


def weakest(scheme: SchemeView, points: Mapping[str, float]) -> str:
    """Return the title of the part that costs a score most; empty where every part is full."""
    known = [
        (part.weight * (100 - points[part.key]), part)
        for part in scheme.parts
        if part.key in points and points[part.key] < 100
    ]
    return max(known, key=lambda one: one[0])[1].title if known else ""


def _falling_title(found: Standing, falling: int) -> str:
    if found.before_as_of is None:
        return "No trend yet"
    if not falling:
        return f"Nobody fell by {FALL:.0f} points or more"
    return f"{whole(falling)} {'customer' if falling == 1 else 'customers'} fell by {FALL:.0f} points or more"


def _past(run: Any) -> PastLine:
    bands = run.summary.get("bands") or {}
    mean = run.summary.get("mean")
    return PastLine(
        last_day(clock.iso(run.as_of)),
        whole(run.n),
        "–" if mean is None else f"{mean:.1f}",
        tuple(whole(bands.get(name, 0)) for name in BAND_NAMES),
    )


def _past_title(means: Sequence[float | None]) -> str:
    known = [one for one in means if one is not None]
    if len(known) < 2:
        return "One date so far"
    change = known[-1] - known[0]
    if abs(change) < 1:
        return f"Mean health stands at {known[-1]:.0f}"
    return f"Mean health {'rose' if change > 0 else 'fell'} from {known[0]:.0f} to {known[-1]:.0f}"


_LINKS = {
    "retention": (("before", "customers then"), ("lost", "of them lost")),
    "risk": (("ten", "largest customers"),),
    "engagement": (("now", "customers"), ("active", "with a sign of life")),
}


def business_view(found: Business) -> BusinessView:
    """Return the health of the business for its card."""
    score = found.health.score
    missing = [part.title.lower() for part in found.health.parts if part.points is None]
    note = f"data to {last_day(clock.iso(found.as_of))}"
    if missing:
        note += f"; not known: {', '.join(missing)}"
    return BusinessView(
        figure="–" if score is None else f"{score:.0f}",
        title=business_title(found),
        note=note,
        parts=tuple(
            BusinessLine(
                title=part.title,
                weight=f"{part.weight:.0f}",
                points="not known" if part.points is None else f"{part.points:.0f}",
                width=0.0 if part.points is None else round(part.points, 1),
                formula=part.formula,
                links=tuple(
                    (f"{whole(len(found.members[which]))} {words}", address_of(f"business.{which}"))
                    for which, words in _LINKS.get(part.name, ())
                    if which in found.members
                ),
            )
            for part in found.health.parts
        ),
        notes=found.notes,
    )


def business_title(found: Business) -> str:
    """Return the health of the business as a sentence."""
    known = [part for part in found.health.parts if part.points is not None]
    if found.health.score is None or not known:
        return "The health of the business is not known yet"
    worst = min(known, key=lambda part: part.points or 0.0)
    return f"The business has {found.health.score:.0f} of 100 points; {worst.title.lower()} is the weakest part"


LOW_WORDS = f"fewer than {LOW:.0f} points"
