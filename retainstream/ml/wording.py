"""Reasons in words: which features moved a score, by how much, and one plain sentence for each.

Here live the grouping of correlated features, the ranking, the compact form that is stored, and the sentences, which
say what the model saw, the direction and the share of the margin: never "because", never advice. Not here: computing
contributions (``contributions``) or deciding who may see a sensitive feature (the caller knows the reader).

Values are read with the functions that the encoder uses, so that a sentence says what the model saw: a text where a
number belongs reached the model as missing, and is called blank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from retainstream.ml.encoding import category_text, number_of
from retainstream.ml.features import FeatureSpec
from retainstream.ml.values import Scalar, say

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reason", "compact_reasons", "correlation_groups", "expand_reasons", "reference_values", "top_reasons"]


# feature index, contribution, share, whether related features are added in
_Ranked = tuple[int, float, float, bool]

_CHUNK_ROWS = 50_000
_CACHED_PHRASES = 20_000  # a feature; bounds memory where every value is different


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for one score.

    Attributes
    ----------
    feature, title : str
        Name and title of the feature; of a correlated group, its strongest member.
    value : bool, int, float, str or None
        The value that the model saw; None when it was missing.
    direction : {"raises", "lowers"}
        Effect on the score.
    share : float
        Share (0..1) of the absolute contributions of all groups of features on the margin.
    contribution : float
        Log-odds added to the margin, of the whole group.
    sentence : str
        The reason in words.
    finding : str
        The part of the sentence that says what the model saw, without its effect.
    """

    feature: str
    title: str
    value: Scalar
    direction: Literal["raises", "lowers"]
    share: float
    contribution: float
    sentence: str
    finding: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values. Written out, since whole exports call it and `asdict` takes many times as long."""
        return {
            "feature": self.feature,
            "title": self.title,
            "value": self.value,
            "direction": self.direction,
            "share": self.share,
            "contribution": self.contribution,
            "sentence": self.sentence,
            "finding": self.finding,
        }


def correlation_groups(
    matrix: npt.ArrayLike, threshold: float = 0.9, *, sample: int = 20_000, random_state: int = 0
) -> list[list[int]]:
    """Group features that say nearly the same.

    Parameters
    ----------
    matrix : float array, shape (n, f)
        Encoded features. A missing value takes the mean rank of its column, which adds nothing to a correlation.
    threshold : float
        Smallest absolute Spearman correlation, 0..1, that *every* pair within a group must reach (complete linkage), so
        that a chain of neighbours does not become one group.
    sample : int
        Rows to look at; more are thinned at random with `random_state`.

    Returns
    -------
    list of list of int
        Column numbers; every column is in exactly one group, often alone. Ascending within and among groups.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    values = np.asarray(matrix, dtype=np.float64)
    width = values.shape[1]
    if width < 2 or len(values) < 3:
        return [[column] for column in range(width)]
    if len(values) > sample:
        values = values[np.random.default_rng(random_state).choice(len(values), sample, replace=False)]
    ranks = rankdata(values, axis=0, nan_policy="omit")
    known = np.isfinite(ranks)
    centred = np.where(known, ranks - np.nanmean(np.where(known.any(axis=0), ranks, 0.0), axis=0), 0.0)
    length = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(length > 0, length, 1.0)  # a constant column correlates with nothing
    distance = np.clip(1.0 - np.abs(unit.T @ unit), 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    labels = fcluster(linkage(squareform(distance, checks=False), "complete"), 1.0 - threshold + 1e-12, "distance")
    groups: dict[int, list[int]] = {}
    for column, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(column)
    return list(groups.values())


def reference_values(frame: pd.DataFrame, specs: Sequence[FeatureSpec]) -> dict[str, Scalar]:
    """Give a typical value of each feature: the median of numbers, the most frequent of booleans and categories.

    Parameters
    ----------
    frame : DataFrame, shape (n, f)
        Original values, one column for each specification. Missing values are left out.

    Returns
    -------
    dict of str to JSON scalar
        None for a feature without any value. Among equally frequent values the first in text order is taken.
    """
    import pandas as pd

    found: dict[str, Scalar] = {}
    for spec in specs:
        known = frame[spec.name].dropna()
        if spec.kind in ("number", "integer"):
            middle = pd.to_numeric(known, errors="coerce").astype("float64").median()
            found[spec.name] = float(middle) if middle == middle else None  # noqa: PLR0124 - NaN: nothing known
            continue
        counts: dict[Scalar, int] = {}
        for raw, count in known.value_counts().items():
            value = _clean(raw, spec)
            if value is not None:
                counts[value] = counts.get(value, 0) + int(count)
        most = [value for value, count in counts.items() if count == max(counts.values())]
        found[spec.name] = min(most, key=str, default=None)
    return found


def top_reasons(
    raw_values: pd.DataFrame,
    contributions: npt.ArrayLike,
    specs: Sequence[FeatureSpec],
    *,
    groups: Sequence[Sequence[int]] | None = None,
    reference: Mapping[str, Scalar] | None = None,
    top: int = 5,
) -> list[list[Reason]]:
    """Give the strongest reasons of each row, in words.

    Parameters
    ----------
    raw_values : DataFrame, shape (n, f)
        Original values, one column for each specification.
    contributions : float array, shape (n, f)
        Contributions on the margin, columns in the order of `specs`.
    specs : sequence of FeatureSpec
    groups : sequence of sequences of int, optional
        Correlated features (:func:`correlation_groups`); their contributions are added before ranking. Columns that are
        not named stand alone.
    reference : mapping of str to JSON scalar, optional
        Typical values (:func:`reference_values`), said beside the value.
    top : int
        Most reasons a row; fewer where fewer features contribute.

    Returns
    -------
    list of n lists of Reason
        Strongest first. Contributions are rounded to 5 decimals and shares to 4, as in the stored form.

    Raises
    ------
    ValueError
        When shapes and specifications do not fit, or a column is in two groups.
    """
    columns = [
        raw_values[spec.name].astype(object).where(raw_values[spec.name].notna(), None).tolist() for spec in specs
    ]
    phrases = [_Phrases(spec, (reference or {}).get(spec.name)) for spec in specs]
    ranked = _ranked(contributions, len(specs), groups, top)
    found = [
        [phrases[entry[0]].reason(columns[entry[0]][row], entry) for entry in entries]
        for row, entries in enumerate(ranked)
    ]
    if len(found) != len(raw_values):
        raise ValueError(f"Expected one row of contributions for each of {len(raw_values)} rows, got {len(found)}.")
    return found


def compact_reasons(
    contributions: npt.ArrayLike, *, groups: Sequence[Sequence[int]] | None = None, top: int = 5
) -> list[str]:
    """Give the strongest reasons of each row as short JSON text, for storing.

    Parameters are those of :func:`top_reasons`.

    Returns
    -------
    list of n str
        ``[[feature index, contribution, share], ...]``, strongest first; a fourth item 1 marks a correlated group.
    """
    encode = json.JSONEncoder(separators=(",", ":")).encode
    width = np.shape(contributions)[1]
    return [
        encode([[*entry[:3], 1] if entry[3] else entry[:3] for entry in entries])
        for entries in _ranked(contributions, width, groups, top)
    ]


def expand_reasons(
    compact: str | bytes,
    values: Mapping[str, Any],
    specs: Sequence[FeatureSpec],
    reference: Mapping[str, Scalar] | None = None,
) -> list[Reason]:
    """Make the reasons of one row from their stored form.

    Parameters
    ----------
    compact : str or bytes
        One item of :func:`compact_reasons`.
    values : mapping of str to value
        Original values *at the time of the score*, by feature name; an absent one is missing.
    specs : sequence of FeatureSpec
        The feature set of the model that made the score, in its order.
    reference : mapping of str to JSON scalar, optional
        Typical values.

    Returns
    -------
    list of Reason

    Raises
    ------
    ValueError
        When the text is not what :func:`compact_reasons` wrote for this feature set.
    """
    found = []
    try:
        for index, contribution, share, *related in json.loads(compact):
            if index < 0:
                raise IndexError(index)
            spec = specs[index]
            phrases = _Phrases(spec, (reference or {}).get(spec.name))
            found.append(phrases.reason(values.get(spec.name), (index, contribution, share, bool(related))))
    except (TypeError, IndexError, ValueError) as error:
        raise ValueError("These stored reasons do not belong to this set of features.") from error
    return found


def _ranked(
    contributions: npt.ArrayLike, width: int, groups: Sequence[Sequence[int]] | None, top: int
) -> Iterator[list[_Ranked]]:
    """Rank the groups of each row by absolute contribution; ties go to the group that comes first."""
    matrix = np.asarray(contributions)
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(f"Expected contributions of {width} features, got shape {matrix.shape}.")
    named = [list(group) for group in groups or ()]
    members = [column for group in named for column in group]
    if len(set(members)) != len(members) or not set(members) <= set(range(width)):
        raise ValueError("A feature is in two groups, or a group names a feature that does not exist.")
    named += [[column] for column in sorted(set(range(width)) - set(members))]
    named = sorted((sorted(group) for group in named if group), key=lambda group: group[0])
    related = np.array([len(group) > 1 for group in named], dtype=bool)
    for start in range(0, len(matrix), _CHUNK_ROWS):
        sums, names = _grouped(matrix[start : start + _CHUNK_ROWS].astype(np.float64), named)
        size = np.abs(sums)
        order = np.argsort(-size, axis=1, kind="stable")[:, :top]
        whole = size.sum(axis=1, keepdims=True)
        share = np.take_along_axis(size, order, axis=1) / np.where(whole > 0, whole, 1.0)
        rows = zip(
            np.take_along_axis(names, order, axis=1).tolist(),
            np.take_along_axis(sums, order, axis=1).round(5).tolist(),
            share.round(4).tolist(),
            related[order].tolist(),
            strict=True,
        )
        for row in rows:
            yield [entry for entry in zip(*row, strict=True) if entry[1]]  # nothing added is no reason


def _grouped(
    matrix: npt.NDArray[np.float64], groups: list[list[int]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Sum each group, and find the member that names it: the strongest of those that pull the way the group does."""
    sums = np.empty((len(matrix), len(groups)))
    names = np.empty((len(matrix), len(groups)), dtype=np.int64)
    for place, group in enumerate(groups):
        part = matrix[:, group]
        sums[:, place] = part.sum(axis=1)
        names[:, place] = np.asarray(group)[np.argmax(part * np.sign(sums[:, place])[:, None], axis=1)]
    return sums, names


class _Phrases:
    """Makes the reasons of one feature; what was said of a value is kept, as values repeat from row to row."""

    def __init__(self, spec: FeatureSpec, typical: Scalar) -> None:
        self.spec = spec
        self.typical = _clean(typical, spec)
        self.said: dict[Any, tuple[Scalar, str]] = {}

    def reason(self, raw: Any, ranked: _Ranked) -> Reason:
        """Word one ranked entry for a raw value."""
        _, contribution, share, related = ranked
        key = (type(raw), raw)  # 1 and True are equal, but are not said alike
        try:
            known = self.said.get(key)
        except TypeError:  # not hashable: nothing that a table can hold, said as it is written
            raw = str(raw)
            key, known = (str, raw), None
        if known is None:
            value = _clean(raw, self.spec)
            known = value, _phrase(value, self.typical, self.spec)
            if len(self.said) < _CACHED_PHRASES:
                self.said[key] = known
        value, phrase = known
        direction: Literal["raises", "lowers"] = "raises" if contribution > 0 else "lowers"
        also = ", together with related features" if related else ""
        sentence = f"{phrase}{also}: {direction} the score, {_percent(share)} of the total."
        return Reason(self.spec.name, self.spec.title, value, direction, share, contribution, sentence, phrase)


def _phrase(value: Scalar, typical: Scalar, spec: FeatureSpec) -> str:
    """Say what the model saw: "Days since last log-in is 19 (usually about 3)"."""
    said = say(value, spec)
    about = "about " if spec.kind in ("number", "integer") else ""
    usual = "" if typical is None else f"usually {about}{say(typical, spec)}"
    if usual and said == say(typical, spec):
        usual = "like most"
    own = _own_words(value, typical, spec)
    if own:
        return f"{own} ({said}, {usual})" if usual else f"{own} ({said})"
    return f"{spec.title} is {said} ({usual})" if usual else f"{spec.title} is {said}"


def _own_words(value: Scalar, typical: Scalar, spec: FeatureSpec) -> str | None:
    """The specification's words for a high or a low value: compared with the typical one, or yes and no."""
    if isinstance(value, bool):
        return spec.wording_up if value else spec.wording_down
    if not isinstance(value, int | float) or not isinstance(typical, int | float) or value == typical:
        return None
    return spec.wording_up if value > typical else spec.wording_down


def _percent(share: float) -> str:
    return "less than 1%" if share < 0.005 else f"{share:.0%}"


def _clean(raw: Any, spec: FeatureSpec) -> Scalar:
    """Turn a raw value into a JSON scalar of the feature's kind, as the encoder reads it; None when it is missing."""
    if spec.kind == "category":
        return category_text(raw)
    number = number_of(raw)
    if math.isnan(number):
        return None
    if spec.kind == "boolean" and number in (0, 1):
        return bool(number)
    return int(number) if spec.kind == "integer" and number.is_integer() else number
