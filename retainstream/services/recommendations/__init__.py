"""What could be done next for a customer, each with its evidence: a play that fits the reasons, whether an offer is in order, and what else is bought.

`advice` puts the three together for one customer, `offers` checks the conditions of an offer, `cross_sell` counts what is bought together.
A package of modules, no façade. Nothing here writes, and nothing is a causal figure.
"""
