"""Churn definitions as values. What they mean for a history is `outcomes`; storing them is `retainstream.services.churn_definitions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from retainstream.ml.asof.columns import DAY_US, REASONS

RuleKind = Literal["cancel", "payment_failure", "trial_end", "non_renewal", "inactivity"]
RULE_KINDS: tuple[str, ...] = get_args(RuleKind)
_REASONS_OF: dict[str, tuple[str, ...]] = {
    "cancel": ("voluntary",),
    "payment_failure": ("payment_failed",),
    "trial_end": ("trial_ended",),
    "non_renewal": REASONS,
}
SILENT_CHOICES = ("count", "leave_out")


@dataclass(frozen=True)
class ChurnRule:
    """What "left" means, looking forward from an as-of time.

    Parameters
    ----------
    kind : {"cancel", "payment_failure", "trial_end", "non_renewal", "inactivity"}
    horizon_days : int, 1 to 730
        Length of the window in which leaving counts.
    lead_days : int, 0 to 365
        Days between the as-of time and the window; who leaves in them is left out and counted.
    inactive_days : int, optional
        N of an inactivity rule: silent for N days is inactive. 1 to 730.
    activity : tuple of str
        Kinds of event that are activity; empty means all but those of `BILLING`.
    reasons : tuple of str
        Reasons of a subscription's end that count; the kind's own by default.
    grace_days : int, 0 to 365
        A customer whose next subscription starts within so many days of an end has not left.
    settle_days : int, 0 to 90
        How late news of leaving arrives: a window counts as closed so many days after its end.
    already_silent : {"count", "leave_out"}
        For inactivity: whether a customer who is active at the as-of time (silent for fewer than N days) but never came back
        counts as one who leaves, or is left out. See docs/decisions/0005.

    Raises
    ------
    ValueError
        Naming the field that is out of range.
    """

    kind: RuleKind
    horizon_days: int
    lead_days: int = 0
    inactive_days: int | None = None
    activity: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    grace_days: int = 0
    settle_days: int = 0
    already_silent: Literal["count", "leave_out"] = "count"

    def __post_init__(self) -> None:
        if self.kind not in RULE_KINDS:
            raise ValueError(f"kind: expected one of {', '.join(RULE_KINDS)}, got {self.kind!r}")
        for name, low, high in (
            ("horizon_days", 1, 730),
            ("lead_days", 0, 365),
            ("grace_days", 0, 365),
            ("settle_days", 0, 90),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: expected {low} to {high}, got {getattr(self, name)}")
        if (self.kind == "inactivity") != (self.inactive_days is not None):
            raise ValueError("inactive_days: belongs to a rule of the kind inactivity, which needs it")
        if self.inactive_days is not None and not 1 <= self.inactive_days <= 730:
            raise ValueError(f"inactive_days: expected 1 to 730, got {self.inactive_days}")
        if self.already_silent not in SILENT_CHOICES:
            raise ValueError(f"already_silent: expected one of {', '.join(SILENT_CHOICES)}")
        if self.kind == "inactivity":
            if self.reasons or self.grace_days:
                raise ValueError("reasons, grace_days: belong to rules about subscriptions")
        else:
            if self.activity:
                raise ValueError("activity: belongs to a rule of the kind inactivity")
            object.__setattr__(self, "reasons", self.reasons or _REASONS_OF[self.kind])
            if strangers := [reason for reason in self.reasons if reason not in REASONS]:
                raise ValueError(f"reasons: expected some of {', '.join(REASONS)}, got {strangers[0]!r}")

    @property
    def confirm_days(self) -> int:
        """Days after leaving until it is certain: N of an inactivity rule, the grace of others, and what news takes to settle."""
        return (self.inactive_days or self.grace_days) + self.settle_days

    @property
    def maturity_us(self) -> int:
        """From an as-of time until its window has closed for certain, in microseconds."""
        return (self.lead_days + self.horizon_days + self.confirm_days) * DAY_US

    def parameters(self) -> dict[str, object]:
        """Return what a stored definition keeps beside kind, horizon and lead; defaults are left out."""
        plain: dict[str, object] = {}
        if self.kind == "inactivity":
            plain = {"inactive_days": self.inactive_days, "already_silent": self.already_silent}
            if self.activity:
                plain["activity"] = list(self.activity)
        else:
            plain = {"reasons": list(self.reasons), "grace_days": self.grace_days}
        return {**plain, "settle_days": self.settle_days}

    @classmethod
    def of(cls, kind: str, horizon_days: int, lead_days: int, parameters: Mapping[str, Any]) -> ChurnRule:
        """Rebuild a rule from a stored definition; raises ValueError as the class does, TypeError for an unknown parameter."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()
        }
        return cls(cast(RuleKind, kind), horizon_days, lead_days, **known)


BILLING = frozenset(
    {"payment_failed", "payment_succeeded", "invoice", "refund", "charge", "price_change", "email_sent"}
)
"""Kinds that happen to a customer without the customer's doing; they are no activity unless a rule names them."""
