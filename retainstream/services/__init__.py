"""Every rule of the product. No Flask inside; an explicit session and actor come in, domain errors go out.

Services flush; the edge commits. They import one another only downward, in this order (a lower line never imports a higher one):

    demo
    dashboard, box, customers, explanations, on_the_spot, score_moves
    replay
    performance
    predictions, scoring
    training, model_card
    forward_training, proposals
    registry, events
    imports
    as_of
    feature_dictionary, exposures
    datasets, attributes
    churn_definitions
    feeds, score_history
    findings
    backups, access, jobs, idempotency
    preferences
    audit, revisions
    paging

An import-linter contract in pyproject.toml holds the order.
"""
