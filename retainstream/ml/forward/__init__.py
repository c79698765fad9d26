"""Models that look forward: trained on earlier observation dates, calibrated on later ones, judged once on the latest.

    training     `train_forward`: the order of such a training
    folds        inner folds in time, and samples of whole customers
    rivals       the simple rivals, fitted on the train window and judged on the test window; what a random split would claim
    stability    the model date by date, and what reaching so many customers would have found
    rule         one rule for histories too short for a model
    statement    what a score means, in one sentence

What is known at a time is made in `retainstream.ml.asof`. How trees are grown, probabilities calibrated and figures
resampled is the affair of the modules that snapshot training uses too. This file imports nothing: XGBoost and scikit-learn take
seconds to load, and the web app needs `statement` only.
"""
