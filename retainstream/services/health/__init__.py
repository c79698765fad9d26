"""Health scores: what they are made of, for whom, how they stand, and whether they would have told who left.

    parts      the parts that this box can make of its own data, and their values as of a time
    schemes    which parts with what weights for whom: kept, changed, checked
    making     the step of the analyse job: scores of everybody, dated
    backtest   schemes against those who really left, beside the churn model and plain silence; proposed weights
    reading    the scores in force and the ones before, as arrays that pages read
    customer   the health of one customer with its past, as the API tells it
    business   the health of the business with its parts
    cells      whom each figure counts

The maths are `retainstream.ml.health`. A health score is a sum that people set and can follow; it is no probability.
"""

from __future__ import annotations
