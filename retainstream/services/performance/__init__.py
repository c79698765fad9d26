"""How scores turned out: runs are judged once their window has closed, and until then their own probabilities say what may be expected.

    judging    the judge job: outcomes and realised figures of every run whose window has closed
    figures    margins and probabilities of a run, what its model's test window promised, and what its probabilities promise
    listing    runs as people see them, promised beside realised or estimated

The figures themselves are computed by `retainstream.ml.performance`, the labels by `retainstream.ml.asof.outcomes`.
"""

from __future__ import annotations

from retainstream.services.performance.judging import judge, judge_runs
from retainstream.services.performance.listing import STATES, results

__all__ = ["STATES", "judge", "judge_runs", "results"]
