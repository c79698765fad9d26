"""Imported by the fork server of `tests.jobs.mortal` alone: everything that a job imports, so that each process starts at once."""

import xgboost  # noqa: F401

import retainstream.app
import retainstream.ml
import retainstream.services.events.following
import retainstream.services.events.loading
import retainstream.services.performance
import retainstream.services.replay
import retainstream.services.scoring
import retainstream.services.training  # noqa: F401
import tests.jobs.mortal  # noqa: F401
