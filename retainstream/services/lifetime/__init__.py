"""What customers are still worth in this box: subscribers by how long they stay, buyers by how often they come back; each judged on a period held out.

    terms         the stated period, margin and discount, and what a valuation and its check consist of
    subscribers   those who pay by the month: chance of staying x margin
    buyers        those who buy again: BG/NBD x Gamma-Gamma
    making        the step of the analyse job
    reading       the figures of the run in force
    listing       pages of predictions
    cells         the addresses of the figures

The mathematics is `retainstream.ml.lifetime` and `retainstream.ml.repeat_buying`.
"""

from __future__ import annotations
