"""The only door from the database to a matrix: what a model is trained on, what is scored, and one customer's values.

    features   which columns are features, and where their values are
    table      the current values of visible customers, in blocks straight into numpy columns
    sets       whom to train on, whom to score
    values     single customers, as JSON scalars

Nothing here trains, scores or writes.
"""

from retainstream.services.datasets.features import columns, feature_specs
from retainstream.services.datasets.sets import (
    active_definition,
    ready_to_train,
    refuse_unfinished_import,
    scoring_set,
    training_set,
)
from retainstream.services.datasets.table import Dataset
from retainstream.services.datasets.values import customer_values, values_of, values_of_customers

__all__ = [
    "Dataset", "active_definition", "columns", "customer_values", "feature_specs", "ready_to_train", "refuse_unfinished_import",
    "scoring_set", "training_set", "values_of", "values_of_customers",
]  # fmt: skip
