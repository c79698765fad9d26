"""What a customer's score would be if some of its features had other values. Nothing is stored.

The version that made the score in force scores what it saw, and then the same with the changes: so the score before is the one on record.
Scores of values that a caller gives in full are `services.on_the_spot`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from retainstream.errors import InvalidInput
from retainstream.ml.features import FeatureSpec
from retainstream.services import predictions, preferences, registry
from retainstream.services.preferences import BAND_NAMES

LONGEST_TEXT = 200
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class Outcome:
    """A score that was made on the spot.

    Attributes
    ----------
    probability : float, optional
        Between 0 and 1; None where the model's are withheld.
    percentile : float
        Share (0 to 1) of the customers it learnt from that score lower.
    band : str
    margin : float
        Log-odds.
    reasons : sequence of dict
        As the API has them, strongest first.
    """

    probability: float | None
    percentile: float
    band: str
    margin: float
    reasons: Sequence[dict[str, Any]]

    def to_dict(self) -> dict[str, object]:
        """Return the API's form."""
        return {
            "churn_probability": self.probability,
            "risk_percentile": self.percentile,
            "risk_band": self.band,
            "margin": self.margin,
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True)
class Compared:
    """A score before and after some features were given other values."""

    before: Outcome
    after: Outcome


def levels(session: Session, version_id: int, feature: str) -> list[str]:
    """Return the values that a version knows of a category; empty for a number. Raises Conflict when it cannot be loaded."""
    return list(registry.load(session, version_id).served_.encoder.levels.get(feature, ()))


def read_value(spec: FeatureSpec, text: str) -> float | int | bool | str | None:
    """Return what a person typed as a value of a feature; an empty text is a missing value.

    Raises
    ------
    InvalidInput
        When it is none, saying what was expected.
    """
    typed = text.strip()
    if not typed:
        return None
    if spec.kind == "category":
        if len(typed) > LONGEST_TEXT:
            raise _unfit(spec, f"a text of up to {LONGEST_TEXT} characters")
        return typed
    if spec.kind == "boolean":
        if typed.lower() not in _YES + _NO:
            raise _unfit(spec, "yes or no")
        return typed.lower() in _YES
    try:
        number = float(typed.replace(",", ""))
    except ValueError:
        raise _unfit(spec, "a number") from None
    if not abs(number) < 1e300:
        raise _unfit(spec, "a number of ordinary size")
    return int(number) if number.is_integer() else number


def checked(session: Session, version_id: int, given: Mapping[str, object]) -> dict[str, Any]:
    """Return values by feature as JSON gave them.

    Raises
    ------
    InvalidInput
        When the version has no such feature, or the value is none of its kind, naming each.
    """
    specs = {spec.name: spec for spec in predictions.vocabulary(session, version_id).specs}
    problems: dict[str, list[str]] = {}
    for name, value in given.items():
        if name not in specs:
            problems[f"changes.{name[:80]}"] = ["a feature of the model that made the score"]
        elif value is not None and not _of_kind(specs[name], value):
            problems[f"changes.{name}"] = [_EXPECTED[specs[name].kind]]
    if problems:
        path, (expected,) = next(iter(problems.items()))
        raise InvalidInput(f"{path.removeprefix('changes.')!r} cannot be tried: expected {expected}.", fields=problems)
    return dict(given)


_EXPECTED = {
    "number": "a number or null",
    "integer": "a number or null",
    "boolean": "true, false or null",
    "category": f"a text of up to {LONGEST_TEXT} characters, or null",
}


def _of_kind(spec: FeatureSpec, value: object) -> bool:
    if spec.kind == "category":
        return (
            isinstance(value, str)
            and len(value) <= LONGEST_TEXT
            and not any("\ud800" <= letter <= "\udfff" for letter in value)
        )
    if spec.kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def compare(
    session: Session, version_id: int, customer_id: int, values: Mapping[str, Any], changes: Mapping[str, Any]
) -> Compared:
    """Score a customer as seen, and with changes.

    Parameters
    ----------
    version_id : int
        The model version that made the score in force.
    values : mapping of feature name to JSON scalar
        What that version saw of the customer.
    changes : mapping of feature name to JSON scalar
        None takes a value away.

    Raises
    ------
    InvalidInput
        When a change names no feature of the version.
    Conflict
        When the version cannot be loaded.
    """
    words = predictions.vocabulary(session, version_id)
    known = {spec.name for spec in words.specs}
    if strangers := sorted(set(changes) - known):
        raise InvalidInput(
            f"The model has no feature called {strangers[0][:80]!r}.",
            fields={name: ["the model has no such feature"] for name in strangers},
        )
    predictor = registry.load(session, version_id)
    chosen = preferences.read(session)

    def outcome(seen: Mapping[str, Any]) -> Outcome:
        score = predictor.score_one(seen, row_id=customer_id)
        percentile = score.percentile / 100.0
        band = BAND_NAMES[chosen.band_of(score.probability, percentile)]
        return Outcome(
            score.probability, percentile, band, score.margin, [reason.to_dict() for reason in score.reasons]
        )

    return Compared(outcome(values), outcome({**values, **changes}))


def _unfit(spec: FeatureSpec, expected: str) -> InvalidInput:
    return InvalidInput(f"“{spec.title}” takes {expected}.", fields={spec.name: [expected]})
