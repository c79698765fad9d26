"""RFM as the API shows it; each figure with the address of whom it counts."""

from __future__ import annotations

from retainstream.lib import clock
from retainstream.lib.money import money
from retainstream.services.rfm import cells
from retainstream.services.rfm.reading import Day, Moves, Standing


def standing(found: Standing, days: list[Day]) -> dict[str, object]:
    """Return the map and the groups."""
    currency = found.currency
    return {
        "as_of": clock.iso(found.as_of),
        "made_at": clock.iso(found.made_at),
        "meaning": found.meaning,
        "customers": found.n,
        "groups": [
            {
                "name": one.name,
                "meaning": one.meaning,
                "n": one.n,
                "money": None if currency is None or one.money_minor is None else money(one.money_minor, currency),
                "churn_probability": one.probability,
                "scored": one.scored,
                "cell": f"rfm:{one.name}",
            }
            for one in found.groups
        ],
        "map": [
            {"r": r, "f": f, "n": n, "cell": f"rfm:r{r}f{f}"}
            for r, row in enumerate(found.grid, 1)
            for f, n in enumerate(row, 1)
        ],
        "days": [{"name": day.name, "as_of": clock.iso(day.as_of)} for day in days],
    }


def migration(found: Moves) -> dict[str, object]:
    """Return the table of moves: every cell that holds somebody, and the sums of rows and columns."""
    from retainstream.ml.rfm import NAMES

    rows, columns = (*NAMES, cells.ENTERED), (*NAMES, cells.LEFT)
    counts = found.table.counts.tolist()

    def address(before: str, after: str) -> str:
        return f"rfm:{cells.move_key(before, after, found)}"

    return {
        "from": {"name": found.before.name, "as_of": clock.iso(found.before.as_of)},
        "to": {"name": found.after.name, "as_of": clock.iso(found.after.as_of)},
        "population": found.table.population,
        "entered": found.table.entered,
        "left": found.table.left,
        "moves": [
            {"before": before, "after": after, "n": n, "cell": address(before, after)}
            for before, row in zip(rows, counts, strict=True)
            for after, n in zip(columns, row, strict=True)
            if n
        ],
        "before": [
            {"name": name, "n": sum(row), "cell": address(name, cells.ANY)}
            for name, row in zip(rows, counts, strict=True)
        ],
        "after": [
            {"name": name, "n": sum(row[at] for row in counts), "cell": address(cells.ANY, name)}
            for at, name in enumerate(columns)
        ],
    }
