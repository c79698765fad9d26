"""Every rule of the product. No Flask inside; an explicit session and actor come in, domain errors go out.

Services flush; the edge commits. They import one another only downward, in this order (a lower line never imports a higher one):

    demo
    dashboard, box, customers, explanations, on_the_spot
    predictions, scoring
    training, model_card
    registry, imports
    datasets, attributes
    backups, access, jobs, idempotency
    preferences
    audit, revisions
    paging

An import-linter contract in pyproject.toml holds the order.
"""
