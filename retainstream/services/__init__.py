"""Every rule of the product. No Flask inside; an explicit session and actor come in, domain errors go out.

Services flush; the edge commits. They import one another only downward, in this order (a lower line never imports a higher one):

    demo
    dashboard, predictions
    scoring, customers
    training
    registry, imports
    datasets, attributes
    box, access, jobs, idempotency
    audit, preferences, revisions
"""
