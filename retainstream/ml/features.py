"""What a feature is: its name, kind and words, and the hash of a set of them.

Nothing here looks at values, except :func:`infer_features`, which guesses kinds for a notebook user who has given none.
Turning values into numbers lives in ``encoding.py``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "integer", "boolean", "category"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Recipe:
    """How a feature is made from history, for those that :mod:`retainstream.ml.asof` builds.

    Parameters
    ----------
    source : {"events", "subscriptions", "profile"}
    aggregate : str
        What is computed; the builder's module lists what each source knows.
    event : str, optional
        Kind of event; for a profile the attribute's name.
    window_days : int, optional
        Length of the window that ends at the as-of time; none for a whole history.
    property : str, optional
        Property of the event whose different values are counted.
    """

    source: Literal["events", "subscriptions", "profile"]
    aggregate: str
    event: str | None = None
    window_days: int | None = None
    property: str | None = None


@dataclass(frozen=True)
class FeatureSpec:
    """One feature, as the model and a reader know it.

    Parameters
    ----------
    name : str
        The column's name in the matrix; unique within a feature set.
    kind : {"number", "integer", "boolean", "category"}
        ``integer`` is whole-valued, ``boolean`` is 0 or 1, ``category`` is text. Missing is ``None`` or NaN in all.
    title : str
        The name as a person reads it.
    unit : str, optional
        Unit of the values, for sentences ("hours", "months").
    wording_up, wording_down : str, optional
        Own words for "high" and "low" values of this feature.
    actionable : bool
        Whether a team can change it; only then may a sentence suggest to.
    sensitive : bool
        Whether it must not be shown to everybody.
    recipe : Recipe, optional
        How it is made from history; none for a column that was imported as it is.

    Raises
    ------
    ValueError
        When the kind is unknown or the name is empty.
    """

    name: str
    kind: Kind
    title: str
    unit: str | None = None
    wording_up: str | None = None
    wording_down: str | None = None
    actionable: bool = False
    sensitive: bool = False
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"The kind of feature {self.name!r} is {self.kind!r}; it must be one of {', '.join(KINDS)}."
            )
        if not self.name:
            raise ValueError("A feature needs a name.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values; a feature without a recipe has no such key, so that its set keeps its hash."""
        plain = asdict(self)
        if self.recipe is None:
            del plain["recipe"]
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FeatureSpec:
        """Rebuild a specification from :meth:`to_dict`."""
        recipe = data.get("recipe")
        return cls(**{**data, "recipe": None if recipe is None else Recipe(**recipe)})


def feature_set_hash(specs: Iterable[FeatureSpec]) -> str:
    """Return the SHA-256 (hex) of a feature set, in order, over canonical JSON."""
    canonical = json.dumps(
        [spec.to_dict() for spec in specs], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def title_of(name: str) -> str:
    """Return a readable title for a column name: ``"last_login_days"`` becomes ``"Last login days"``."""
    words = re.sub(r"[\s_]+", " ", str(name)).strip()
    return words[:1].upper() + words[1:] if words else "Unnamed"


def infer_features(frame: pd.DataFrame) -> list[FeatureSpec]:
    """Guess a specification for every column of a frame, from its dtype and, for floats, its values.

    Parameters
    ----------
    frame : DataFrame of shape (n, f)

    Returns
    -------
    list of FeatureSpec
        One per column, in order. Columns of numbers that are all whole are ``integer``; with only 0 and 1, ``boolean``.
    """
    specs = []
    for position, name in enumerate(frame.columns):
        kind = _kind_of(frame.iloc[:, position])
        specs.append(FeatureSpec(name=str(name), kind=cast(Kind, kind), title=title_of(str(name))))
    return specs


def _kind_of(column: pd.Series) -> str:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if not pd.api.types.is_numeric_dtype(column):
        known = column.dropna()
        if len(known) and all(isinstance(value, bool | int | float) for value in known.head(1000)):
            column = pd.to_numeric(column, errors="coerce")
        else:
            return "category"
    known = column.dropna()
    if len(known) and bool(known.isin((0, 1)).all()):
        return "boolean"
    if pd.api.types.is_integer_dtype(column) or bool((known.astype(float) % 1 == 0).all()):
        return "integer"
    return "number"


def check_specs(specs: Sequence[FeatureSpec], columns: Sequence[str]) -> None:
    """Raise ``ValueError`` unless the specifications name each column of the frame exactly once."""
    names = [spec.name for spec in specs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"These feature names occur more than once: {', '.join(repeated)}.")
    absent = [name for name in names if name not in set(columns)]
    if absent:
        raise ValueError(f"These features have no column in the data: {', '.join(absent)}.")
