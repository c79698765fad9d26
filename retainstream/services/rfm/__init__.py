"""Recency, frequency and money of the customers of a box: scored by fifths, named, and followed from month to month.

    values    what the three mean in this box, and their values as of a day
    making    the step of the analyse job that scores everybody, as of now and of the ends of past months
    reading   the map, the named groups, and who moved between two of those days
    cells     the addresses of their figures

The mathematics and the table of groups are `retainstream.ml.rfm`.
"""

from __future__ import annotations
