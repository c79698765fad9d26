"""What one pass over a file teaches: the proposed mapping, the warnings under it, and the questions that a person must answer first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from retainstream.errors import ConfirmationNeeded
from retainstream.lib.tabular import Table
from retainstream.services.imports.mapping import Mapping
from retainstream.services.imports.profile import TableProfile, profile_table
from retainstream.services.imports.proposal import propose
from retainstream.services.imports.warnings import warnings_for

Answer = Literal["confirm", "flip"]


@dataclass(frozen=True)
class Learnt:
    """A file under a mapping.

    Attributes
    ----------
    warnings : list of dict
        JSON forms, those that need an answer first.
    questions : list of dict
        The warnings that need an answer.
    base_rate : float or None
        Share of the labelled rows whose label means that the customer left, 0 to 1; None without a label.
    """

    profile: TableProfile
    mapping: Mapping
    warnings: list[dict[str, Any]]
    base_rate: float | None

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The warnings that an import has to wait for."""
        return [item for item in self.warnings if item["needs_confirmation"]]


def learn(
    table: Table,
    today: int,
    tick: Callable[[int], None] | None = None,
    *,
    mapping: Mapping | None = None,
    label: Answer | None = None,
) -> Learnt:
    """Read a table once and propose a mapping, or judge the one that is given.

    Parameters
    ----------
    today : int
        Now, microseconds UTC.
    tick : callable, optional
        Told the number of rows read so far.
    label : "confirm" or "flip", optional
        A person's answer about which way round the label is.

    Raises
    ------
    TableError
        When the file turns out to be damaged or beyond a limit.
    """
    return learn_from(profile_table(table, progress=tick), today, mapping=mapping, label=label)


def learn_from(
    profile: TableProfile, today: int, *, mapping: Mapping | None = None, label: Answer | None = None
) -> Learnt:
    """Do what `learn` does with the profile of a table that was read already."""
    given = mapping is not None
    mapping = propose(profile, today) if mapping is None else mapping
    if label == "flip":
        mapping = mapping.flipped()
    elif label == "confirm":
        mapping = replace(mapping, label_confirmed=True)
    return judge(profile, mapping, settled=given or label is not None)


def judge(profile: TableProfile, mapping: Mapping, *, settled: bool) -> Learnt:
    """Return what a profile says about a mapping; with `settled` a person has chosen, so that no label is a choice, too."""
    found = [item.to_dict() for item in warnings_for(profile, mapping)]
    if settled:
        found = [item | {"needs_confirmation": False} if item["code"] == "ambiguous_label" else item for item in found]
    return Learnt(profile, mapping, found, _base_rate(profile, mapping))


def refined(sketch: Mapping, learnt: Learnt) -> tuple[Mapping, list[dict[str, Any]]]:
    """Return the mapping of a whole file whose head was seen before, with its warnings: kinds from all of it, the label as it was agreed.

    Raises
    ------
    ConfirmationNeeded
        When the whole file says something else about the label than its head did.
    """
    full = learnt.mapping
    agreed = sketch.label
    if (agreed.name if agreed else None) != (full.label.name if full.label else None) and not sketch.label_confirmed:
        raise ConfirmationNeeded(
            "Read to its end, the file has another label than its beginning suggested: load it again with a mapping that names the label."
        )
    columns = []
    for column in full.columns:
        if agreed is not None and column.name == agreed.name:
            columns.append(agreed)
        elif column.role == "label":
            columns.append(
                replace(
                    column,
                    role="ignored",
                    churned_values=(),
                    kept_values=(),
                    reason="Another column was confirmed as the label.",
                )
            )
        else:
            columns.append(column)
    mapping = replace(
        full, columns=tuple(columns), label_confirmed=sketch.label_confirmed, known_at_time=sketch.known_at_time
    )
    judged = judge(learnt.profile, mapping, settled=sketch.label_confirmed)
    if judged.questions:
        raise ConfirmationNeeded(
            f"{judged.questions[0]['message']} Load the file again with label=confirm or label=flip."
        )
    return mapping, judged.warnings


def same_reading(one: Mapping, other: Mapping) -> bool:
    """Whether two mappings of one file store the same rows; reasons and the like are for people only."""

    def bare(mapping: Mapping) -> Mapping:
        columns = (
            # How an ignored column would be read makes no difference.
            replace(column, kind="text", format=None, decimal=".", unit=None, reason=None, feature=False)
            if column.role == "ignored"
            else replace(column, reason=None)
            for column in mapping.columns
        )
        return replace(mapping, columns=tuple(columns), label_confirmed=False)

    return bare(one) == bare(other)


def _base_rate(profile: TableProfile, mapping: Mapping) -> float | None:
    if mapping.label is None:
        return None
    counts = profile.column(mapping.label.name).counts
    left_words = {value.strip().casefold() for value in mapping.label.churned_values}
    kept_words = {value.strip().casefold() for value in mapping.label.kept_values}
    left = sum(count for value, count in counts.items() if value.strip().casefold() in left_words)
    kept = sum(count for value, count in counts.items() if value.strip().casefold() in kept_words)
    return left / (left + kept) if left + kept else None
