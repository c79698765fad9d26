"""Derived figures of the whole customer base, each dated: the job that makes them, its runs, and the arrays that pages read.

    runs       the life of a run, and which one is in force
    material   who was a customer when, what they paid, and when they did something: arrays on disk, made by the job
    job        the steps of a run in their order, and how one is asked for

What each analysis says lives with its name: `services.survival`, `services.cohorts`, `services.revenue`, `services.rfm`, `services.lifetime`,
`services.health`, `services.segments`. They read from here; the job names them by their addresses.
"""

from __future__ import annotations
