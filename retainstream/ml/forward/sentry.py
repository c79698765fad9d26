"""Looks for features that know the outcome, before anything is trained.

What the builder makes from events and subscriptions cannot know more than its day did, so it is asked one question only: does it all but give
the answer? Columns of profiles are different. That they were known on their day is what a file *claims*; an export made later holds what happened
since. So they are asked four: are their own dates later than they claim to be known, do they tell who has ever left, do they tell *when* a
leaver leaves better than anything that was known, and do they change only when somebody goes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retainstream.ml.asof.columns import DAY_US, History, ProfileLog
from retainstream.ml.asof.dictionary import RECENCY
from retainstream.ml.asof.outcomes import departures
from retainstream.ml.assessment import Verdict
from retainstream.ml.encoding import CategoryEncoder
from retainstream.ml.features import FeatureSpec
from retainstream.ml.folds import group_folds
from retainstream.ml.forward.folds import numbered, whole_customers
from retainstream.ml.rivals import area_under_roc, compare_without, suspects
from retainstream.ml.tuning import DEFAULTS, boost

if TYPE_CHECKING:
    from retainstream.ml.asof.panel import Panel

Reason = str
DATED_AFTER, GIVES_AWAY, KNOWS_WHO, KNOWS_WHEN, CHANGES_AT_CHURN = (
    "dated_after",
    "gives_the_answer_away",
    "knows_who_left",
    "knows_when",
    "changes_at_churn",
)
_SAMPLE = 10_000
_FEWEST = 30  # customers behind a suspicion; fewer are chance
_DATED_SHARE = 0.05  # of the versions with a date: later than they claim to be known
_BEYOND_SHARE = 0.05  # of those: later than the data, as the end of a contract is and a record of what happened is not
_WHO_AUC = 0.97
_WHEN_GAIN, _WHEN_AUC = 0.08, 0.75  # honest columns gain 0.02 at most on simulated services, sums up to the export 0.2
_AT_CHURN_SHARE, _AT_CHURN_DAYS = 0.8, 7
_DISTINCT = 10  # a column with fewer values cannot tell a time
_FOLDS = 3
_QUICK = {**DEFAULTS, "n_estimators": 120, "learning_rate": 0.1, "max_depth": 5}
_EPOCHS = (
    (1e9, 1e6),
    (1e12, 1e3),
    (1e15, 1.0),
)  # numbers that are times: seconds, milliseconds, microseconds since 1970


@dataclass(frozen=True)
class Suspect:
    """A column that seems to know the outcome.

    Attributes
    ----------
    feature, title : str
    reason : str
        dated_after, gives_the_answer_away, knows_who_left, knows_when or changes_at_churn.
    message : str
        One sentence for the person who decides.
    auc_with, auc_without : float or None
        Of a small model on the training rows, with all columns and without the suspects; None for a column that is no feature.
    """

    feature: str
    title: str
    reason: Reason
    message: str
    auc_with: float | None = None
    auc_without: float | None = None


@dataclass(frozen=True)
class Inspection:
    """What the sentry found.

    Attributes
    ----------
    rows : int
        Training rows that were looked at.
    suspects : tuple of Suspect
        A person must decide on each: to exclude it, or to keep it.
    left_out : tuple of Suspect
        Dated later than they claim to be known: left out unless a person keeps them.
    """

    rows: int
    suspects: tuple[Suspect, ...]
    left_out: tuple[Suspect, ...]

    def verdict(self) -> Verdict:
        """Return whether a training may go on."""
        if not self.suspects:
            return Verdict(True, "ok", "No column seems to know the outcome.")
        what = " ".join(suspect.message for suspect in self.suspects)
        return Verdict(
            False,
            "leak_suspected",
            f"{what} Train again with exclude=[...] to leave a column out, or keep=[...] when it really was known in time.",
            {suspect.feature: suspect.auc_with or float("nan") for suspect in self.suspects},
        )


def inspect(
    history: History, panel: Panel, train: np.ndarray, *, keep: Collection[str] = (), seed: int = 0, n_jobs: int = 1
) -> Inspection:
    """Look through the training rows of a panel.

    Parameters
    ----------
    history : History
        Cut at the panel's end of data.
    panel : Panel
    train : int64 array
        Positions of the training rows.
    keep : collection of str
        Names of columns that a person has decided to keep.
    seed, n_jobs : int

    Returns
    -------
    Inspection
    """
    rng = np.random.default_rng([seed, 3])
    rows = train[whole_customers(panel.customer[train], _SAMPLE, rng)]
    frame = panel.frame.iloc[rows]
    y, customer = panel.y[rows], panel.customer[rows]
    base = CategoryEncoder(panel.specs).fit_levels(frame).base(frame)
    claimed = [spec for spec in panel.specs if spec.recipe is not None and spec.recipe.source == "profile"]
    found: dict[str, Suspect] = {}
    dated = {one.feature: one for one in _dated_after(history.profiles, panel) if one.feature not in keep}
    fold = group_folds(y, numbered(customer), _FOLDS, rng)
    if min(int(y.sum()), int((y == 0).sum())) >= _FEWEST:
        for j, auc in suspects(y, fold, base).items():
            found[panel.specs[j].name] = _gives_away(panel.specs[j], auc)
    if claimed:
        for suspect in (
            *_knows_who(history, panel, claimed, rng),
            *_knows_when(panel.specs, claimed, base, y, customer, rng, n_jobs),
            *_changes_at_churn(history, panel, claimed),
        ):
            found.setdefault(suspect.feature, suspect)
    for name in (*keep, *dated):
        found.pop(name, None)
    return Inspection(len(rows), _both_ways(tuple(found.values()), panel.specs, y, fold, base), tuple(dated.values()))


def _both_ways(
    found: tuple[Suspect, ...], specs: Sequence[FeatureSpec], y: np.ndarray, fold: np.ndarray, base: np.ndarray
) -> tuple[Suspect, ...]:
    """Score a small model with and without the suspects."""
    place = {spec.name: j for j, spec in enumerate(specs)}
    columns = {place[suspect.feature]: 0.0 for suspect in found if suspect.feature in place}
    if not columns or min(int(y.sum()), int((y == 0).sum())) < _FEWEST:
        return found
    compared = compare_without(y, fold, base, specs, columns)[0]
    return tuple(
        Suspect(one.feature, one.title, one.reason, one.message, compared.auc_with, compared.auc_without)
        for one in found
    )


def _gives_away(spec: FeatureSpec, auc: float) -> Suspect:
    return Suspect(
        spec.name,
        spec.title,
        GIVES_AWAY,
        f"{spec.title!r} alone all but tells who leaves (AUC {auc:.3f}): it may be a consequence of leaving.",
    )


def _dated_after(profiles: ProfileLog, panel: Panel) -> list[Suspect]:
    """Columns of dates that lie after the time at which their row claims to have been known, though not after the data.

    The end of a contract lies in the future too, but for many customers beyond the data; a record of what happened never does.
    """
    titles = {_name_in_profile(spec): (spec.name, spec.title) for spec in profiles.specs}
    found = []
    for name, values in profiles.values.items():
        if name in profiles.levels or values.dtype.kind != "f":
            continue
        moments = _as_moments(values)
        dated = np.isfinite(moments)
        if dated.sum() < _FEWEST:
            continue
        later = dated & (moments > profiles.known + DAY_US)
        beyond = later & (moments >= panel.data_end + DAY_US)
        if later.sum() >= max(_FEWEST, _DATED_SHARE * dated.sum()) and beyond.sum() <= _BEYOND_SHARE * later.sum():
            feature, title = titles.get(name, (name, name))
            found.append(
                Suspect(
                    feature,
                    title,
                    DATED_AFTER,
                    f"{title!r} holds dates later than the time at which it is said to have been known, for {int(later.sum()):,} "
                    f"of {int(dated.sum()):,} rows: the file was made later than it claims, and its other columns deserve a look, too.",
                )
            )
    return found


def _as_moments(values: np.ndarray) -> np.ndarray:
    """Return a column as microseconds if all of it are plausible times after 1990, else all NaN."""
    known = values[np.isfinite(values)]
    for magnitude, factor in _EPOCHS:
        low, high = 0.63 * magnitude, 4.2 * magnitude  # 1990 to 2103
        if len(known) and known.min() >= low and known.max() <= high:
            return np.asarray(values * factor)
    return np.full(len(values), np.nan)


def _name_in_profile(spec: FeatureSpec) -> str:
    return spec.name if spec.recipe is None or spec.recipe.event is None else spec.recipe.event


def _newest(profiles: ProfileLog, customers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the position of each customer's newest version, and which customers have one."""
    last = np.append(profiles.customer[1:] != profiles.customer[:-1], True) if len(profiles) else np.empty(0, bool)
    position = np.flatnonzero(last)
    kept = np.isin(profiles.customer[position], customers)
    return position[kept], profiles.customer[position[kept]]


