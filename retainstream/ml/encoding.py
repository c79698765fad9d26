"""From a person's table to one numeric float32 matrix, the same way in training and in serving.

Numbers stay numbers (missing is NaN), so whole numbers below 2**24 compare exactly. Categories become whole-number
codes: in a *base* matrix by the sorted list of levels, without looking at labels; and then, for each booster,
re-ordered. Columns with few levels are ordered by the smoothed churn rate among *that booster's own training rows*,
so a row that the booster never saw never meets its own label; columns with many levels are ordered by frequency,
because a rate per rare level overfits. Levels that a booster did not see become missing, and are named in notices.

Measured against XGBoost's native categories (2 x 5 folds, depth 3): telco 0.8470 against 0.8475, bank 0.8666 against
0.8664, telecom_3333 0.9165 against 0.9159, far within noise; rates on all 51 states of telecom_3333 cost 0.004,
frequencies on the three countries of bank 0.0025. Exact contributions are an order of magnitude faster without
native categories.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.features import FeatureSpec

if TYPE_CHECKING:
    import pandas as pd

FEW_LEVELS = 16  # up to here levels are ordered by churn rate, above by frequency
MAX_LEVELS = 1000  # the most frequent are kept; the others are "not known well enough" and become missing
RATE_PRIOR = 10.0  # rows' worth of the base rate that a level's rate is smoothed with

_LARGEST = float(np.finfo(np.float32).max)

_TRUE = {"true", "yes", "y", "t", "1"}
_FALSE = {"false", "no", "n", "f", "0"}


@dataclass(frozen=True)
class Notice:
    """Something a reader of one score should know about one value.

    ``kind`` is ``missing`` (no value), ``unseen`` (a category the model does not know) or ``not_a_number``.
    """

    feature: str
    kind: str
    value: str | None
    sentence: str

    def to_dict(self) -> dict[str, str | None]:
        """Return the fields."""
        return {"feature": self.feature, "kind": self.kind, "value": self.value, "sentence": self.sentence}


def category_text(value: Any) -> str | None:
    """Return a category's text as levels are kept: trimmed, whole floats without ``.0``; ``None`` when missing."""
    if value is None or value is NotImplemented:
        return None
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            return None
        if float(value).is_integer():
            return str(int(value))
    if isinstance(value, str):
        return value.strip() or None
    text = str(value).strip()
    return None if text in ("", "<NA>", "NaT") else text


def number_of(value: Any) -> float:
    """Return a single value as float; NaN when it is missing or not a number. Yes/no texts count as 1 and 0."""
    if value is None:
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = str(value).strip().lower()
        return 1.0 if text in _TRUE else 0.0 if text in _FALSE else math.nan
    return number if abs(number) <= _LARGEST else math.nan  # NaN compares false


