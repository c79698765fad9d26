"""Everybody's RFM scores, as of now and of the ends of the past twelve months: a step of the analyse job.

Months are made in the same run, so that moves can be seen on the first day; one whose figures have not changed since is left as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select

from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.models import AnalysisRun, RfmScore
from retainstream.services import as_of, jobs
from retainstream.services.analyses import runs
from retainstream.services.rfm import values

if TYPE_CHECKING:
    from retainstream.ml.rfm import RfmScores, RfmValues

KIND, WORDS = "rfm", "RFM"
MONTHS = 12
_FORMAT = 1


@dataclass(frozen=True)
class _Day:
    """One day's scores, before they are written."""

    known: RfmValues
    scores: RfmScores

    def fingerprint(self, source: values.Source) -> str:
        arrays = (self.known.customer, self.known.recency_days, self.known.frequency, self.known.money)
        digest = hashlib.sha256(f"{_FORMAT}/{source.meaning}/{source.currency}/{source.priced}".encode())
        for column in arrays:
            digest.update(np.ascontiguousarray(column, np.int64).tobytes())
        return digest.hexdigest()[:32]


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Score everybody: a step of the analyse job. Raises NotReady where nothing tells when anybody was last there."""
    from retainstream.ml.rfm import rfm_scores

    with read_unit() as session:
        source = values.source(session, context.settings)
        end, known = as_of.data_end(session), as_of.data_as_of(session)
        before = {
            run.as_of: run.inputs.get("fingerprint")
            for run in session.scalars(
                select(AnalysisRun).where(AnalysisRun.kind == KIND, AnalysisRun.state == "complete")
            )
        }
    ends = values.month_ends(source.first, end, ZoneInfo(context.settings.time_zone), MONTHS)
    written: list[tuple[int, _Day]] = []
    for place, moment in enumerate([*ends, end]):
        context.progress(WORDS, part[0] + (part[1] - part[0]) * place / (len(ends) + 1))
        found = source.of(moment)
        day = _Day(found, rfm_scores(found))
        mark = day.fingerprint(source)
        if moment == end and not len(found.customer):
            raise NotReady("Nobody has bought or done anything yet within the complete days of the data.")
        if moment != end and (not len(found.customer) or before.get(moment) == mark):
            continue
        inputs = {
            "meaning": source.meaning,
            "currency": source.currency,
            "priced": source.priced,
            "fingerprint": mark,
            "active_days": values.ACTIVE_DAYS if source.meaning == values.ACTIVITY else None,
        }
        run_id = runs.begin(context, KIND, as_of=moment, data_as_of=min(known, moment), inputs=inputs)
        _write(context, run_id, day, source.priced)
        written.append((run_id, day))
    # All at once, the newest day last: it is the one in force, and no reader may take a past month for it.
    with context.holding_unit() as session:
        for run_id, day in written:
            runs.complete(session, run_id, n=len(day.known.customer), summary={"groups": day.scores.counts()})
    newest = written[-1][1]
    return {
        "customers": len(newest.known.customer),
        "as_of": clock.iso(end),
        "meaning": source.meaning,
        "months": len(ends),
        "months_made": len(written) - 1,
    }


def _write(context: jobs.JobContext, run_id: int, day: _Day, priced: bool) -> None:
    from retainstream.ml.rfm import NAMES

    columns = zip(
        day.known.customer.tolist(),
        day.known.recency_days.tolist(),
        day.known.frequency.tolist(),
        day.known.money.tolist(),
        day.scores.recency.tolist(),
        day.scores.frequency.tolist(),
        day.scores.money.tolist(),
        day.scores.group.tolist(),
        strict=True,
    )
    rows = (
        {
            "run_id": run_id,
            "customer_id": customer,
            "recency_days": recency,
            "frequency": frequency,
            "monetary_minor": money if priced else None,
            "r": r,
            "f": f,
            "m": m if priced else None,
            "name": NAMES[group],
        }
        for customer, recency, frequency, money, r, f, m, group in columns
    )
    runs.write(context, RfmScore, rows)
