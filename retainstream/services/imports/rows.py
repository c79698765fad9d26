"""The good rows of a chunk as they travel from `reading` to `writing`: columns of cast values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

PERSONAL_COLUMNS = ("name", "email", "phone", "other")


@dataclass(frozen=True)
class Rows:
    """The good rows of a chunk, column by column; every sequence is n long.

    Attributes
    ----------
    user_ids : list of str
        All different, in this chunk and in the file.
    values : list of sequences
        One for each attribute definition, cast to its kind; None is missing.
    profile : dict
        Columns of `PROFILE_COLUMNS` that the file has.
    personal : dict
        `name`, `email`, `phone`, and `other` as a dict or None, as far as the file has them.
    labels : sequence of (bool or None), optional
    churned_at : sequence of (int or None), optional
        Microseconds UTC.
    known_at : sequence of int, optional
        When each row became known; None means the time of the import.
    """

    user_ids: list[str]
    values: list[Sequence[Any]]
    profile: dict[str, Sequence[Any]] = field(default_factory=dict)
    personal: dict[str, Sequence[Any]] = field(default_factory=dict)
    labels: Sequence[bool | None] | None = None
    churned_at: Sequence[int | None] | None = None
    known_at: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.user_ids)

    def take(self, wanted: Sequence[int]) -> Rows:
        """Return the rows at these positions."""

        def pick(column: Any) -> Any:
            return None if column is None else [column[index] for index in wanted]

        return Rows(
            pick(self.user_ids),
            [pick(column) for column in self.values],
            {name: pick(column) for name, column in self.profile.items()},
            {name: pick(column) for name, column in self.personal.items()},
            pick(self.labels),
            pick(self.churned_at),
            pick(self.known_at),
        )
