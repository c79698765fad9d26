"""Training a model that looks ahead: what it may know, what stops it, and what is recorded of it.

    asked      what a training was asked for, and what stops it before anything is read
    material   what it reads, cut at its moment, and the features that can be made of it
    learning   panel, checks, model; or the simple rule where there is too little
    recording  the version with its figures, and that its test window was opened

Everything is read as of one moment: history that was not known before it is cut off first, so that the same training can be done for a past
day (`services.replay`) with the same result as it would have had then. How panels and models are made is `retainstream.ml`'s affair.
"""

from __future__ import annotations

from retainstream.services.forward_training.asked import Asked, check, definition_for
from retainstream.services.forward_training.learning import Trained, train
from retainstream.services.forward_training.material import Material, gather, newest_known
from retainstream.services.forward_training.recording import openings_of, record

__all__ = [
    "Asked", "Material", "Trained", "check", "definition_for", "gather", "newest_known", "openings_of", "record", "train",
]  # fmt: skip
