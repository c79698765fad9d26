"""Health scores as a report: bands, parts, the past, whether the scores told who left, and the health of the business. Before they were made it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.lib import clock
from retainstream.lib.workbook import Heading
from retainstream.services.health import business, listing, reading, schemes
from retainstream.services.health.reading import FALL, LOW, Standing
from retainstream.services.health.schemes import BAND_NAMES
from retainstream.services.reports.cells import NOTHING
from retainstream.services.reports.documents import Asking, Document, Figure, Table, small

_CUSTOMERS = Heading("customers", "whole", "Customers")
_PART = Heading("part", "long", "Part")


def health(asking: Asking) -> Document:
    """Return the scores in force with their past and their back-test; raises NotReady before they were made."""
    session = asking.session
    found = reading.standing(session)
    known = ~np.isnan(found.score)
    middle = float(np.median(found.score[known])) if known.any() else None
    ill = int((found.in_band("critical") | found.in_band("weak")).sum())
    whole, notes = _business(session, asking.settings)
    figures = (
        Figure("Middle customer", NOTHING if middle is None else f"{middle:.0f}", "of 100 points"),
        Figure("Weak or critical", f"{ill:,}", f"of {int(known.sum()):,} whose health is known"),
        Figure("Falling", f"{int(found.falling().sum()):,}", f"lost {FALL:.0f} points or more in about 30 days"),
        Figure("Known", f"{100 * float(found.confidence.mean()):.0f}%" if len(found) else NOTHING, "of the weight"),
    )
    tables = (_bands(found), _parts(session, found), _past(session), _backtest(session), whole)
    title = f"{ill:,} of {int(known.sum()):,} customers are weak or critical"
    lead = "Weighted parts of what was known, 0 to 100 points. It is no probability: that is the churn model’s."
    return Document(title, lead, found.as_of, tables, figures, notes)


def _bands(found: Standing) -> Table:
    counts = [(name.capitalize(), int(found.in_band(name).sum())) for name in BAND_NAMES]
    total = sum(count for _, count in counts)
    rows = [(*one, one[1] / total if total else None) for one in counts]
    unknown = len(found) - total
    note = f"Of {unknown:,} more no part is known." if unknown else ""
    return small("Bands", (Heading("band", title="Band"), _CUSTOMERS, Heading("share", "share", "Share")), rows, bar="customers", note=note)  # fmt: skip


def _parts(session: Session, found: Standing) -> Table:
    """Return a line for each part of each scheme in use: the mean of the scheme's own customers."""
    rows: list[tuple[object, ...]] = []
    for scheme in schemes.active(session):
        own = found.scheme == scheme.id
        for part in scheme.parts:
            column = found.points.get(part.key)
            points = np.empty(0) if column is None else column[own & ~np.isnan(column)]
            mean = round(float(points.mean()), 1) if len(points) else None
            low, missing = (int((own & mask).sum()) for mask in (found.low(part.key), found.missing(part.key)))
            rows.append((part.title, scheme.name, part.weight, mean, low, missing))
    headings = (
        _PART,
        Heading("scheme", title="Scheme"),
        Heading("weight", "number", "Weight"),
        Heading("mean_points", "number", "Mean points"),
        Heading("low", "whole", f"Under {LOW:.0f} points"),
        Heading("missing", "whole", "Not known"),
    )
    return small("Parts", headings, rows)


def _past(session: Session) -> Table:
    rows = []
    for run in reading.past_runs(session):
        bands: dict[str, int] = run.summary.get("bands") or {}
        mean = run.summary.get("mean")
        rows.append((clock.from_us(run.as_of), run.n, mean, *(bands.get(name) for name in BAND_NAMES)))
    headings = (
        Heading("as_of", "date", "As of"),
        _CUSTOMERS,
        Heading("mean", "number", "Mean score"),
        *(Heading(name, "whole", name.capitalize()) for name in BAND_NAMES),
    )
    return small("The past", headings, rows)


def _backtest(session: Session) -> Table:
    told, found = listing.judged(session)
    rows: list[tuple[object, ...]] = []
    for one in found:
        for words, panel in (("All dates", one.past), ("Dates that the model has", one.beside_model)):
            rows += _ranked(one.scheme.name, words, panel)
    headings = (
        Heading("scheme", title="Scheme"),
        Heading("dates", title="Judged on"),
        Heading("ranked_by", title="Ranked by"),
        Heading("auc", "number", "AUC"),
        Heading("low", "number", "From"),
        Heading("high", "number", "To"),
        Heading("n", "whole", "Cases"),
        Heading("left", "whole", "Left"),
    )
    note = "AUC: how often somebody who left ranked worse than somebody who stayed; 0.5 is chance. With 95% intervals."
    return small("Held against who left", headings, rows, note=str(told["message"] or note))


def _ranked(scheme: str, dates: str, panel: dict[str, Any] | None) -> list[tuple[object, ...]]:
    if panel is None or panel["message"] is not None:
        return []
    names = {"health": "Health score", "model": "Churn model", "silence": "Silence alone"}
    return [
        (
            scheme,
            dates,
            words,
            *(round(panel[name][end], 3) for end in ("value", "low", "high")),
            panel["n"],
            panel["left"],
        )
        for name, words in names.items()
        if panel.get(name)
    ]


def _business(session: Session, settings: Settings) -> tuple[Table, tuple[str, ...]]:
    found = business.read(session, settings)
    score = found.health.score
    rows = [
        (
            one.title,
            one.weight,
            None if one.points is None else round(one.points, 1),
            round(one.contribution, 1),
            one.formula,
        )
        for one in found.health.parts
    ]
    headings = (
        Heading("part", title="Part"),
        Heading("weight", "number", "Weight"),
        Heading("points", "number", "Points"),
        Heading("contribution", "number", "Brings"),
        Heading("formula", "long", "How it came about"),
    )
    title = "The health of the business" if score is None else f"The health of the business: {score:.0f} of 100"
    return small(title, headings, rows), found.notes
