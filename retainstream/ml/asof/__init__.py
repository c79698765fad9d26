"""Time-correct machine learning: what was known at a time, what came after it, and panels of both.

A row of history counts for an ``as_of`` when it occurred before it *and* was received before it. Instants are int64 microseconds UTC,
customers are int64 surrogate ids. Pure: arrays in, frames out.

    columns      history as columns, and cutting it at a time
    dictionary   the features that every box has, from the kinds of event that it knows
    builder      ``features(as_of)``: one builder for training, scoring, replay and a single customer
    rules        churn definitions as values
    windows      events coded and sorted once, and exact counts and sums in windows
    terms        subscriptions and profiles at a time
    standing     who was a customer at a time
    outcomes     who left, when, and labels
    monthly      churn counted by month, by a way of its own
    dates        observation dates and their three parts
    panel        everybody on each date, with features and labels; purged splits
    gaps         how long customers pause, and how many come back
    proposal     definitions that the customers' own history suggests
    ordering     sorting millions of rows by customer
"""