def _knows_who(
    history: History, panel: Panel, claimed: Sequence[FeatureSpec], rng: np.random.Generator
) -> list[Suspect]:
    """Columns whose newest value tells who has ever left: one row a customer, left at any time against not."""
    import pandas as pd

    profiles = history.profiles
    position, customer = _newest(profiles, np.unique(panel.customer))
    if len(customer) > _SAMPLE:
        kept = np.sort(rng.permutation(len(customer))[:_SAMPLE])
        position, customer = position[kept], customer[kept]
    ever = np.isin(customer, departures(panel.rule, history, panel.data_end)[0]).astype(np.int8)
    if min(int(ever.sum()), int((ever == 0).sum())) < _FEWEST:
        return []
    data = {}
    for spec in claimed:
        column = profiles.values[_name_in_profile(spec)][position]
        levels = profiles.levels.get(_name_in_profile(spec))
        data[spec.name] = (
            column if levels is None else pd.Categorical.from_codes(column, pd.Index(levels, dtype=object))
        )
    frame = pd.DataFrame(data)
    base = CategoryEncoder(claimed).fit_levels(frame).base(frame)
    fold = group_folds(ever, np.arange(len(ever)), _FOLDS, rng)
    return [
        Suspect(
            claimed[j].name,
            claimed[j].title,
            KNOWS_WHO,
            f"{claimed[j].title!r} tells who has ever left (AUC {auc:.3f} over customers), long before they did: it seems to have been "
            "filled in when they left.",
        )
        for j, auc in suspects(ever, fold, base, auc_from=_WHO_AUC).items()
    ]


