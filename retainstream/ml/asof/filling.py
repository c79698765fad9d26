"""The columns of a panel, filled date by date. What goes in is made by `builder`, which rows there are decided in `panel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.features import FeatureSpec

if TYPE_CHECKING:
    import pandas as pd

PROFILE_SHARE = 0.5
"""A profile column that was known on fewer of the rows has no column in a panel."""


class Columns:
    """Columns that are filled date by date, without holding a frame for each date."""

    def __init__(self, specs: Sequence[FeatureSpec], n: int) -> None:
        self._specs = tuple(specs)
        self._values = {
            spec.name: np.empty(n, np.int32 if spec.kind == "category" else np.float32) for spec in self._specs
        }
        self._levels: dict[str, dict[str, int]] = {spec.name: {} for spec in self._specs if spec.kind == "category"}

    def fill(self, part: slice, frame: pd.DataFrame) -> None:
        """Put the features of one date into the rows of a slice."""
        for name, column in self._values.items():
            if name not in self._levels:
                column[part] = frame[name].to_numpy()
                continue
            levels = self._levels[name]
            given = frame[name].cat
            codes = [levels.setdefault(str(level), len(levels)) for level in given.categories]
            column[part] = np.array([*codes, -1], np.int32)[given.codes]

    def finish(self) -> tuple[pd.DataFrame, tuple[FeatureSpec, ...], tuple[str, ...]]:
        """Return the frame, the specifications that have a column in it, and the names of those that have none."""
        import pandas as pd

        kept, dropped, data = [], [], {}
        n = len(next(iter(self._values.values()), ()))
        for spec in self._specs:
            values = self._values.pop(spec.name)
            known = float((values >= 0).mean() if spec.kind == "category" else np.isfinite(values).mean()) if n else 1.0
            profile = spec.recipe is not None and spec.recipe.source == "profile"
            if known == 0 or (profile and known < PROFILE_SHARE):
                dropped.append(spec.name)
                continue
            kept.append(spec)
            data[spec.name] = values if spec.kind != "category" else _categorical(values, self._levels[spec.name])
        return pd.DataFrame(data, index=pd.RangeIndex(n), copy=False), tuple(kept), tuple(dropped)


def _categorical(codes: np.ndarray, levels: Mapping[str, int]) -> pd.Categorical:
    """Return a categorical whose categories are sorted and in use."""
    import pandas as pd

    used = set(np.unique(codes).tolist())
    names = sorted(name for name, code in levels.items() if code in used)
    place = np.full(len(levels) + 1, -1, np.int32)
    for position, name in enumerate(names):
        place[levels[name]] = position
    return pd.Categorical.from_codes(place[codes], categories=pd.Index(names, dtype=object))  # code -1 reads the last