class CategoryEncoder:
    """Frozen encoder: base codes for all rows, and one order of the levels per booster.

    Parameters
    ----------
    specs : sequence of FeatureSpec
        The columns of the matrix, in order.

    Attributes
    ----------
    levels : dict of str to list of str
        Per category feature, the known levels; a level's position is its base code.
    orders : list of dict of int to float32 array
        Per booster, per column that is re-ordered: ``order[base code] -> code`` (NaN: this booster did not see it).
    """

    def __init__(self, specs: Sequence[FeatureSpec]) -> None:
        self.specs = tuple(specs)
        self.levels: dict[str, list[str]] = {}
        self.orders: list[dict[int, np.ndarray]] = []
        self._codes: dict[str, dict[str, int]] = {}

    def fit_levels(self, frame: pd.DataFrame) -> CategoryEncoder:
        """Freeze the levels of every category column; labels play no part."""
        for spec in self.specs:
            if spec.kind == "category":
                counts = _texts(frame[spec.name]).value_counts(sort=False)
                kept = counts.sort_index().sort_values(ascending=False, kind="stable").index[:MAX_LEVELS]
                self.levels[spec.name] = sorted(str(level) for level in kept)
        self._index()
        return self

    def without_orders(self) -> CategoryEncoder:
        """Return an encoder of the same features and levels that knows no booster yet."""
        twin = CategoryEncoder(self.specs)
        twin.levels, twin._codes = self.levels, self._codes
        return twin

    def _index(self) -> None:
        self._codes = {name: {level: i for i, level in enumerate(levels)} for name, levels in self.levels.items()}

    def base(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the base matrix, float32 of shape (n, f); missing, unknown and non-numbers are NaN."""
        matrix = np.empty((len(frame), len(self.specs)), dtype=np.float32, order="F")
        for j, spec in enumerate(self.specs):
            matrix[:, j] = self._column(frame[spec.name], spec)
        return matrix

    def _column(self, column: pd.Series, spec: FeatureSpec) -> np.ndarray:
        if spec.kind == "category":
            codes = _texts(column).map(self._codes[spec.name])
            return np.asarray(codes.to_numpy(dtype=np.float32, na_value=np.nan))
        return _numbers(column)

    def base_row(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return the base codes of one row of values, float32 of shape (1, f), without pandas."""
        row = np.empty((1, len(self.specs)), dtype=np.float32)
        for j, spec in enumerate(self.specs):
            value = values.get(spec.name)
            if spec.kind == "category":
                row[0, j] = self._codes[spec.name].get(category_text(value) or "", math.nan)
            else:
                row[0, j] = number_of(value)
        return row

    def add_order(self, base: np.ndarray, y: np.ndarray) -> None:
        """Freeze one booster's order of the levels from the rows that this booster is trained on."""
        order: dict[int, np.ndarray] = {}
        for j, spec in enumerate(self.specs):
            levels = self.levels.get(spec.name)
            if spec.kind == "category" and levels:
                order[j] = _level_order(base[:, j], y, len(levels))
        self.orders.append(order)

    def matrix(self, base: np.ndarray, booster: int) -> np.ndarray:
        """Return booster ``booster``'s matrix, float32 of shape (n, f), for rows of a base matrix."""
        order = self.orders[booster]
        if not order:
            return np.ascontiguousarray(base)
        matrix = np.array(base, dtype=np.float32, order="C")
        for j, codes in order.items():
            column = base[:, j]
            known = ~np.isnan(column)
            matrix[known, j] = codes[column[known].astype(np.int64)]
        return matrix

    def notices(self, values: Mapping[str, Any], base: np.ndarray) -> tuple[Notice, ...]:
        """Say what is missing or unknown in one row, given its base codes of shape (f,)."""
        if not np.isnan(base).any():
            return ()
        return tuple(
            _notice(self.specs[j], values.get(self.specs[j].name)) for j in np.flatnonzero(np.isnan(base)).tolist()
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; an order's ``None`` is a level that the booster did not see."""
        return {
            "specs": [spec.to_dict() for spec in self.specs],
            "levels": self.levels,
            "orders": [
                {str(j): [None if math.isnan(c) else int(c) for c in codes.tolist()] for j, codes in order.items()}
                for order in self.orders
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> CategoryEncoder:
        """Rebuild an encoder from :meth:`to_dict`."""
        encoder = cls([FeatureSpec.from_dict(item) for item in data["specs"]])
        encoder.levels = {name: list(levels) for name, levels in data["levels"].items()}
        encoder.orders = [
            {
                int(j): np.asarray([np.nan if c is None else c for c in codes], dtype=np.float32)
                for j, codes in order.items()
            }
            for order in data["orders"]
        ]
        encoder._index()
        return encoder


def _level_order(column: np.ndarray, y: np.ndarray, n_levels: int) -> np.ndarray:
    """Code per base code: rank by smoothed churn rate (few levels) or by falling frequency (many); NaN when unseen."""
    known = ~np.isnan(column)
    codes = column[known].astype(np.int64)
    count = np.bincount(codes, minlength=n_levels).astype(np.float64)
    if n_levels <= FEW_LEVELS:
        churned = np.bincount(codes, weights=y[known], minlength=n_levels)
        key = (churned + RATE_PRIOR * float(y.mean())) / (count + RATE_PRIOR)
    else:
        key = -count
    ranks = np.empty(n_levels, dtype=np.float32)
    ranks[np.argsort(key, kind="stable")] = np.arange(n_levels, dtype=np.float32)
    ranks[count == 0] = np.nan
    return ranks


def _texts(column: pd.Series) -> pd.Series:
    """Return a column as trimmed text (object dtype), ``None`` where missing; each distinct value is read once."""
    import pandas as pd

    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    texts = np.empty(len(uniques) + 1, dtype=object)
    texts[:-1] = [category_text(value) for value in uniques]
    texts[-1] = None  # factorize's -1
    return pd.Series(texts[codes], index=column.index, dtype=object)


def _numbers(column: pd.Series) -> np.ndarray:
    """Return a column as float32; what is no finite number is NaN."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
        doubtful = np.isnan(numbers) & column.notna().to_numpy()
        if doubtful.any():
            numbers = numbers.copy()
            numbers[doubtful] = [number_of(value) for value in column.to_numpy(dtype=object)[doubtful]]
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    if not np.isfinite(small).all():
        small[~np.isfinite(small)] = np.nan
    return small


def _notice(spec: FeatureSpec, value: Any) -> Notice:
    text = category_text(value)
    if text is None:
        return Notice(spec.name, "missing", None, f"{spec.title} is missing; the score was made without it.")
    text = text if len(text) <= 60 else text[:57] + "..."
    if spec.kind == "category":
        return Notice(
            spec.name, "unseen", text, f"{spec.title} is '{text}', which the model has not seen; it counts as missing."
        )
    return Notice(spec.name, "not_a_number", text, f"{spec.title} is '{text}', not a number; it counts as missing.")
