"""Data and models that the tests of retainstream.ml share; each is made once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retainstream.ml import ChurnPredictor, generate_streaming_customers

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def streaming() -> pd.DataFrame:
    """1,500 made-up customers with a few holes in two columns."""
    frame = generate_streaming_customers(1500, random_state=3)
    holes = np.random.default_rng(0).random((len(frame), 2)) < 0.05
    frame["watch_time_hours"] = frame["watch_time_hours"].mask(holes[:, 0])
    frame["plan"] = frame["plan"].mask(holes[:, 1])
    return frame


@pytest.fixture(scope="session")
def features_of(streaming: pd.DataFrame) -> pd.DataFrame:
    return streaming.drop(columns=["user_id", "churn"])


@pytest.fixture(scope="session")
def model(streaming: pd.DataFrame, features_of: pd.DataFrame) -> ChurnPredictor:
    """An untuned model of these customers; their row ids are 1000, 1001, ..."""
    predictor = ChurnPredictor(tune=False, n_estimators=60, learning_rate=0.1, folds=4, repeats=2)
    return predictor.fit(features_of, streaming["churn"], row_ids=np.arange(1500) + 1000)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, which are not part of the repository."""
    named = os.environ.get("RETAINSTREAM_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not here; RETAINSTREAM_TEST_DATA may name their folder")
    return folder
