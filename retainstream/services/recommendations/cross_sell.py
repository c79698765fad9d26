"""What is bought together: made by a step of the analyse job from the products of purchases, kept as a file beside the material, read from memory."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from retainstream.config import Settings
from retainstream.db import read_unit
from retainstream.errors import NotReady
from retainstream.lib import clock
from retainstream.lib.kept import Kept
from retainstream.ml.copurchase import MIN_BOTH, Pair, pairs
from retainstream.models import Customer, Event, EventKind
from retainstream.services import jobs
from retainstream.services.analyses import material, runs
from retainstream.services.analyses.purchases import BOUGHT
from retainstream.services.events.listing import visible

MOST_PAIRS: Final = 20_000
SHOWN: Final = 5
NO_ORDERS: Final = (
    "There are no purchases with a product on record, so nothing can be said about what is bought together. "
    "Send orders that name their product, by API or as a file."
)
TOO_FEW: Final = (
    "Nothing is bought surely more often by those who bought something else, "
    f"as far as {MIN_BOTH} customers or more bought both."
)
NOT_MADE: Final = "What is bought together is counted with the other analyses, which have not been made yet."
_FILE = "bought-together.json"
_LONGEST = 200


@dataclass(frozen=True)
class Together:
    """Pairs of products that surely go together, with their names; `as_of` is that of the material, microseconds UTC."""

    as_of: int
    buyers: int
    names: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def present(self, pair: Pair) -> dict[str, object]:
        """Return a pair in the API's form."""
        return {
            "bought": self.names[pair.bought],
            "product": self.names[pair.other],
            "both": pair.both,
            "n_bought": pair.n_bought,
            "n_product": pair.n_other,
            "n": pair.n,
            "support": pair.support,
            "confidence": pair.confidence,
            "interval": list(pair.interval),
            "lift": pair.lift,
        }


_kept: Kept[Together] = Kept(2)


def _product() -> ColumnElement[Any]:
    return func.coalesce(
        func.json_extract(Event.properties, '$."product"'), func.json_extract(Event.properties, '$."item"')
    )


def make(context: jobs.JobContext, part: tuple[float, float]) -> dict[str, Any]:
    """Count what is bought together and keep it; raises NotReady where no purchase names a product."""
    with read_unit() as session:
        run = runs.in_force(session, "material")
        if run is None:
            raise NotReady(NOT_MADE)
        run_id, as_of = run.id, run.as_of
        product = _product()
        bought = session.execute(
            select(Event.customer_id, product)
            .join(EventKind, EventKind.id == Event.kind_id)
            .join(Customer, Customer.id == Event.customer_id)
            .where(
                EventKind.name == BOUGHT,
                visible(Event),
                Customer.visible(),
                Event.occurred_at < as_of,
                product.is_not(None),
            )
            .distinct()
        ).all()
    context.progress("what is bought together", sum(part) / 2)
    if not bought:
        raise NotReady(NO_ORDERS)
    found = _counted(bought)
    _write(_file(context.settings, run_id), found | {"as_of": as_of})
    return {"buyers": found["buyers"], "pairs": len(found["pairs"])}


def _counted(bought: Any) -> dict[str, Any]:
    """Return the pairs of rows (customer, product) as JSON: the names of the products in pairs, and the counts by their places."""
    import numpy as np

    numbers: dict[str, int] = {}
    customers = np.fromiter((row[0] for row in bought), np.int64, len(bought))
    items = np.fromiter(
        (numbers.setdefault(str(row[1])[:_LONGEST], len(numbers)) for row in bought), np.int64, len(bought)
    )
    told = [pair for pair in pairs(customers, items, most=MOST_PAIRS) if pair.surely_more]
    named = sorted({number for pair in told for number in (pair.bought, pair.other)})
    texts = list(numbers)
    place = {number: at for at, number in enumerate(named)}
    return {
        "buyers": len(np.unique(customers)),
        "names": [texts[number] for number in named],
        "pairs": [[place[one.bought], place[one.other], one.both, one.n_bought, one.n_other, one.n] for one in told],
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(content), encoding="utf-8")
    os.replace(draft, file)  # noqa: PTH105 - whole or not at all


def _file(settings: Settings, run_id: int) -> Path:
    return settings.instance_path / material.FOLDER / str(run_id) / _FILE


def read(session: Session, settings: Settings) -> Together | None:
    """Return what is bought together by the material in force; None where there is nothing, which `lacking` puts into words."""
    run = runs.in_force(session, "material")
    if run is None:
        return None
    file = _file(settings, run.id)
    if not file.is_file():
        return None
    return _kept.of((str(file), file.stat().st_mtime_ns), lambda: _load(file))


def _load(file: Path) -> Together:
    told = json.loads(file.read_text(encoding="utf-8"))
    return Together(told["as_of"], told["buyers"], tuple(told["names"]), tuple(Pair(*row) for row in told["pairs"]))


def lacking(session: Session, found: Together | None) -> str:
    """Return why there is nothing to tell, as a sentence; empty where there is."""
    if found is not None:
        return "" if found.pairs else TOO_FEW
    return NOT_MADE if runs.in_force(session, "material") is None else NO_ORDERS


def listing(session: Session, settings: Settings, most: int) -> dict[str, object]:
    """Return the pairs that surely go together, the highest lift first, as the API has them."""
    found = read(session, settings)
    best = [] if found is None else sorted(found.pairs, key=lambda one: -one.lift)[:most]
    items = [] if found is None else [found.present(pair) for pair in best]
    return {
        "as_of": None if found is None else clock.iso(found.as_of),
        "buyers": 0 if found is None else found.buyers,
        "min_customers": MIN_BOTH,
        "items": items,
        "note": lacking(session, found),
    }


def has_orders(session: Session) -> bool:
    """Tell whether this box was ever told of a purchase: where nothing is sold one by one, nothing is bought together either."""
    return session.scalar(select(EventKind.id).where(EventKind.name == BOUGHT)) is not None


def bought_by(session: Session, customer_id: int) -> frozenset[str]:
    """Return the products that a customer ever bought."""
    product = _product()
    rows = session.scalars(
        select(product)
        .join(EventKind, EventKind.id == Event.kind_id)
        .where(Event.customer_id == customer_id, EventKind.name == BOUGHT, visible(Event), product.is_not(None))
        .distinct()
    )
    return frozenset(str(one)[:_LONGEST] for one in rows)


def of_customer(session: Session, settings: Settings, customer_id: int) -> dict[str, object]:
    """Return what those who bought the same things bought besides, as the API has it: each product once, by the surest of its pairs."""
    found = read(session, settings)
    note, items = lacking(session, found), []
    if found is not None and found.pairs:
        own = bought_by(session, customer_id)
        best: dict[int, Pair] = {}
        for pair in found.pairs:
            if found.names[pair.bought] in own and found.names[pair.other] not in own:
                other = best.get(pair.other)
                if other is None or pair.interval[0] > other.interval[0]:
                    best[pair.other] = pair
        surest = sorted(best.values(), key=lambda one: -one.interval[0])[:SHOWN]
        items = [found.present(pair) for pair in surest]
        if not own:
            note = "This customer has not bought anything with a product on record."
        elif not items:
            note = "Nothing is bought surely more often by those who bought the same."
    return {"as_of": None if found is None else clock.iso(found.as_of), "items": items, "note": note}
