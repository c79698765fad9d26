"""Retention grids of a box: of those who came in one month or week, who was still there, or did something, in each later one.

    grids   the two grids by month and week, and whom a cell holds
    cells   the addresses of their figures

The mathematics is `retainstream.ml.cohorts`; stays and activity come from `services.analyses.material`.
"""