def _knows_when(
    specs: Sequence[FeatureSpec],
    claimed: Sequence[FeatureSpec],
    base: np.ndarray,
    y: np.ndarray,
    customer: np.ndarray,
    rng: np.random.Generator,
    n_jobs: int,
) -> list[Suspect]:
    """Numbers that tell, among the rows of customers who left, the last before leaving from the earlier ones.

    What was known at sign-up can tell who is prone to leave, but not when. A sum up to the export (charges, hours) less what was known on the
    day is the time that was left. Measured as the gain of a small model, on customers it has not seen, over the time and terms so far.
    """
    leavers = np.isin(customer, customer[y == 1])
    y, base, customer = y[leavers], base[leavers], customer[leavers]
    place = {spec.name: j for j, spec in enumerate(specs)}
    numbers = [spec for spec in claimed if spec.kind in ("number", "integer")]
    numbers = [spec for spec in numbers if len(np.unique(base[:, place[spec.name]])) >= _DISTINCT]
    if not numbers or min(int(y.sum()), int((y == 0).sum())) < _FEWEST:
        return []
    certain = _clocks(specs)
    if not certain:
        return []
    groups = numbered(customer)
    fold = group_folds(y, groups, _FOLDS, rng)
    without = _auc_of(base[:, certain], y, fold, n_jobs)
    found = []
    for spec in numbers:
        auc = _auc_of(base[:, [*certain, place[spec.name]]], y, fold, n_jobs)
        if auc >= _WHEN_AUC and auc - without >= _WHEN_GAIN:
            found.append(
                Suspect(
                    spec.name,
                    spec.title,
                    KNOWS_WHEN,
                    f"{spec.title!r} tells when a customer leaves (AUC {auc:.3f} instead of {without:.3f} among leavers), which nothing that "
                    "was known on the day can: it looks like a figure of the day of the export.",
                )
            )
    return found


def _clocks(specs: Sequence[FeatureSpec]) -> list[int]:
    """Positions of what says how far a customer has come: time since the start, terms of the subscription, and time since the last activity."""
    return [
        j
        for j, spec in enumerate(specs)
        if spec.kind != "category"
        and spec.recipe is not None
        and (spec.recipe.source == "subscriptions" or spec.recipe.aggregate == "tenure" or spec.name == RECENCY)
    ]


def _auc_of(base: np.ndarray, y: np.ndarray, fold: np.ndarray, n_jobs: int) -> float:
    score = np.empty(len(y))
    for k in np.unique(fold):
        held = fold == k
        booster = boost(base[~held], y[~held], _QUICK, n_jobs, 0)
        score[held] = booster.inplace_predict(base[held], predict_type="margin")
    return area_under_roc(y, score)


def _changes_at_churn(history: History, panel: Panel, claimed: Sequence[FeatureSpec]) -> list[Suspect]:
    """Columns with several versions whose value changes hardly ever but in the days around a customer's leaving."""
    profiles = history.profiles
    same = profiles.customer[1:] == profiles.customer[:-1]
    if not same.any():
        return []
    who, when = departures(panel.rule, history, panel.data_end)
    found = []
    for spec in claimed:
        values = profiles.values[_name_in_profile(spec)]
        changed = (
            np.flatnonzero(same & (values[1:] != values[:-1]) & ~(_missing(values[1:]) & _missing(values[:-1]))) + 1
        )
        if len(changed) < _FEWEST:
            continue
        near = _near_a_departure(profiles.customer[changed], profiles.known[changed], who, when)
        if near.mean() >= _AT_CHURN_SHARE:
            found.append(
                Suspect(
                    spec.name,
                    spec.title,
                    CHANGES_AT_CHURN,
                    f"{spec.title!r} changes only when customers leave ({near.mean():.0%} of {len(changed):,} changes lie within "
                    f"{_AT_CHURN_DAYS} days of it): it is a consequence of leaving.",
                )
            )
    return found


def _missing(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.isnan(values) if values.dtype.kind == "f" else values < 0)


def _near_a_departure(customer: np.ndarray, at: np.ndarray, who: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Tell for each change whether its customer left within a week of it, before or after."""
    near = np.zeros(len(customer), bool)
    order = np.lexsort((when, who))
    who, when = who[order], when[order]
    first, last = np.searchsorted(who, customer, "left"), np.searchsorted(who, customer, "right")
    for i in np.flatnonzero(last > first).tolist():
        near[i] = bool((np.abs(when[first[i] : last[i]] - at[i]) <= _AT_CHURN_DAYS * DAY_US).any())
    return near
