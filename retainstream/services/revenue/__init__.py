"""Recurring revenue by month: where it went, how much of it stayed, what is at risk, and months that are closed.

    calendar   months of the box's time zone as numbers, names and instants
    bridge     the bridge from month to month over the subscriptions on record, and who is behind each of its figures
    sales      purchases by month, for a box that has no subscriptions
    at_risk    monthly revenue and expected loss by risk band and by plan, as customers are today
    trends     revenue, customers and revenue per customer by month and plan
    months     closing a month, and the dated corrections that later data bring
    reasons    why a closed month changed, in words
    making     the step of the analyse job
    cells      exactly whom each figure counts

The mathematics is `retainstream.ml.revenue`; what each subscription was is told by `services.analyses.material`.
"""

from __future__ import annotations
