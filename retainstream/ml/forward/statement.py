"""What the score of a model that looks forward means, in one sentence. Reasons are worded in `retainstream.ml.wording`."""

from __future__ import annotations

from retainstream.ml.asof.rules import ChurnRule

_LEFT = {
    "cancel": "cancelled",
    "payment_failure": "were lost to a failed payment",
    "trial_end": "did not stay after their trial",
    "non_renewal": "did not renew",
    "inactivity": "fell silent",
}
_NEAR_TENTH = 0.02  # "3 in 10" for 28% to 32%


def statement(probability: float | None, percentile: float, rule: ChurnRule, *, simple: bool = False) -> str:
    """Say what a score means.

    Parameters
    ----------
    probability : float in [0, 1] or None
        None when the model's probabilities may not be shown.
    percentile : float in [0, 1]
        Share of customers with a lower score.
    rule : ChurnRule
    simple : bool
        Whether the score is the rule for short histories, which ranks by silence.

    Returns
    -------
    str
        Such as "3 in 10 customers like this cancelled within 30 days."
    """
    if simple:
        return f"Silent for longer than {_percent(percentile)} of customers. This is a simple rule: there is too little history for a model yet."
    if probability is None:
        return f"More likely to leave than {_percent(percentile)} of customers. The model's probabilities are not reliable enough to be shown."
    return f"{_people(probability)} customers like this {_LEFT[rule.kind]} {_when(rule)}."


def _when(rule: ChurnRule) -> str:
    last = rule.lead_days + rule.horizon_days
    if rule.lead_days:
        return f"between {rule.lead_days} and {last} days later"
    return "within a day" if last == 1 else f"within {last} days"


def _people(probability: float) -> str:
    if probability < 0.005:
        return "Fewer than 1 in 100"
    if probability >= 0.995:
        return "More than 99 in 100"
    tenths = round(probability * 10)
    if 1 <= tenths <= 9 and abs(probability * 10 - tenths) <= 10 * _NEAR_TENTH + 1e-9:
        return f"{tenths} in 10"
    return f"{round(probability * 100)} in 100"


def _percent(percentile: float) -> str:
    return f"{min(max(percentile, 0.0), 0.99):.0%}"
