"""A cohort grid as the API shows it: plain figures, unrounded, each with the address of whom it counts."""

from __future__ import annotations

import math
from typing import Any

from retainstream.lib import clock
from retainstream.services.cohorts import cells, grids
from retainstream.services.cohorts.grids import Cohorts

KIND = "cohort"


def cohorts(found: Cohorts) -> dict[str, Any]:
    """Return the grid with its averages."""
    table, unit = found.table, found.unit
    return {
        "grid": found.grid,
        "unit": unit,
        "as_of": clock.iso(found.as_of),
        "complete_through": grids.name_of(found.clock.last_complete, unit),
        "certain_after_days": found.certain_after,
        "recorded_from": clock.iso(found.recorded_from),
        "n": int(table.sizes.sum()),
        "n_before_the_record": len(found.early),
        "cohorts": [_cohort(found, row) for row in range(len(table.cohorts))],
        "averages": [
            {
                "age": age,
                "n": int(table.age_sizes[age]),
                "retained": int(table.age_retained[age]),
                "share": float(table.age_share[age]),
                "cell": _address(found, cells.ALL, age, cells.HERE),
            }
            for age in range(len(table.age_share))
            if math.isfinite(table.age_share[age])
        ],
    }


def _cohort(found: Cohorts, row: int) -> dict[str, Any]:
    table, name = found.table, grids.name_of(int(found.table.cohorts[row]), found.unit)
    return {
        "period": name,
        "n": int(table.sizes[row]),
        "cell": _address(found, name, cells.SIZE),
        "cells": [
            {
                "age": age,
                "retained": int(table.retained[row, age]),
                "gone": int(table.sizes[row] - table.retained[row, age]),
                "share": float(table.share[row, age]),
                "low": float(found.low[row, age]),
                "high": float(found.high[row, age]),
                "complete": bool(table.mature[row, age]),
                "retained_cell": _address(found, name, age, cells.HERE),
                "gone_cell": _address(found, name, age, cells.GONE),
            }
            for age in range(table.share.shape[1])
            if table.reached[row, age]
        ],
    }


def _address(found: Cohorts, *parts: object) -> str:
    return f"{KIND}:{found.grid}/{found.unit}/{'/'.join(str(part) for part in parts)}"
