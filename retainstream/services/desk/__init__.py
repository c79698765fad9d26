"""The desk: whom to reach today, tasks and how they end, plays, notes, and how the team keeps its dates. A package of modules, no façade.

`queue` answers today's list, `tasks` and `endings` change single tasks, `assigning` many at once, `board` reads them. `standing`, `ranking` and
`order` say who may be proposed and in which order. Nothing here writes to a customer; an act is an exposure of `services.exposures`.
"""
