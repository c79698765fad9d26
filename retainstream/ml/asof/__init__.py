"""Time-correct machine learning: what was known at a time, what came after it, and panels of both.

A row of history counts for an ``as_of`` when it occurred before it *and* was received before it. Instants are int64 microseconds UTC,
customers are int64 surrogate ids. Pure: arrays in, frames out.

    columns      history as columns, and cutting it at a time
    dictionary   the features that every box has, from the kinds of event that it knows
    builder      ``features(as_of)``: one builder for training, scoring, replay and a single customer
    rules        churn definitions as values
    outcomes     who was active at a time, who left, when, and labels
    panel        observation dates, panels, purged splits
"""
