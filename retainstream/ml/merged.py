"""One booster in place of K, so that a single row is explained in one call instead of K.

A row that was not in training is scored by the mean of K boosters. That mean is itself a sum of trees: every tree of
every booster with its leaves divided by K, the j-th booster reading the j-th of K copies of the row (each booster has
an order of the categories of its own, so the copies differ). TreeSHAP values are linear in the trees, so those of the
merged booster, added up over the copies, are the mean of the K boosters' values.

Not here: margins. They are still taken from the K boosters, as for rows in a table, so that one customer has one score
to the bit, and the check that contributions add up compares two computations and not one with itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from retainstream.ml.contributions import Contributions, exact_contributions

if TYPE_CHECKING:
    import xgboost

__all__ = ["MergedBooster"]


@dataclass(frozen=True)
class MergedBooster:
    """The mean of K boosters as one; made by :meth:`of`.

    Attributes
    ----------
    booster : xgboost.Booster
        Over K * f features, with a base of zero. One thread; never reconfigured, so threads may share it.
    copies : int
        K.
    base_margin : float, log-odds
        Mean of the K boosters' global bias, which a booster keeps as a rounded probability and is therefore added here.
    """

    booster: xgboost.Booster
    copies: int
    base_margin: float

    @classmethod
    def of(cls, boosters: Sequence[xgboost.Booster]) -> MergedBooster | None:
        """Merge boosters of the same features; None where it is of no use (one booster) or they cannot be merged.

        All trees count, as in ``Booster.predict`` without a range of rounds: a booster that was stopped early is merged
        with the trees after its best round. Merged are binary logistic ``gbtree`` models without native categories.
        """
        if len(boosters) < 2:
            return None
        models = [json.loads(booster.save_raw("json")) for booster in boosters]
        if not all(_mergeable(model["learner"]) for model in models):
            return None
        width = boosters[0].num_features()
        if any(booster.num_features() != width for booster in boosters):
            return None
        trees: list[dict[str, Any]] = []
        for j, model in enumerate(models):
            for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
                trees.append(_moved(tree, len(trees), j * width, len(boosters), width))
        base_margin = float(np.mean([_base_margin(model["learner"]) for model in models]))
        return cls(_loaded(models[0], trees, len(boosters) * width), len(boosters), base_margin)

    def contributions(self, matrices: Sequence[np.ndarray], margin: np.ndarray) -> Contributions:
        """Mean of the K boosters' exact contributions.

        Parameters
        ----------
        matrices : sequence of K float32 arrays of shape (n, f)
            The rows as each booster reads them; NaN is missing.
        margin : float64 array of shape (n,), log-odds
            Mean of the K boosters' margins.

        Raises
        ------
        ContributionError
            When the contributions of a row do not add up to its margin.
        """
        found = exact_contributions(self.booster, np.hstack(matrices), margin=margin - self.base_margin, n_jobs=None)
        values = found.values.reshape(len(margin), self.copies, -1).sum(axis=1)
        return Contributions(values, found.base + self.base_margin, found.recomputed_share, found.recomputed)


def _mergeable(learner: dict[str, Any]) -> bool:
    gradient = learner["gradient_booster"]
    if gradient["name"] != "gbtree" or learner["objective"]["name"] != "binary:logistic":
        return False
    model = gradient["model"]
    plain = all(
        not tree["categories_nodes"] and tree["tree_param"]["size_leaf_vector"] in "01" for tree in model["trees"]
    )
    return plain and not any(model["tree_info"])


def _base_margin(learner: dict[str, Any]) -> float:
    """A booster's global bias as log-odds; its JSON has the probability, since XGBoost 3.1 as a list of one.

    Computed in float32 step by step as XGBoost does: near 0 and 1 the rounding is what the margins have in them.
    """
    probability = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    return -log(np.float32(1.0) / probability - np.float32(1.0))


def _moved(tree: dict[str, Any], number: int, offset: int, copies: int, width: int) -> dict[str, Any]:
    """Return a tree that reads features from `offset` on and whose leaves are divided by `copies`."""
    leaf = np.asarray(tree["left_children"]) == -1
    # Thresholds stay what they are to the bit; the JSON keeps a leaf's value where a split has its threshold.
    cuts = np.asarray(tree["split_conditions"], dtype=np.float32)
    cuts[leaf] /= np.float32(copies)
    return {
        **tree,
        "id": number,
        "split_indices": [index + offset for index in tree["split_indices"]],
        "split_conditions": cuts.tolist(),
        "base_weights": (np.asarray(tree["base_weights"], dtype=np.float32) / np.float32(copies)).tolist(),
        "tree_param": {**tree["tree_param"], "num_feature": str(copies * width)},
    }


def _loaded(model: dict[str, Any], trees: list[dict[str, Any]], features: int) -> xgboost.Booster:
    """Load a booster of these trees; `model` gives the form of the file."""
    import xgboost

    learner = model["learner"]
    gradient = learner["gradient_booster"]
    grown = gradient["model"]
    form = {**grown["gbtree_model_param"], "num_trees": str(len(trees)), "num_parallel_tree": "1"}
    body = {
        **grown,
        "gbtree_model_param": form,
        "trees": trees,
        "tree_info": [0] * len(trees),
        "iteration_indptr": list(range(len(trees) + 1)),
    }
    even = "[5E-1]" if learner["learner_model_param"]["base_score"].startswith("[") else "5E-1"
    merged = {
        **learner,
        "attributes": {},
        "feature_names": [],
        "feature_types": [],
        "gradient_booster": {**gradient, "model": body},
        "learner_model_param": {**learner["learner_model_param"], "base_score": even, "num_feature": str(features)},
    }
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(json.dumps({**model, "learner": merged}).encode()))
    booster.set_param({"nthread": 1})
    return booster
