"""How long customers stay: Kaplan-Meier curves by group, whether groups differ, and when in their life customers leave.

    lives      one row a customer: how long, whether they left, and since when they are on record
    grouping   what customers can be told apart by, and who is in which group
    curves     the curves of groups, the table beneath them, the tests, and departures by tenure
    cells      exactly whom each of these figures counts

The mathematics is `retainstream.ml.survival`, `group_survival` and `tenure`; who left is the churn definition's affair, through
`services.analyses.material`. Which value of an attribute counts is told in docs/decisions/0008.
"""
