"""Segments: rules that people write, whom they mean now, and who came in and went out.

    rules        the tree of a rule: read from JSON, checked, written back, said in words
    fields       what a rule can ask for, and why something cannot be asked for
    columns      the values of a field for everybody, kept until the data changes
    behaviour    those of events and features, from the columns of events on disk
    arrivals     whether anything came in that these would see
    matching     a rule's answer for everybody, and its figures
    saved        segments under a name
    usage        what builds on a segment, which is therefore not deleted
    membership   the dated looks at who is in a segment
    cells        the addresses `segment:...` of lists of customers

What is missing (a value that is not on record) satisfies no comparison, so `not` of a comparison holds for it; only the operators `known` and
`unknown` ask for it. Every condition is therefore true or false, and a rule is plain Boolean algebra.
"""

from __future__ import annotations
